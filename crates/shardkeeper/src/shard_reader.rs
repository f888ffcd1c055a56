//! Reads one shard: opens an iterator, fetches pages, and goes on after every failure that may pass.
//!
//! The reader remembers the last record it gave out and reopens *after it*, never at the last stored
//! checkpoint and never at the latest record: nothing is skipped and nothing comes twice from here. One that takes the place
//! of another, whose records were given up, begins *at* the oldest of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use shardkeeper_core::checkpoint::{Checkpoint, Timestamp};
use shardkeeper_core::crowd::Crowd;
use shardkeeper_core::event::{Event, LossCause};
use shardkeeper_core::ids::{SequenceNumber, ShardId, StreamArn};
use shardkeeper_core::pacing::{Pace, idle_poll};
use shardkeeper_core::page::Undecodable;
use shardkeeper_core::planted;
use shardkeeper_core::ports::{
    FailureKind, Fetched, PortError, Position, ShardIterator, StreamSource,
};
use shardkeeper_core::record::{Batch, Record};

use crate::env::Env;
use crate::fetch_budget::{FetchBudget, Share};
use crate::observer::Observers;
use crate::retry::Retry;

/// A start time is read this much earlier where the server only knows the horizon, because times are
/// rounded and not monotone (F46, F50).
const TIME_SLACK_MILLIS: u64 = 60_000;

/// An answer that a shard does not exist may be a mistake; so many in a row, over six seconds and more, are
/// believed.
const BELIEVE_NOT_FOUND: u32 = 9;

/// What one step of reading gave.
#[derive(Debug)]
pub(crate) enum Read {
    /// Records, at least one, and the bytes that their page takes.
    Records(Batch, Arc<Share>),
    /// The last page was read.
    Ended,
    /// Records are gone. [`ShardReader::go_on`] continues behind the gap.
    Lost(Gap),
}

/// Records that cannot be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// What happened.
    pub(crate) why: LossCause,
    /// The last position before the gap.
    pub(crate) from: Checkpoint,
    /// The first record behind it, where that is known.
    pub(crate) to: Option<SequenceNumber>,
}

/// What a reader needs from the world.
#[derive(Debug, Clone)]
pub(crate) struct ReaderWorld {
    pub(crate) source: Arc<dyn StreamSource>,
    pub(crate) env: Env,
    pub(crate) observers: Observers,
    pub(crate) budget: FetchBudget,
    pub(crate) page_limit: u16,
    pub(crate) idle_poll_max: Duration,
    /// How many readers the worker has.
    pub(crate) readers: Arc<AtomicU32>,
}

impl ReaderWorld {
    fn idle_poll(&self) -> Duration {
        idle_poll(self.idle_poll_max, self.readers.load(Relaxed))
    }
}

/// Reads one shard.
#[derive(Debug)]
pub(crate) struct ShardReader {
    world: ReaderWorld,
    stream: StreamArn,
    shard: ShardId,
    /// The last record given out, or where reading began.
    given: Checkpoint,
    /// The first record to give out, where it is known: it was given out before, and comes after `given`.
    first: Option<SequenceNumber>,
    /// Set while the server does not know start times: older records are dropped.
    not_before: Option<Timestamp>,
    iterator: Option<ShardIterator>,
    pace: Pace,
    crowd: Crowd,
    retry: Retry,
    wait: Duration,
    /// What the last page held and was not asked for yet; at most one page.
    found: VecDeque<Read>,
    not_found: u32,
    /// No page was read since an iterator expired.
    expired: bool,
    ended: bool,
    /// The end was seen and confirmed before: this is the last look.
    closed: bool,
    /// It was told that the shard is gone.
    known_gone: bool,
    /// The record that was given out last is gone, and this look begins at the oldest one that is not.
    outlived: bool,
}

impl Drop for ShardReader {
    fn drop(&mut self) {
        self.world.readers.fetch_sub(1, Relaxed);
    }
}

impl ShardReader {
    /// A reader that goes on at this checkpoint.
    pub(crate) fn new(
        world: ReaderWorld,
        stream: StreamArn,
        shard: ShardId,
        from: Checkpoint,
    ) -> Self {
        world.readers.fetch_add(1, Relaxed);
        Self {
            retry: Retry::new(&world.env),
            world,
            stream,
            shard,
            given: from,
            first: None,
            not_before: None,
            iterator: None,
            pace: Pace::default(),
            crowd: Crowd::default(),
            wait: Duration::ZERO,
            found: VecDeque::new(),
            not_found: 0,
            expired: false,
            ended: false,
            closed: false,
            known_gone: false,
            outlived: false,
        }
    }

    /// Begins with a record behind that checkpoint that was given out before. If it is gone, that is a gap.
    pub(crate) fn beginning_with(mut self, first: SequenceNumber) -> Self {
        self.first = Some(first);
        self
    }

