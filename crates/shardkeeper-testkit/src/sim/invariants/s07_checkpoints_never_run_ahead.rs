//! S7: a stored checkpoint passes no record that was not acknowledged, skipped, or told as lost.

use super::{Judge, may_be_passed, place_after};
use crate::sim::oracle::{Author, Fact, Ledger, Scene};

pub(super) struct NeverAhead;

impl Judge for NeverAhead {
    fn name(&self) -> &'static str {
        "S7"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::LeaseChanged {
            shard: number,
            before: Some(before),
            after: Some(after),
            by: Author::Worker(seat),
            ..
        } = fact
        else {
            return None;
        };
        let (shard, log) = (&scene.streams.shards[*number], ledger.log(*number));
        let passed = place_after(shard, &before.checkpoint)..place_after(shard, &after.checkpoint);
        let place = passed
            .into_iter()
            .find(|place| !may_be_passed(scene, shard, log, *place))?;
        let (to, record) = (&after.checkpoint, shard.records[place].number);
        Some(format!(
            "shard {number}: w{seat} stored {to}, which passes record {place} ({record}) that nobody acknowledged"
        ))
    }
}
