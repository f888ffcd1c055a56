//! Takes over a lease table that KCL left: watches its rows, refuses while a Java worker lives, adopts each row where
//! it stands (design rule 16).
//!
//! Done before the worker becomes a member. What is written can be broken off anywhere: until the group row is there the
//! next worker begins again, and afterwards discovery adopts what is left.

use std::collections::BTreeSet;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::event::Event;
use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::kcl::{self, KclLease, LEAST_WATCH};
use shardkeeper_core::lease::{Lease, NewLease};
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::ports::Answer;
use shardkeeper_core::row::{Row, Write};

use crate::incarnation::{DAMAGED_GROUP, Joining, Parts, unexpected};
use crate::listing::Listing;
use crate::shard_discovery::StartPosition;
use crate::sources::StreamChoice;

/// Nobody had an epoch before.
const FIRST_EPOCH: u64 = 1;
/// So often are the rows looked at while they are watched.
const LOOKS: u32 = 5;

impl Parts {
    /// Adopts what KCL left, if the table is still KCL's.
    pub(crate) async fn adopt_kcl(&self) -> Result<(), Joining> {
        let rows = self.swept().await?;
        let founded = rows.iter().any(|row| row.key == group_key());
        if founded || !rows.iter().any(kcl::is_lease) {
            return Ok(());
        }
        let stream = match self.sources.only() {
            None => {
                let why = "the lease table is one of KCL's: it is adopted by a worker that reads its table alone; name more tables once that is done";
                return Err(Joining::Refused(why.to_owned()));
            }
            Some(StreamChoice::Pinned(stream)) => stream.clone(),
            Some(StreamChoice::Of { table }) => {
                let latest = self.source.latest_stream(table).await;
                latest.map_err(Joining::Failed)?
            }
        };
        let found = kcl_leases(&rows, &stream)?;
        self.watch(&found, &stream).await?;
        self.mark_as_done(&stream, &leased(&rows, &found)).await?;
        let time = self.source.service_time();
        self.write(GroupRow::found_on(&self.application, time, &stream))
            .await?;
        // Somebody may have been faster, and it may be somebody else.
        let rows = self.store.read(&[group_key()]).await;
        let rows = rows.map_err(Joining::Failed)?;
        let Some(group) = rows.values().next().and_then(GroupRow::parse) else {
            return Err(Joining::Failed(unexpected(DAMAGED_GROUP)));
        };
        self.accept(&group).await?;
        self.take_over(found, group.epoch_floor.saturating_add(1))
            .await
    }

    /// Looks at the rows until they have stood still for long enough.
    async fn watch(&self, found: &[KclLease], stream: &StreamArn) -> Result<(), Joining> {
        let watched = self.settings.lease_duration.max(LEAST_WATCH);
        self.observers.emit(&Event::KclLeasesFound {
            leases: found.len(),
            watched,
        });
        let since = self.env.now();
        loop {
            self.env.sleep(watched / LOOKS).await;
            let sent = self.env.now();
            let rows = self.swept().await?;
            if let Some(sign) = kcl::sign_of_life(found, &kcl_leases(&rows, stream)?, &rows) {
                return Err(Joining::Refused(format!(
                    "the lease table is in use by KCL: {sign}; stop every KCL worker of the application, then start this one again; nothing was changed"
                )));
            }
            if sent >= since + watched {
                return Ok(());
            }
        }
    }

    /// Finished leases for what KCL was done with and deleted: without them these shards would be read again.
    async fn mark_as_done(
        &self,
        stream: &StreamArn,
        leased: &BTreeSet<ShardId>,
    ) -> Result<(), Joining> {
        let (env, observers) = (self.env.clone(), self.observers.clone());
        let listing = Listing::new(self.source.clone(), env, observers);
        let listed = listing.complete(stream).await.map_err(Joining::Failed)?;
        if !listed.complete {
            let why = "the listing of the stream was cut short";
            return Err(Joining::Failed(unexpected(why)));
        }
        for shard in kcl::done_before(&listed.shards, leased) {
            let done = NewLease {
                stream: stream.clone(),
                shard: shard.id.clone(),
                parent: shard.parent.clone(),
                checkpoint: Checkpoint::ShardEnd,
                epoch: FIRST_EPOCH,
                stopped: None,
            };
            self.write(done.create(None, &self.env.fresh_id())).await?;
        }
        Ok(())
    }

    async fn take_over(&self, found: Vec<KclLease>, epoch: u64) -> Result<(), Joining> {
        let start = match self.start {
            StartPosition::At(time) => Checkpoint::At(time),
            StartPosition::TrimHorizon | StartPosition::Latest | StartPosition::After(_) => {
                Checkpoint::TrimHorizon
            }
        };
        let (mut leases, mut without) = (0, 0);
        for lease in found {
            let adopt = lease.adopt(epoch, &start, &self.env.fresh_id());
            if self.write(adopt).await? {
                leases += 1;
                without += usize::from(lease.position.is_none());
            }
        }
        self.observers.emit(&Event::KclLeasesAdopted { leases });
        if without > 0 && !matches!(self.start, StartPosition::At(_)) {
            let why = format!(
                "{without} leases of KCL have no position (LATEST): what came between its last worker and now would be lost, so they begin at their oldest record"
            );
            self.observers.emit(&Event::StartIgnored { why });
        }
        Ok(())
    }

    /// False when it was refused: another worker was faster, or a row moved. A row of KCL's that is left over then is
    /// found by discovery.
    async fn write(&self, write: Write) -> Result<bool, Joining> {
        let answer = self.store.write(&[write]).await;
        Ok(matches!(
            answer.map_err(Joining::Failed)?,
            Answer::Applied(_)
        ))
    }

    async fn swept(&self) -> Result<Vec<Row>, Joining> {
        self.store.sweep().await.map_err(Joining::Failed)
    }
}

/// The leases of KCL. One that cannot be read would be lost for good if the others were adopted without it.
fn kcl_leases(rows: &[Row], stream: &StreamArn) -> Result<Vec<KclLease>, Joining> {
    let found = rows.iter().filter_map(|row| KclLease::parse(row, stream));
    found.collect::<Result<_, _>>().map_err(|unreadable| {
        Joining::Refused(format!(
            "a row that KCL wrote cannot be adopted: {unreadable}; nothing was changed"
        ))
    })
}

/// Every shard that has a lease, of whichever kind.
fn leased(rows: &[Row], found: &[KclLease]) -> BTreeSet<ShardId> {
    let ours = rows.iter().filter_map(|row| Lease::parse(row).ok());
    let ours = ours.map(|lease| lease.shard);
    let theirs = found.iter().map(|lease| lease.shard.clone());
    ours.chain(theirs).collect()
}
