//! A table that was set back in time, restored from a backup or edited, under a worker that is at work.

use shardkeeper_core::event::Event;
use shardkeeper_core::lease::Lease;
use shardkeeper_core::membership::GroupRow;
use shardkeeper_core::reached::{Reached, epoch_fell, group_fell};

use super::LeaseKeeper;
use crate::group_stop::{GroupStop, why_stopped};
use crate::retry::Retry;

/// How often the stop is tried to be written; the others notice by themselves otherwise.
const ATTEMPTS: u32 = 5;

impl LeaseKeeper {
    /// Takes note of the epoch of a lease that was read, and of what was known of it before.
    pub(super) fn compare(&mut self, lease: &Lease, known: Option<u64>) {
        self.memory.saw_epoch(lease.epoch);
        if let Some(fell) = known.and_then(|known| epoch_fell(&lease.key, known, lease.epoch)) {
            self.was_set_back(&fell);
        }
    }

    /// Takes note of the group row.
    pub(super) fn compare_groups(&mut self, now: &GroupRow) {
        let known = self.group.as_ref().or(self.before.group.as_ref());
        if let Some(fell) = known.and_then(|known| group_fell(known, now)) {
            self.was_set_back(&fell);
        }
    }

    fn was_set_back(&mut self, fell: &str) {
        self.set_back.get_or_insert_with(|| why_stopped(fell));
    }

    /// What the beats found out, if they did.
    pub(super) fn heed_the_beats(&mut self) {
        if self.world.standing.was_set_back() {
            self.was_set_back("the worker's own beats fell");
        }
    }

    /// What the table is known to have reached.
    pub(super) fn reached(&mut self) -> Reached {
        let mut reached = std::mem::take(&mut self.before);
        reached.group = self.group.take().or(reached.group);
        let seen = self.sightings.iter();
        let seen = seen.map(|(key, seen)| (key.clone(), seen.lease.epoch));
        reached.epochs.extend(seen);
        reached
    }

    /// Stops every worker of the application, if the table was set back. `Some` says why it is not for us any more.
    pub(super) async fn stop_the_group(&mut self) -> Option<String> {
        let why = self.set_back.take()?;
        self.emit(&Event::GroupStopped { why: why.clone() });
        let mut retry = Retry::new(&self.world.env);
        while retry.attempts() < ATTEMPTS {
            match self.group_stop().write(&why).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => self.told(&error),
            }
            retry.pause().await;
        }
        Some(why)
    }

    /// One attempt, for a group that was stopped by somebody else.
    pub(super) async fn raise_stopped_floor(&self, group: &GroupRow) {
        if let Err(error) = self.group_stop().raise_floor(group).await {
            self.told(&error);
        }
    }

    fn group_stop(&self) -> GroupStop<'_> {
        GroupStop {
            store: &self.store,
            source: &self.world.reading.source,
            memory: &self.memory,
            me: self.me.clone(),
        }
    }
}
