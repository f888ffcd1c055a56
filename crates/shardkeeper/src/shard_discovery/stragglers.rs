//! Leases that a KCL worker made after the table was adopted, or that nobody adopted in time.
//!
//! Their shards count as covered, so that no shard has two leases. They are told, and adopted once they have stood
//! still for as long as at the beginning.

use std::collections::BTreeSet;
use std::time::Duration;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::event::Event;
use shardkeeper_core::ids::StreamArn;
use shardkeeper_core::kcl::{KclLease, LEAST_WATCH};
use shardkeeper_core::membership::GroupRow;
use shardkeeper_core::ports::PortError;
use shardkeeper_core::row::RowKey;

use super::ShardDiscovery;
use super::book::{Book, READ_AT_ONCE};

const LATE: &str = "a KCL worker made it: stop every KCL worker of this application; it is adopted when it stands still";
const SUPERSEDED: &str = "a KCL worker made it though the shard has a lease of ours, which counts: stop every KCL worker of this application and delete this row";

/// What was seen of them, and since when it has looked like this.
#[derive(Debug, Default)]
pub(crate) struct Stragglers {
    seen: Vec<KclLease>,
    since: Duration,
    told: BTreeSet<RowKey>,
}

impl ShardDiscovery {
    /// Watches them, tells those that stay, adopts those that stand still.
    pub(super) async fn adopt_stragglers(
        &mut self,
        group: &GroupRow,
        stream: &StreamArn,
        book: &mut Book,
    ) -> Result<(), PortError> {
        let keys: Vec<RowKey> = book.of_kcl().take(READ_AT_ONCE).cloned().collect();
        if keys.is_empty() {
            self.stragglers.seen.clear();
            return Ok(());
        }
        let rows = self.store.read(&keys).await?;
        let mut found = Vec::new();
        for lease in rows.values().filter_map(|row| KclLease::parse(row, stream)) {
            match lease {
                Ok(lease) if book.supersedes(&lease) => {
                    self.tell_straggler(&lease.key, SUPERSEDED);
                }
                Ok(lease) => found.push(lease),
                Err(unreadable) => self.tell_straggler(&unreadable.key, &unreadable.why),
            }
        }
        let known = |lease: &&KclLease| self.stragglers.seen.iter().any(|s| s.key == lease.key);
        // One that is new may be about to be adopted by the worker that founded the group.
        let stayed: Vec<RowKey> = found.iter().filter(known).map(|l| l.key.clone()).collect();
        stayed.iter().for_each(|key| self.tell_straggler(key, LATE));
        let now = self.listing.env.now();
        if found != self.stragglers.seen {
            self.stragglers.seen = found;
            self.stragglers.since = now;
            return Ok(());
        }
        let watched = self.settings.lease_duration.max(LEAST_WATCH);
        if now < self.stragglers.since + watched {
            return Ok(());
        }
        let epoch = group.epoch_floor.saturating_add(1);
        for lease in found {
            let write_id = self.listing.env.fresh_id();
            let adopt = lease.adopt(epoch, &Checkpoint::TrimHorizon, &write_id);
            let announce = GroupRow::announce_in_term(&self.me, group.term);
            self.write(&[announce, adopt]).await?;
            book.distrust();
        }
        Ok(())
    }

    fn tell_straggler(&mut self, key: &RowKey, why: &str) {
        if self.stragglers.told.insert(key.clone()) {
            let (key, why) = (key.to_string(), why.to_owned());
            let observers = &self.listing.observers;
            observers.emit(&Event::LeaseUnreadable { key, why });
        }
    }
}
