//! S16: nothing that a worker says of itself shows what is in an item.

use super::Judge;
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::shards::CANARY;

/// Printing every event is slow: one seed in so many is looked at.
const ONE_SEED_IN: u64 = 8;

pub(super) struct NoItemData;

impl Judge for NoItemData {
    fn name(&self) -> &'static str {
        "S16"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        let looked_at = scene.scenario.seed.is_multiple_of(ONE_SEED_IN);
        let Fact::Said { seat, event, .. } = fact else {
            return None;
        };
        let shown = looked_at && format!("{event:?}").contains(CANARY);
        shown.then(|| format!("w{seat} shows item data in an event"))
    }
}
