//! S15: whatever happens in one shard, a page of another one that is in its worker's hand is given to its processor.
//!
//! A shard has trouble of its own while a batch of it is with the processor, or failed and comes again.

use super::{Judge, SLACK, Verdict};
use crate::sim::calm::Glance;
use crate::sim::fleet::millis;
use crate::sim::oracle::{Ledger, Scene};

pub(super) struct TroubleStaysItsOwn;

impl Judge for TroubleStaysItsOwn {
    fn name(&self) -> &'static str {
        "S15"
    }

    fn look(&mut self, scene: &Scene<'_>, ledger: &Ledger, _: &Glance) -> Option<Verdict> {
        // One that lost its entitlement has given the lease up by then.
        let bound = 3 * millis(scene.scenario.settings.lease_duration) + SLACK;
        let held_up = ledger
            .holdings
            .awake(scene.now)
            .find(|((_, shard), holding, since)| {
                let waited = scene.now - holding.touched.max(*since);
                // One that is another's by now is let go, however long it takes to learn that.
                let lease = ledger.log(*shard).lease.as_ref();
                let passed_on = lease.is_some_and(|lease| lease.epoch > holding.epoch);
                let idle = !holding.pages.is_empty() && !holding.is_busy() && !passed_on;
                idle && waited > bound
            });
        let ((seat, shard), holding, _) = held_up?;
        let others = ledger.holdings.awake(scene.now);
        let busy: Vec<String> = others
            .filter(|((holder, _), other, _)| *holder == seat && other.is_busy())
            .map(|((_, other), ..)| other.to_string())
            .collect();
        let message = format!(
            "shard {shard}: w{seat} has had a page of it in hand for {} ms and begins no batch; it is busy with shards [{}]",
            scene.now - holding.touched,
            busy.join(", ")
        );
        Some((Some(shard), message))
    }
}
