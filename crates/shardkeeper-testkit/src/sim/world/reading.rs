//! Iterators and pages.

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::page::{Page, Undecodable};
use shardkeeper_core::ports::{FailureKind, Fetched, PortError, Position, ShardIterator};
use shardkeeper_core::record::Record;

use super::World;
use super::shards::{Change, Shard, ShardNo, number_of, sequence_number, service_millis};
use crate::sim::chaos::Fault;
use crate::sim::ground::{MINUTE, SECOND, Time};
use crate::sim::invariants::before_the_start;
use crate::sim::oracle::{Fact, Paper, ShardLog};
use crate::sim::scenario::Beginning;

/// How long an iterator lives (F30).
const ITERATOR_LIFE: Time = 15 * MINUTE;
/// An end that was none can be told by then.
const STAYS_OPEN: Time = 2 * MINUTE;
/// So many of ten thousand such shards close at once instead.
const CLOSES_AT_ONCE: u32 = 3_000;
/// Pages are cut at 1 MB (F36).
const HUGE_PAGE: usize = 1_000_000;
/// A lookup of a start time ends so many records early at most.
const TIME_SLACK: usize = 3;

const OPEN: &str = "GetShardIterator";
const FETCH: &str = "GetRecords";

/// What a token stands for.
struct Place {
    shard: ShardNo,
    next: usize,
    given: Time,
    /// Empty pages that still come before anything else.
    blanks: u32,
}

impl World {
    pub(super) fn open(
        &mut self,
        arn: &StreamArn,
        id: &ShardId,
        at: Position,
    ) -> Result<ShardIterator, PortError> {
        let missing = || PortError::new(FailureKind::NotFound, OPEN, "there is no such shard");
        let stream = self.streams.stream_of(arn).ok_or_else(missing)?;
        let number = *stream.by_id.get(id).ok_or_else(missing)?;
        let strict = self.scenario.seed.is_multiple_of(2);
        let shard = &self.streams.shards[number];
        if shard.is_gone(self.now) {
            self.tidy(number);
            return Err(missing());
        }
        let next = match at {
            Position::After(after) => after_number(shard, number_of(after), strict)?,
            Position::From(first) => from_number(shard, number_of(first))?,
            Position::At(_) if !self.scenario.knows_times => {
                let why = "there is no iterator type AT_TIMESTAMP";
                return Err(PortError::new(FailureKind::Invalid, OPEN, why));
            }
            Position::At(time) if time.millis() > service_millis(self.now) => {
                let why = "this time has not come yet";
                return Err(PortError::new(FailureKind::Invalid, OPEN, why));
            }
            Position::At(time) => {
                let trimmed = shard.trimmed;
                let exactly = shard.place_at_time(time.millis()).max(trimmed);
                exactly - self.time_slack(exactly - trimmed)
            }
            _ => shard.trimmed,
        };
        if let Position::After(record) | Position::From(record) = at {
            self.happened(Fact::Opened {
                shard: number,
                at: number_of(record),
            });
        }
        let (given, blanks) = (self.given(number, next), self.blanks());
        token(&Place {
            shard: number,
            next,
            given,
            blanks,
        })
    }

    /// By how many of the records before it a start time is missed: some are given that are a little older.
    fn time_slack(&mut self, most: usize) -> usize {
        if most == 0 || !self.strikes(Fault::LatestIdle, 3_000) {
            return 0;
        }
        1 + self.dice.usize(0..most.min(TIME_SLACK))
    }

