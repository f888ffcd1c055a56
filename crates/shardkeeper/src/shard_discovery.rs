//! What shards exist? One worker at a time lists the stream and leases what nobody covers.
//!
//! Children of a shard that ends do not wait for this: its owner finds them. Discovery makes the first leases,
//! finds what was listed late, follows a table to its next stream, and forgets what is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardkeeper_core::checkpoint::{Checkpoint, Timestamp};
use shardkeeper_core::event::{DataLoss, Event, LossCause};
use shardkeeper_core::ids::{ShardId, StreamArn, WorkerId};
use shardkeeper_core::lease::{Lease, NewLease};
use shardkeeper_core::lineage::{self, Leases, Shard};
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::ports::{Answer, LeaseStore, PortError};
use shardkeeper_core::row::Write;
use tokio::sync::{Notify, watch};

use crate::listing::{Listed, Listing};
use crate::settings::Settings;

/// Leases created in one transaction, beside the announcement; DynamoDB allows 100 writes.
const CHUNK: usize = 50;

/// Which stream is read.
#[derive(Debug, Clone)]
pub(crate) enum StreamChoice {
    /// The one that the table has now; the next one when it is switched off and on again.
    Of { table: String },
    /// This one and no other.
    Pinned(StreamArn),
}

impl StreamChoice {
    /// Why a group that has listed streams already cannot list this one: every worker takes any of the group's
    /// leases, so each would get the records of two tables.
    pub(crate) fn refused_by(
        &self,
        group: &GroupRow,
        leased: impl Iterator<Item = StreamArn>,
    ) -> Option<String> {
        let ours = match self {
            // A table may be named by its ARN.
            Self::Of { table } => table
                .rsplit_once('/')
                .map_or(table.as_str(), |(_, name)| name),
            Self::Pinned(stream) => stream.table(),
        };
        let listed = group.listed.iter();
        let known = listed.filter_map(|stream| StreamArn::parse(stream).ok());
        let other = known
            .chain(leased)
            .map(|stream| stream.table().to_owned())
            .find(|table| table != ours)?;
        let application = &group.application;
        Some(format!(
            "the application {application:?} reads table {other}, so it cannot read table {ours} too; give each table an application of its own"
        ))
    }
}

/// Where the first shards of an application begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartPosition {
    /// The oldest records that are still there.
    #[default]
    TrimHorizon,
    /// Records written after the application was first started. That moment is stored at once, so that
    /// nothing is lost when the first worker dies before the first record.
    Latest,
    /// Records written at this time or later, as precise as the service's times (a second).
    At(Timestamp),
}

/// Lists the stream while its worker is the discoverer.
pub(crate) struct ShardDiscovery {
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) listing: Listing,
    pub(crate) settings: Arc<Settings>,
    pub(crate) choice: StreamChoice,
    pub(crate) start: StartPosition,
    pub(crate) me: WorkerId,
    /// The term in which this worker lists; `None` while another one does.
    pub(crate) term: watch::Receiver<Option<u64>>,
    /// Look now.
    pub(crate) nudge: Arc<Notify>,
    /// Tells this worker's keeper of leases to take, sooner than its next look would.
    pub(crate) found: Arc<Notify>,
}

impl ShardDiscovery {
    /// Lists again and again. Ends when the worker does: drop it.
    pub(crate) async fn run(mut self) {
        let mut current: Option<StreamArn> = None;
        loop {
            let term = *self.term.borrow_and_update();
            if let Some(term) = term
                && let Err(error) = self.round(term, &mut current).await
            {
                self.listing.told(&error);
            }
            let env = self.listing.env.clone();
            // Spread, so that many applications do not list in step.
            let interval = self.settings.discovery_interval;
            let wait = interval / 2 + env.up_to(interval / 2);
            tokio::select! {
                biased;
                changed = self.term.changed() => if changed.is_err() { return },
                () = self.nudge.notified(), if term.is_some() => env.sleep(self.settings.beat_interval).await,
                () = env.sleep(wait) => {}
            }
        }
    }

    async fn round(&self, term: u64, current: &mut Option<StreamArn>) -> Result<(), PortError> {
        let (group, all) = self.rows().await?;
        let Some(group) = group.filter(|group| group.term == term) else {
            return Ok(());
        };
        let stream = self.stream(&all).await?;
        if current.as_ref() != Some(&stream) {
            self.listing.observers.emit(&Event::StreamChanged {
                stream: stream.clone(),
            });
            *current = Some(stream.clone());
        }
        let (listed, leases) = self.survey(&stream).await?;
        let created = self.create(&group, &stream, &listed, &leases).await?;
        let forgotten = if listed.complete {
            self.forget(&group, &listed.shards, &leases).await?
        } else {
            0
        };
        let listed = listed.shards.len();
        self.listing.observers.emit(&Event::ShardsListed {
            listed,
            created,
            forgotten,
        });
        Ok(())
    }

