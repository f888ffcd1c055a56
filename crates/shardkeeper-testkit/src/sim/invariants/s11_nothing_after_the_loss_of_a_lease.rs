//! S11: no batch is begun by a worker whose lease another one has taken, was given, or has ended.

use super::Judge;
use crate::sim::oracle::{Dispatch, Fact, Ledger, Scene};

pub(super) struct NothingAfterLoss;

impl Judge for NothingAfterLoss {
    fn name(&self) -> &'static str {
        "S11"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Dispatched(Dispatch {
            seat,
            worker,
            shard,
            epoch,
            ..
        }) = fact
        else {
            return None;
        };
        let log = ledger.log(*shard);
        // Whoever owns a row that was restored sees that at its next look.
        if log.is_edited(scene.now) || log.is_set_back(scene.now) {
            return None;
        }
        let Some(lease) = &log.lease else {
            return Some(format!(
                "shard {shard}: w{seat} begins a batch under epoch {epoch} without a lease row"
            ));
        };
        let owner = lease
            .owner
            .as_ref()
            .map_or("nobody", |owner| owner.as_str());
        let ours = lease.epoch == *epoch && owner == worker;
        (!ours).then(|| format!("shard {shard}: w{seat} begins a batch under epoch {epoch}, but the lease is {owner}'s under epoch {}", lease.epoch))
    }
}