    pub(super) fn fetch(
        &mut self,
        seat: usize,
        from: &ShardIterator,
        limit: u16,
    ) -> Result<Fetched, PortError> {
        let place = parse(from)
            .ok_or_else(|| PortError::new(FailureKind::Invalid, FETCH, "this is no iterator"))?;
        if place.given + ITERATOR_LIFE < self.now {
            return Err(PortError::new(
                FailureKind::ExpiredIterator,
                FETCH,
                "the iterator is too old",
            ));
        }
        let shard = &self.streams.shards[place.shard];
        if shard.is_gone(self.now) {
            return Err(PortError::new(
                FailureKind::NotFound,
                FETCH,
                "there is no such shard",
            ));
        }
        if !self.streams.shards[place.shard]
            .readers
            .admit(seat, self.now)
        {
            let why = "too many read this shard at the same time";
            return Err(PortError::new(FailureKind::TooManyReaders, FETCH, why));
        }
        if place.next < self.streams.shards[place.shard].trimmed {
            return Err(PortError::new(FailureKind::Trimmed, FETCH, "trimmed"));
        }
        if place.blanks > 0 {
            self.weather.injected.count(Fault::EmptyPages);
            let given = self.given(place.shard, place.next);
            let blanks = place.blanks - 1;
            return page_of(
                Page::default(),
                Some(Place {
                    blanks,
                    given,
                    ..place
                }),
            );
        }
        self.page(&place, limit)
    }

    /// A worker asks for records.
    pub(super) fn asked(&mut self, seat: usize, shard: Option<ShardNo>) {
        if let Some(shard) = shard {
            self.happened(Fact::Polled { seat, shard });
        }
    }

    /// A page has come to a worker.
    pub(super) fn came(&mut self, seat: usize, shard: Option<ShardNo>, page: &Page) {
        let ends = page.records.first().zip(page.records.last());
        let Some((shard, (first, last))) = shard.zip(ends) else {
            return;
        };
        let place = |record: &Record| {
            let number = number_of(record.sequence_number());
            self.streams.shards[shard].place_of(number)
        };
        if let Some((first, last)) = place(first).zip(place(last)) {
            let looks_for_the_start = !self.scenario.knows_times;
            let (oracle, scene) = self.scene();
            let (truth, log) = (&scene.streams.shards[shard], oracle.ledger.log(shard));
            // Where the service knows no times, what is older than the start is thrown away as it comes.
            if looks_for_the_start && before_the_start(&scene, truth, log, last) {
                return;
            }
            let page = Paper {
                from: first,
                to: last + 1,
                bytes: page.bytes as u64,
            };
            self.happened(Fact::PageCame { seat, shard, page });
        }
    }

    /// The shard of this name.
    pub(super) fn shard_of(&self, arn: &StreamArn, id: &ShardId) -> Option<ShardNo> {
        self.streams.stream_of(arn)?.by_id.get(id).copied()
    }

    /// A page without records and without a next iterator of a shard that is open: of a closed one nobody could tell it
    /// from the end. Either it stays open for a while, or it closes before anybody can ask, and not without a last word.
    pub(super) fn false_end(&mut self, from: &ShardIterator) -> Option<Fetched> {
        let number = parse(from)?.shard;
        let shard = &self.streams.shards[number];
        if shard.closed_at.is_some() || shard.vanished {
            return None;
        }
        if self.chance(CLOSES_AT_ONCE) {
            self.write_to(number, self.now);
            self.roll_over(number, 1);
        } else {
            self.streams.shards[number].open_until = self.now + STAYS_OPEN;
        }
        Some(Fetched {
            page: Page::default(),
            next: None,
        })
    }

    fn page(&mut self, place: &Place, limit: u16) -> Result<Fetched, PortError> {
        let huge = self.weather.is_on(Fault::HugeRecords) && self.dice.bool();
        let limit = if huge {
            1
        } else {
            usize::from(limit.clamp(1, 1_000))
        };
        let shard = &self.streams.shards[place.shard];
        let mut page = Page::default();
        let asked = (place.next + limit).min(shard.records.len());
        let until = place.next + fitting(&shard.records[place.next..asked]);
        for change in &shard.records[place.next..until] {
            match &change.record {
                Some(record) => page.records.push(record.clone()),
                None => page.undecodable.push(Undecodable {
                    index: page.records.len(),
                    sequence_number: sequence_number(change.number),
                }),
            }
        }
        let changes = &shard.records[place.next..until];
        page.bytes = changes.iter().map(|change| change.bytes).sum();
        if huge && until > place.next {
            page.bytes = HUGE_PAGE;
        }
        if until < asked || page.bytes == HUGE_PAGE {
            self.weather.injected.count(Fault::HugeRecords);
        }
        let shard = &self.streams.shards[place.shard];
        let drained = shard.closed_at.is_some() && until == shard.records.len();
        // Some servers say the end with the last records, others with one more empty page.
        let ended =
            drained && (page.records.is_empty() && page.undecodable.is_empty() || self.dice.bool());
        if ended {
            return page_of(page, None);
        }
        let (given, blanks) = (self.given(place.shard, until), self.blanks());
        let next = Place {
            next: until,
            given,
            blanks,
            shard: place.shard,
        };
        page_of(page, Some(next))
    }