    /// The next records, the end, or a gap. Waits while there is nothing. Not cancel-safe: a dropped call
    /// loses its page, and the reader with it.
    pub(crate) async fn next(&mut self) -> Read {
        loop {
            if let Some(read) = self.found.pop_front() {
                return read;
            }
            if self.ended {
                return Read::Ended;
            }
            if !self.wait.is_zero() {
                self.world.env.sleep(std::mem::take(&mut self.wait)).await;
            }
            let mut share = self.world.budget.share().await;
            match self.fetch().await {
                Ok(fetched) => {
                    share.settle(&fetched.page);
                    self.retry.succeeded();
                    self.not_found = 0;
                    self.expired = false;
                    self.take_in(fetched, Arc::new(share));
                }
                Err(error) => {
                    drop(share);
                    if let Some(why) = self.failed(&error).await {
                        return Read::Lost(self.gap(why));
                    }
                }
            }
        }
    }

    /// Everything behind the last record given out, for this reason.
    fn gap(&self, why: LossCause) -> Gap {
        Gap {
            why,
            from: self.given,
            to: None,
        }
    }

    /// Goes on behind a gap, as the user decided.
    pub(crate) fn go_on(&mut self, gap: &Gap) {
        match gap.why {
            LossCause::Undecodable => {}
            LossCause::Trimmed => {
                self.iterator = None;
                self.ended = false;
                self.outlived = false;
                self.first = None;
                self.given = Checkpoint::TrimHorizon;
            }
            _ => (self.ended, self.known_gone) = (true, true),
        }
    }

    /// The end was none, or is to be seen again in a shard that is `closed`: goes on after the last record given out, at
    /// once in a closed one, whose children wait.
    pub(crate) fn read_on(&mut self, closed: bool) {
        if closed {
            self.wait = Duration::ZERO;
        }
        self.iterator = None;
        self.ended = false;
        self.closed = closed;
        self.outlived = false;
    }

