//! What shards exist? One worker at a time lists the stream and leases what nobody covers.
//!
//! Children of a shard that ends do not wait for this: its owner finds them. Discovery makes the first leases,
//! finds what was listed late, follows a table to its next stream, and forgets what is over.

mod creating;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::event::Event;
use shardkeeper_core::ids::{ShardId, StreamArn, WorkerId};
use shardkeeper_core::lease::Lease;
use shardkeeper_core::lineage::{self, Leases, Shard};
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::ports::{Answer, LeaseStore, PortError};
use shardkeeper_core::row::Write;
use tokio::sync::{Notify, watch};

use crate::listing::{Listed, Listing};
use crate::processor::OnDataLoss;
use crate::settings::Settings;

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
    pub(crate) on_data_loss: OnDataLoss,
    pub(crate) me: WorkerId,
    /// The term in which this worker lists; `None` while another one does.
    pub(crate) term: watch::Receiver<Option<u64>>,
    /// Look now.
    pub(crate) nudge: Arc<Notify>,
    /// Tells this worker's keeper of leases to take, sooner than its next look would.
    pub(crate) found: Arc<Notify>,
    /// The highest epoch that this worker ever saw: a lease that was deleted by hand begins above it again.
    pub(crate) highest_epoch: Arc<AtomicU64>,
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
        if current.is_none() && !all.is_empty() {
            self.tell_that_checkpoints_count();
        }
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
}

/// The leases of one stream, by shard.
pub(crate) fn of_stream(leases: Vec<Lease>, stream: &StreamArn) -> Leases {
    let of_it = leases.into_iter().filter(|lease| lease.stream == *stream);
    of_it.map(|lease| (lease.shard.clone(), lease)).collect()
}