    /// When an iterator was given: now, or so long ago that it is of no use any more, however often it is tried.
    fn given(&mut self, shard: ShardNo, next: usize) -> Time {
        let idle = self.is_idle_since_the_start(shard, next);
        if !self.strikes(Fault::IteratorExpiry, if idle { 1_000 } else { 60 }) {
            return self.now;
        }
        if idle {
            // Whoever went on at the latest record would miss what comes now.
            let wait = self.dice.u64(0..SECOND);
            self.after(wait, move |world| world.write_if_open(shard));
        }
        self.now - 2 * ITERATOR_LIFE
    }

    /// The application began at the latest record, and this shard has had none for it yet.
    fn is_idle_since_the_start(&self, number: ShardNo, next: usize) -> bool {
        let shard = &self.streams.shards[number];
        let waits = next == shard.records.len() && shard.closed_at.is_none();
        let log = self.oracle.ledger.shards.get(number);
        waits
            && self.scenario.beginning == Beginning::Latest
            && log.is_none_or(ShardLog::has_given_nothing)
    }

    /// Some open shard is.
    pub(crate) fn waits_at_the_start(&self) -> bool {
        let open = self.streams.open_shards();
        let idle = |shard: usize| {
            let records = self.streams.shards[shard].records.len();
            self.is_idle_since_the_start(shard, records)
        };
        open.into_iter().any(idle)
    }

    /// How many empty pages come before the next records.
    fn blanks(&mut self) -> u32 {
        if self.weather.is_on(Fault::EmptyPages) && self.chance(100) {
            self.dice.u32(1..12)
        } else {
            0
        }
    }
}

/// How many of these a page holds: the first whatever its size, the rest as far as they fit.
fn fitting(changes: &[Change]) -> usize {
    let mut bytes = 0;
    let fits = |change: &&Change| {
        bytes += change.bytes;
        bytes <= HUGE_PAGE
    };
    let count = changes.iter().take_while(fits).count();
    count.max(1).min(changes.len())
}

/// Where reading goes on behind this number. A strict server refuses a number that is itself trimmed, a lenient
/// one only when something behind it is gone.
fn after_number(shard: &Shard, number: u128, strict: bool) -> Result<usize, PortError> {
    let next = shard.after(number);
    let trimmed = next < shard.trimmed || (strict && next == shard.trimmed && next > 0);
    if trimmed {
        return Err(PortError::new(FailureKind::Trimmed, OPEN, "trimmed"));
    }
    Ok(next)
}

fn from_number(shard: &Shard, number: u128) -> Result<usize, PortError> {
    after_number(shard, number.saturating_sub(1), false)
}

fn page_of(page: Page, next: Option<Place>) -> Result<Fetched, PortError> {
    let next = next.map(|place| token(&place)).transpose()?;
    Ok(Fetched { page, next })
}

/// The shard that an iterator reads.
pub(super) fn shard_behind(iterator: &ShardIterator) -> Option<ShardNo> {
    parse(iterator).map(|place| place.shard)
}

fn token(place: &Place) -> Result<ShardIterator, PortError> {
    let Place {
        shard,
        next,
        given,
        blanks,
    } = place;
    let text = format!("{shard}|{next}|{given}|{blanks}");
    ShardIterator::from_service(text)
        .ok_or_else(|| PortError::new(FailureKind::Protocol, OPEN, "an empty iterator"))
}

fn parse(token: &ShardIterator) -> Option<Place> {
    let mut parts = token.expose().split('|');
    Some(Place {
        shard: parts.next()?.parse().ok()?,
        next: parts.next()?.parse().ok()?,
        given: parts.next()?.parse().ok()?,
        blanks: parts.next()?.parse().ok()?,
    })
}
