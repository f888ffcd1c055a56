//! A KCL worker that was started again on a table that is ours takes leases behind our back: what it writes is noticed
//! in the sweep, and the lease stops durably (design rule 16).

use shardkeeper_core::event::Event;
use shardkeeper_core::kcl;
use shardkeeper_core::lease::Lease;
use shardkeeper_core::ports::Answer;

use super::LeaseKeeper;

/// The lease, if somebody wrote it who does not know the protocol since it was seen `before`.
pub(super) fn by_stranger(before: &Lease, now: &Lease) -> Option<Lease> {
    (kcl::foreign_write(before, now) && now.is_active()).then(|| now.clone())
}

impl LeaseKeeper {
    /// Stops them, so that two fleets do not go on pulling at one shard. One worker's stop is applied, and says so.
    pub(super) async fn stop_foreign(&mut self, leases: Vec<Lease>) {
        for lease in leases {
            let write_id = self.world.env.fresh_id();
            let now = self.world.reading.source.service_time();
            let (stop, why) = kcl::stop_foreign(&lease, &self.me, now, &write_id);
            match self.store.write(&[stop]).await {
                Ok(Answer::Applied(rows)) => {
                    let row = rows.into_iter().next().flatten();
                    if let Some(seen) = self.sightings.get_mut(&lease.key)
                        && let Some(stopped) = row.and_then(|row| Lease::parse(&row).ok())
                    {
                        seen.lease = stopped;
                    }
                    let Lease { stream, shard, .. } = lease;
                    self.emit(&Event::ShardStopped { stream, shard, why });
                }
                Ok(Answer::Refused(_) | Answer::Conflict) => {}
                Err(error) => self.told(&error),
            }
        }
    }
}
