//! A table that was set back in time: restored from a backup, or edited.
//!
//! Epochs, beats and the counters of the group row only grow. One that is seen to fall means that fencing tokens would be
//! given out a second time, so nobody goes on until a person has looked (design rule 13).

use std::sync::atomic::Ordering;

use shardkeeper_core::event::Event;
use shardkeeper_core::lease::{Lease, Stop};
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::ports::{Answer, PortError};

use super::LeaseKeeper;
use crate::retry::Retry;

/// How often the stop is tried to be written; the others notice by themselves otherwise.
const ATTEMPTS: u32 = 5;

impl LeaseKeeper {
    /// Takes note of the epoch of a lease that was read, and of what was known of it before.
    pub(super) fn compare(&mut self, lease: &Lease, known: Option<u64>) {
        self.highest_epoch.fetch_max(lease.epoch, Ordering::AcqRel);
        if let Some(known) = known.filter(|known| lease.epoch < *known) {
            let (key, epoch) = (&lease.key, lease.epoch);
            self.was_set_back(format!(
                "the epoch of lease {key} fell from {known} to {epoch}"
            ));
        }
    }

    /// Takes note of the group row.
    pub(super) fn compare_groups(&mut self, now: &GroupRow) {
        let known = self.group.as_ref();
        if known.is_some_and(|known| now.is_behind(known)) {
            self.was_set_back("the counters of the group row fell".to_owned());
        }
    }

    fn was_set_back(&mut self, what: String) {
        let why = || {
            format!(
                "{what}: the lease table was restored from a backup or set back by hand, so fencing tokens would be used twice; stop all workers, then run `shardkeeper leases --resume` to go on above every token that was ever used"
            )
        };
        self.set_back.get_or_insert_with(why);
    }

    /// What the beats found out, if they did.
    pub(super) fn heed_the_beats(&mut self) {
        if self.world.standing.was_set_back() {
            self.was_set_back("the worker's own beats fell".to_owned());
        }
    }

    /// Stops every worker of the application, if the table was set back. `Some` says why it is not for us any more.
    pub(super) async fn stop_the_group(&mut self) -> Option<String> {
        let why = self.set_back.take()?;
        self.emit(&Event::GroupStopped { why: why.clone() });
        let mut retry = Retry::new(&self.world.env);
        while retry.attempts() < ATTEMPTS {
            match self.write_stop(&why).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => self.told(&error),
            }
            retry.pause().await;
        }
        Some(why)
    }

    /// The floor of a group that was stopped by somebody else must be above what *this* worker has seen, too.
    pub(super) async fn raise_stopped_floor(&self, group: &GroupRow) {
        let Some(why) = &group.stopped else { return };
        if self.highest_epoch.load(Ordering::Acquire) > group.epoch_floor
            && let Err(error) = self.write_stop(why).await
        {
            self.told(&error);
        }
    }

    /// False when another worker wrote the floor at the same moment.
    async fn write_stop(&self, why: &str) -> Result<bool, PortError> {
        let rows = self.store.read(&[group_key()]).await?;
        let Some(group) = rows.values().next().and_then(GroupRow::parse) else {
            // Nothing is left to stop: whoever founds the group anew is not held up by us.
            return Ok(true);
        };
        let stop = Stop {
            why: group.stopped.clone().unwrap_or_else(|| why.to_owned()),
            by: self.me.clone(),
            at: self.world.reading.source.service_time(),
        };
        let highest = self.highest_epoch.load(Ordering::Acquire);
        let answer = self.store.write(&[group.stop(&stop, highest)]).await?;
        Ok(matches!(answer, Answer::Applied(_)))
    }
}
