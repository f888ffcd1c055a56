//! S6: checkpoints never move left.

use shardkeeper_core::checkpoint::Checkpoint;

use super::Judge;
use crate::sim::oracle::{Author, Fact, Ledger, Scene};
use crate::sim::world::shards::number_of;

pub(super) struct NeverLeft;

impl Judge for NeverLeft {
    fn name(&self) -> &'static str {
        "S6"
    }

    fn see(&mut self, _: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::LeaseChanged {
            shard,
            before: Some(before),
            after: Some(after),
            by: Author::Worker(seat),
            ..
        } = fact
        else {
            return None;
        };
        let (from, to) = (&before.checkpoint, &after.checkpoint);
        (rank(to) < rank(from)).then(|| {
            format!("shard {shard}: w{seat} moved the checkpoint from {from} back to {to}")
        })
    }
}

/// Our own order of checkpoints, beside the one that is judged.
fn rank(checkpoint: &Checkpoint) -> u128 {
    match checkpoint {
        Checkpoint::After(number) => number_of(*number),
        Checkpoint::ShardEnd => u128::MAX,
        _ => 0,
    }
}