    /// The shards and their leases. A parent that one listing does not show may be in the next, and its
    /// child must not overtake it: it is gone when two complete listings do not show it (design rule 12).
    async fn survey(&self, stream: &StreamArn) -> Result<(Listed, Leases), PortError> {
        let mut listed = self.listing.complete(stream).await?;
        // Read after the listing: what ended meanwhile has brought its children.
        let mut leases = of_stream(self.rows().await?.1, stream);
        let found = lineage::uncovered(&listed.shards, &leases);
        if found.iter().any(|found| found.orphan) {
            self.listing.env.sleep(self.settings.beat_interval).await;
            let again = self.listing.complete(stream).await?;
            listed.complete &= again.complete;
            listed.shards.extend(again.shards);
            leases = of_stream(self.rows().await?.1, stream);
        }
        Ok((listed, leases))
    }

    async fn rows(&self) -> Result<(Option<GroupRow>, Vec<Lease>), PortError> {
        let rows = self.store.sweep().await?;
        let group = rows
            .iter()
            .find(|row| row.key == group_key())
            .and_then(GroupRow::parse);
        Ok((
            group,
            rows.iter()
                .filter_map(|row| Lease::parse(row).ok())
                .collect(),
        ))
    }

    /// The stream to list: an older one of the table is drained before the next is begun.
    async fn stream(&self, leases: &[Lease]) -> Result<StreamArn, PortError> {
        let table = match &self.choice {
            StreamChoice::Pinned(stream) => return Ok(stream.clone()),
            StreamChoice::Of { table } => table,
        };
        let older = leases
            .iter()
            .filter(|lease| lease.is_active())
            .map(|lease| &lease.stream)
            .min();
        match older {
            Some(older) => Ok(older.clone()),
            None => self.listing.source.latest_stream(table).await,
        }
    }

    /// Leases for the shards that nobody covers.
    async fn create(
        &self,
        group: &GroupRow,
        stream: &StreamArn,
        listed: &Listed,
        leases: &Leases,
    ) -> Result<usize, PortError> {
        let first_listing = !group.listed.contains(stream.as_str());
        let mut uncovered = lineage::uncovered(&listed.shards, leases);
        uncovered.retain(|found| listed.complete || !found.orphan);
        let start = self.first_checkpoint(group, first_listing);
        for chunk in uncovered.chunks(CHUNK) {
            let mut writes = vec![GroupRow::announce_in_term(&self.me, group.term)];
            writes.extend(chunk.iter().map(|found| {
                let new = NewLease {
                    stream: stream.clone(),
                    shard: found.shard.id.clone(),
                    parent: found.shard.parent.clone(),
                    checkpoint: start,
                    epoch: group.epoch_floor.saturating_add(1),
                };
                new.create(None, &self.listing.env.fresh_id())
            }));
            if !self.write(&writes).await? {
                return Ok(0);
            }
            for orphan in chunk.iter().filter(|found| found.orphan && !first_listing) {
                self.tell_orphan(&orphan.shard);
            }
        }
        if !uncovered.is_empty() {
            self.found.notify_one();
        }
        if first_listing && !uncovered.is_empty() {
            // Marked by a listing that finds them leased, because a transaction answers with nothing.
            self.nudge.notify_one();
        } else if first_listing && !leases.is_empty() {
            self.write(&[GroupRow::mark_listed(&self.me, group.term, stream)])
                .await?;
        }
        Ok(uncovered.len())
    }

    /// Only the very first listing of an application begins where the user said; everything found later
    /// is newer than that and begins at its oldest record.
    fn first_checkpoint(&self, group: &GroupRow, first_listing: bool) -> Checkpoint {
        if !first_listing || !group.listed.is_empty() {
            return Checkpoint::TrimHorizon;
        }
        match (self.start, group.started_at) {
            (StartPosition::At(time), _) | (StartPosition::Latest, Some(time)) => {
                Checkpoint::At(time)
            }
            (StartPosition::TrimHorizon | StartPosition::Latest, _) => Checkpoint::TrimHorizon,
        }
    }

    async fn forget(
        &self,
        group: &GroupRow,
        listed: &BTreeMap<ShardId, Shard>,
        leases: &Leases,
    ) -> Result<usize, PortError> {
        let mut forgotten = 0;
        // Rises from lease to lease: the floor must never fall.
        let mut group = group.clone();
        for lease in lineage::forgettable(listed, leases) {
            group.epoch_floor = group.epoch_floor.max(lease.epoch);
            let writes = [group.raise_floor(&self.me, lease.epoch), lease.forget()];
            if !self.write(&writes).await? {
                break;
            }
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// False when it was refused: another discoverer is in office, or a row is not as we read it. The next
    /// round sees.
    async fn write(&self, writes: &[Write]) -> Result<bool, PortError> {
        Ok(matches!(
            self.store.write(writes).await?,
            Answer::Applied(_)
        ))
    }

    fn tell_orphan(&self, shard: &Shard) {
        let loss = DataLoss {
            shard: shard.parent.clone().unwrap_or_else(|| shard.id.clone()),
            from: Checkpoint::TrimHorizon,
            to: shard.starting,
            why: LossCause::ParentVanished,
            noticed: self.listing.source.service_time(),
        };
        self.listing.observers.emit(&Event::DataLost(loss));
    }
}

/// The leases of one stream, by shard.
pub(crate) fn of_stream(leases: Vec<Lease>, stream: &StreamArn) -> Leases {
    let of_it = leases.into_iter().filter(|lease| lease.stream == *stream);
    of_it.map(|lease| (lease.shard.clone(), lease)).collect()
}