    async fn fetch(&mut self) -> Result<Fetched, PortError> {
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => self.open().await?,
        };
        let fetched = self
            .world
            .source
            .fetch(&iterator, self.world.page_limit)
            .await?;
        self.iterator.clone_from(&fetched.next);
        if self.outlived && !fetched.page.is_empty() {
            // It came after all that was given out, and so may others have that are gone.
            let why = "records came after the end that was seen, and what was read before is gone";
            return Err(PortError::new(FailureKind::Trimmed, "GetRecords", why));
        }
        Ok(fetched)
    }

    async fn open(&mut self) -> Result<ShardIterator, PortError> {
        let position = match (self.given, self.first) {
            (Checkpoint::After(_), _) if self.outlived => Position::TrimHorizon,
            (_, Some(first)) => Position::From(first),
            (Checkpoint::After(last), None) => Position::After(last),
            (Checkpoint::At(_), None) if planted!(LatestRenewed) && self.expired => self.latest(),
            (Checkpoint::At(time), None) if self.not_before.is_none() => Position::At(time),
            _ if planted!(ChildAtLatest) => self.latest(),
            _ => Position::TrimHorizon,
        };
        let iterator = self
            .world
            .source
            .open(&self.stream, &self.shard, position)
            .await?;
        self.iterator = Some(iterator.clone());
        Ok(iterator)
    }

    /// Where a mistaken reader begins, when one is planted.
    fn latest(&self) -> Position {
        let now = self.world.source.service_time();
        now.map_or(Position::TrimHorizon, Position::At)
    }

    /// Takes in a page: runs of records, with a gap wherever one could not be read.
    fn take_in(&mut self, fetched: Fetched, share: Arc<Share>) {
        let Fetched { page, next } = fetched;
        let empty = page.is_empty();
        self.ended = next.is_none() || (planted!(EmptyPageIsEnd) && empty);
        let (count, bytes, limit) = (page.records.len(), page.bytes, self.world.page_limit);
        self.wait = self
            .pace
            .after_page(count, bytes, limit, self.world.idle_poll());
        self.world.observers.emit(&Event::PageFetched {
            stream: self.stream.clone(),
            shard: self.shard.clone(),
            records: count,
            bytes,
        });
        let mut rest = page.records;
        if (planted!(LastPageDropped) && self.ended)
            || (planted!(HugePageDropped) && bytes >= 1_000_000)
        {
            return;
        }
        // From the back, so that the indices of the page stay true.
        let mut runs = Vec::with_capacity(page.undecodable.len());
        for undecodable in page.undecodable.iter().rev() {
            runs.push(rest.split_off(undecodable.index.min(rest.len())));
        }
        if self.ended && self.outlived {
            // Nothing is left, and what there was behind the record that was given out last is anybody's guess.
            self.found
                .push_back(Read::Lost(self.gap(LossCause::Trimmed)));
        }
        self.give(rest, &share);
        for (undecodable, run) in page.undecodable.iter().zip(runs.into_iter().rev()) {
            self.miss(undecodable, run.first());
            self.give(run, &share);
        }
    }

    /// A record that cannot be read is a gap of its own, once: when the page is read again from before
    /// it, it counts as given out.
    fn miss(&mut self, undecodable: &Undecodable, next: Option<&Record>) {
        let position = undecodable.sequence_number.map(Checkpoint::After);
        if position.is_some_and(|position| position <= self.given) {
            return;
        }
        let gap = Gap {
            why: LossCause::Undecodable,
            from: self.given,
            to: next.map(Record::sequence_number),
        };
        if !planted!(UndecodableSkipped) {
            self.found.push_back(Read::Lost(gap));
        }
        if let Some(position) = position {
            self.given = position;
            self.first = None;
        }
    }

    /// Gives out what is new of a run of records.
    fn give(&mut self, mut records: Vec<Record>, share: &Arc<Share>) {
        if let Checkpoint::After(given) = self.given {
            records.retain(|record| record.sequence_number() > given);
        }
        if let Some(start) = self.not_before {
            let bound = start.millis().saturating_sub(TIME_SLACK_MILLIS);
            records.retain(|record| {
                record
                    .created_at()
                    .is_none_or(|time| time.millis() >= bound)
            });
        }
        if let Some(last) = records.last() {
            self.first = None;
            self.given = Checkpoint::After(last.sequence_number());
            let batch = Batch::new(self.shard.clone(), records);
            self.found
                .push_back(Read::Records(batch, Arc::clone(share)));
        }
    }

    /// What a failed call means: a gap for this reason, or nothing, and it is tried again.
    async fn failed(&mut self, error: &PortError) -> Option<LossCause> {
        let moved = !matches!(
            error.kind,
            FailureKind::Throttled
                | FailureKind::TooManyReaders
                | FailureKind::Unavailable
                | FailureKind::Denied
        );
        let reused = planted!(IteratorReused) && error.kind == FailureKind::ExpiredIterator;
        if moved && !reused {
            self.iterator = None;
        }
        match error.kind {
            FailureKind::ExpiredIterator => {
                self.world.observers.emit(&Event::IteratorExpired {
                    stream: self.stream.clone(),
                    shard: self.shard.clone(),
                });
                if planted!(ReopensAtHorizon) {
                    (self.given, self.first) = (Checkpoint::TrimHorizon, None);
                }
                // The first is opened again at once. A server that calls every iterator expired is
                // asked no faster than one that refuses.
                if std::mem::replace(&mut self.expired, true) {
                    self.retry.pause().await;
                }
                return None;
            }
            // Nothing was read from this shard yet, so nothing is known to be gone: DynamoDB Local says
            // this whenever an empty shard gets its first record.
            FailureKind::Trimmed if self.given.is_start() && self.first.is_none() => {
                self.begin_at_the_horizon()
            }
            // A closed shard gets nothing more. The end that was seen before may have been none, though: then the oldest
            // record that is left came after it; where none is left, and where the shard itself is gone, it is not known.
            FailureKind::Trimmed if self.closed && !self.outlived => {
                self.outlived = true;
                return None;
            }
            FailureKind::Trimmed if planted!(TrimmedForEver) => {}
            FailureKind::Trimmed if planted!(TrimmedIsHorizon) => {
                (self.given, self.first) = (Checkpoint::TrimHorizon, None);
            }
            FailureKind::Trimmed => return Some(LossCause::Trimmed),
            FailureKind::NotFound if self.known_gone => {
                self.ended = true;
                return None;
            }
            FailureKind::NotFound => {
                self.not_found += 1;
                if self.not_found >= BELIEVE_NOT_FOUND {
                    assert!(!planted!(VanishedPanics), "the shard is gone");
                    if planted!(VanishedIsFinished) {
                        self.ended = true;
                        return None;
                    }
                    return Some(LossCause::ShardVanished);
                }
            }
            FailureKind::Throttled => self.pace.refused(),
            FailureKind::TooManyReaders => {
                self.pace.refused();
                self.crowded();
            }
            // A server that knows no position at a record: what is behind the last one that counts comes again, and what is
            // gone is noticed there. A start would notice nothing, so there it is asked again.
            FailureKind::Invalid if self.first.is_some() && !self.given.is_start() => {
                self.first = None;
            }
            // A server that does not know start times.
            FailureKind::Invalid if self.not_before.is_none() => self.begin_at_the_horizon(),
            _ => {}
        }
        self.world.observers.call_failed(error);
        self.retry.pause().await;
        None
    }

    fn crowded(&mut self) {
        if let Some(lasted) = self.crowd.refused(self.world.env.now()) {
            self.world.observers.emit(&Event::TooManyReaders {
                stream: self.stream.clone(),
                shard: self.shard.clone(),
                lasted,
            });
        }
    }

    fn begin_at_the_horizon(&mut self) {
        if let Checkpoint::At(time) = self.given {
            self.not_before = Some(time);
        }
    }
}
