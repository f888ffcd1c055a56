//! S1: every record that was still kept when its turn came is delivered before a checkpoint passes it.
//!
//! That no checkpoint passes an unacknowledged record is judged at every step (S7); here it is judged that in the
//! end every record was reached.

use super::{Judge, Verdict, may_be_passed};
use crate::sim::oracle::{Ledger, Scene, ShardLog};

pub(super) struct NoLoss;

impl Judge for NoLoss {
    fn name(&self) -> &'static str {
        "S1"
    }

    fn at_end(&mut self, scene: &Scene<'_>, ledger: &Ledger) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for (number, shard) in scene.streams.shards.iter().enumerate() {
            let Some(log) = ledger.shards.get(number) else {
                continue;
            };
            if is_excused(scene, ledger, number) {
                continue;
            }
            let missing =
                (0..shard.records.len()).find(|place| !may_be_passed(scene, shard, log, *place));
            if let Some(place) = missing {
                let message = format!(
                    "shard {number}: record {place} ({}) was never acknowledged",
                    shard.records[place].number
                );
                verdicts.push((Some(number), message));
            }
        }
        verdicts
    }
}

/// A shard that was stopped stands still by somebody's decision, and so does what follows it; one that is gone
/// and was never leased was never seen.
fn is_excused(scene: &Scene<'_>, ledger: &Ledger, number: usize) -> bool {
    let mut next = Some(number);
    while let Some(shard) = next {
        let log = ledger.shards.get(shard);
        if log.is_some_and(|log| {
            log.lease
                .as_ref()
                .is_some_and(|lease| lease.stopped.is_some())
        }) {
            return true;
        }
        next = scene.streams.shards[shard].parent;
    }
    let never_leased = ledger
        .shards
        .get(number)
        .is_none_or(ShardLog::is_unheard_of);
    never_leased && scene.streams.shards[number].is_gone(scene.now)
}
