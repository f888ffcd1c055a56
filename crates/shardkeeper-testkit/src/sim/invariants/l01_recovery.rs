//! L1: after the last fault everything that can be read is owned by somebody who lives within three lease durations
//! and a sweep, and the group knows everybody who works. That it is spread evenly is judged with the rest of coming to rest (L10).

use super::{Judge, SLACK, Verdict};
use crate::sim::calm::{Glance, Stage};
use crate::sim::fleet::millis;
use crate::sim::oracle::{Ledger, Scene};

#[derive(Default)]
pub(super) struct Recovery {
    /// Everything was owned and everybody known once, or it was said that it was not.
    judged: bool,
}

impl Judge for Recovery {
    fn name(&self) -> &'static str {
        "L1"
    }

    fn look(&mut self, scene: &Scene<'_>, ledger: &Ledger, glance: &Glance) -> Option<Verdict> {
        let (Stage::Healing, since) = glance.calm? else {
            return None;
        };
        let settings = &scene.scenario.settings;
        let wrong = glance.unowned.as_ref().or(glance.unknown.as_ref());
        // What a person did to an idle lease is seen by the next sweep of the whole table.
        let shard = glance.unowned.as_ref().and_then(|(shard, _)| *shard);
        let log = shard.and_then(|shard| ledger.shards.get(shard));
        let seen_late = if log.is_some_and(|log| log.is_edited(scene.now)) {
            millis(settings.sweep_interval)
        } else {
            0
        };
        let bound = 3 * millis(settings.lease_duration) + SLACK + seen_late;
        let late = !self.judged && scene.now > since + bound;
        self.judged |= late || wrong.is_none();
        wrong.cloned().filter(|_| late)
    }
}
