//! Leases for the shards that nobody covers, and what is lost before them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::event::{DataLoss, Event, LossCause};
use shardkeeper_core::headroom::RETENTION;
use shardkeeper_core::ids::StreamArn;
use shardkeeper_core::lease::{Lease, NewLease, Stop, lease_key};
use shardkeeper_core::lineage::{self, Leases, Uncovered};
use shardkeeper_core::membership::{GroupRow, TableStart};
use shardkeeper_core::ports::PortError;
use shardkeeper_core::row::{RowKey, Write};

use super::ShardDiscovery;
use super::book::Book;
use super::early::Early;
use crate::listing::Listed;
use crate::processor::Decision;
use crate::retry::Retry;

/// Leases created in one transaction, beside the announcement; DynamoDB allows 100 writes.
const CHUNK: usize = 50;

/// A lease to be created, and the loss that is told once it is.
pub(super) struct Birth {
    lease: NewLease,
    loss: Option<DataLoss>,
}

/// What leases of a stream begin with: decided before a listing, for everything that is found on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning<'a> {
    pub(super) group: &'a GroupRow,
    pub(super) stream: &'a StreamArn,
    start: TableStart,
    /// Nothing that is gone was the application's to lose.
    pub(super) begins: bool,
    /// No listing has found leases of the stream yet.
    pub(super) first_listing: bool,
    /// Shards have positions of their own, and what comes before them is over.
    pub(super) named: bool,
}

#[cfg(test)]
impl<'a> Beginning<'a> {
    /// The first listing of everything that is there.
    pub(super) fn of_all(group: &'a GroupRow, stream: &'a StreamArn) -> Self {
        Self {
            group,
            stream,
            start: TableStart::Horizon,
            begins: true,
            first_listing: true,
            named: false,
        }
    }
}

impl ShardDiscovery {
    /// Leases for the shards that nobody covers.
    pub(super) async fn create(
        &self,
        listed: &Listed,
        early: &Early<'_>,
        book: &Book,
    ) -> Result<usize, PortError> {
        let beginning = early.beginning;
        let Beginning { group, stream, .. } = beginning;
        let leases = book.of(stream);
        let named = self.named(group, stream, listed, leases);
        let uncovered = lineage::uncovered(&listed.shards, &with(leases, &named));
        let uncovered = self.keep_proven(stream, listed, uncovered).await?;
        let found = uncovered
            .iter()
            .filter_map(|found| self.birth(found, beginning));
        let named = named.into_iter().map(|lease| Birth { lease, loss: None });
        let births: Vec<Birth> = named.chain(found).collect();
        let made = self.deliver(beginning, &births, book).await?;
        let created = early.made + made;
        if made < births.len() {
            return Ok(created);
        }
        let has_begun = early.has_tried || !(births.is_empty() && uncovered.is_empty());
        if beginning.first_listing && has_begun {
            // Marked by a listing that finds them leased, because a transaction answers with nothing.
            self.nudge.notify_one();
            self.tell_that_latest_has_no_time(group);
            self.tell_unknown(group, stream, listed);
        } else if beginning.first_listing && !leases.is_empty() {
            self.write(&[GroupRow::mark_listed(&self.me, group.term, stream)])
                .await?;
        }
        Ok(created)
    }

    /// What leases of the stream begin with from now on.
    pub(super) fn beginning<'a>(
        &self,
        group: &'a GroupRow,
        stream: &'a StreamArn,
        book: &Book,
    ) -> Beginning<'a> {
        Beginning {
            group,
            stream,
            start: self.start_of(group, stream, book),
            begins: self.begins(group, stream, book.of(stream)),
            first_listing: !group.listed.contains(stream.as_str()),
            named: self.positions(group, stream).is_some(),
        }
    }

    /// Makes these leases. How many it made: fewer when it was refused, see [`ShardDiscovery::write`].
    pub(super) async fn deliver(
        &self,
        beginning: Beginning<'_>,
        births: &[Birth],
        book: &Book,
    ) -> Result<usize, PortError> {
        let Beginning { group, stream, .. } = beginning;
        let mut made = 0;
        for chunk in births.chunks(CHUNK) {
            let announce = self.announce(group, stream, (beginning.start, book));
            if !self.create_chunk(announce, chunk).await? {
                return Ok(made);
            }
            made += chunk.len();
            self.found.notify_one();
        }
        Ok(made)
    }

    /// True while the application takes up what the stream holds at its start: what is gone by then was never its to
    /// lose. A fleet that died in the middle of that and comes back after a whole retention has lost what it had
    /// not leased.
    fn begins(&self, group: &GroupRow, stream: &StreamArn, leases: &Leases) -> bool {
        let now = self.listing.source.service_time();
        let times = now.zip(group.started_at);
        let in_time = times.is_none_or(|(now, start)| now.since(start) < RETENTION);
        !group.listed.contains(stream.as_str()) && (leases.is_empty() || in_time)
    }

    /// `None` while the user's decision about what is lost before the shard panics: it is asked again by the
    /// next round.
    pub(super) fn birth(&self, found: &Uncovered, beginning: Beginning<'_>) -> Option<Birth> {
        let Beginning { group, stream, .. } = beginning;
        let shard = &found.shard;
        let loss = (found.orphan && !beginning.begins).then(|| DataLoss {
            stream: stream.clone(),
            shard: shard.parent.clone().unwrap_or_else(|| shard.id.clone()),
            from: Checkpoint::TrimHorizon,
            to: shard.starting,
            why: LossCause::ParentVanished,
            noticed: self.listing.source.service_time(),
        });
        let decision = match &loss {
            Some(loss) => self.decide(loss)?,
            None => Decision::GoOn,
        };
        let stopped = (decision == Decision::Stop).then(|| Stop {
            why: format!(
                "its parent {} was trimmed away before it was read; to go on without it, clear stoppedWhy of this lease",
                shard.parent.as_ref().map_or("", |parent| parent.as_str())
            ),
            by: self.me.clone(),
            at: self.listing.source.service_time(),
        });
        let lease = NewLease {
            stream: stream.clone(),
            shard: shard.id.clone(),
            parent: shard.parent.clone(),
            checkpoint: self.first_checkpoint(group, stream, beginning.start),
            epoch: self.first_epoch(group),
            stopped,
        };
        Some(Birth { lease, loss })
    }

    /// Above the floor, and above every epoch that this worker has seen: a row that was deleted by hand did not
    /// raise the floor.
    pub(super) fn first_epoch(&self, group: &GroupRow) -> u64 {
        let highest = self.memory.highest_epoch();
        group.epoch_floor.max(highest).saturating_add(1)
    }

    fn decide(&self, loss: &DataLoss) -> Option<Decision> {
        let decide = || (self.on_data_loss)(loss);
        catch_unwind(AssertUnwindSafe(decide)).ok()
    }

    /// False when it was refused: see [`ShardDiscovery::write`].
    async fn create_chunk(&self, announce: Write, chunk: &[Birth]) -> Result<bool, PortError> {
        let write_id = self.listing.env.fresh_id();
        let mut writes = vec![announce];
        writes.extend(
            chunk
                .iter()
                .map(|birth| birth.lease.create(None, &write_id)),
        );
        let answer = self.write(&writes).await;
        let lossy: Vec<&Birth> = chunk.iter().filter(|birth| birth.loss.is_some()).collect();
        if lossy.is_empty() {
            return answer;
        }
        // A loss is told exactly once: by whoever wrote the row, and only when the row says so.
        if self.are_ours(&lossy, &write_id).await {
            lossy.iter().for_each(|birth| self.tell(birth));
        }
        answer
    }

    /// True when the rows of these leases were written by this attempt. They were made in one transaction, so
    /// one row speaks for all.
    async fn are_ours(&self, births: &[&Birth], write_id: &str) -> bool {
        let key = |birth: &&Birth| lease_key(&birth.lease.stream, &birth.lease.shard);
        let keys: Vec<RowKey> = births.iter().take(1).map(key).collect();
        let mut retry = Retry::new(&self.listing.env);
        loop {
            match self.store.read(&keys).await {
                Ok(rows) => {
                    let leases = rows.values().filter_map(|row| Lease::parse(row).ok());
                    let written: BTreeSet<_> = leases.filter_map(|lease| lease.write_id).collect();
                    return written.contains(write_id);
                }
                Err(error) => {
                    self.listing.told(&error);
                    retry.pause().await;
                }
            }
        }
    }

    fn tell(&self, birth: &Birth) {
        if let Some(loss) = &birth.loss {
            self.listing.observers.emit(&Event::DataLost(loss.clone()));
        }
        if let Some(Stop { why, .. }) = &birth.lease.stopped {
            self.listing.observers.emit(&Event::ShardStopped {
                stream: birth.lease.stream.clone(),
                shard: birth.lease.shard.clone(),
                why: why.clone(),
            });
        }
    }
}

/// These leases and those that are about to be made.
fn with<'a>(leases: &'a Leases, made: &[NewLease]) -> Cow<'a, Leases> {
    let made = made.iter().filter_map(|made| {
        let row = made.create(None, "planned").apply(None)?;
        Lease::parse(&row).ok()
    });
    let mut all = Cow::Borrowed(leases);
    for lease in made {
        all.to_mut().insert(lease.shard.clone(), lease);
    }
    all
}
