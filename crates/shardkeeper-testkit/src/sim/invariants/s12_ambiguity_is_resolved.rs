//! S12: a write whose answer was lost is resolved by what the row says. A worker that lives and calls a lease lost
//! that its row still gives it has guessed.

use std::collections::BTreeSet;

use shardkeeper_core::event::Event;

use super::Judge;
use crate::sim::ground::{MINUTE, Time};
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::ShardNo;

/// Within this time an incarnation that gave itself up says so.
const PATIENCE: Time = 2 * MINUTE;

#[derive(Default)]
pub(super) struct AmbiguityIsResolved {
    /// Losses that nothing explains yet.
    unexplained: Vec<Loss>,
    /// Machines that stand still. Tasks stop one by one, so one may tell of a loss when the one that would tell why
    /// cannot any more: its time counts from when the machine goes on.
    halted: BTreeSet<usize>,
}

struct Loss {
    at: Time,
    seat: usize,
    shard: ShardNo,
    epoch: u64,
}

impl Judge for AmbiguityIsResolved {
    fn name(&self) -> &'static str {
        "S12"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        match fact {
            Fact::Crashed { seat } | Fact::Ended { seat, .. } | Fact::Leaving { seat } => {
                self.halted.remove(seat);
                self.explain(*seat);
            }
            Fact::Halted { seat, .. } => {
                self.halted.insert(*seat);
                self.explain(*seat);
            }
            Fact::WentOn { seat } => {
                self.halted.remove(seat);
                let of_it = self
                    .unexplained
                    .iter_mut()
                    .filter(|loss| loss.seat == *seat);
                of_it.for_each(|loss| loss.at = scene.now);
            }
            Fact::Said { seat, event, .. }
                if matches!(
                    **event,
                    Event::WorkerDemoted { .. } | Event::WorkerLeft { .. }
                ) =>
            {
                self.explain(*seat);
            }
            Fact::Said {
                seat,
                shard: Some(shard),
                event,
            } => {
                if let Event::LeaseLost { epoch, .. } = **event {
                    self.lost(scene, ledger, (*seat, *shard, epoch));
                }
            }
            _ => {}
        }
        let overdue = self
            .unexplained
            .iter()
            .position(|loss| loss.at + PATIENCE < scene.now && !self.halted.contains(&loss.seat))?;
        let Loss {
            seat, shard, epoch, ..
        } = self.unexplained.remove(overdue);
        Some(format!(
            "shard {shard}: w{seat} calls its lease of epoch {epoch} lost, but the row named it and it lives"
        ))
    }
}

impl AmbiguityIsResolved {
    fn explain(&mut self, seat: usize) {
        self.unexplained.retain(|loss| loss.seat != seat);
    }

    fn lost(
        &mut self,
        scene: &Scene<'_>,
        ledger: &Ledger,
        (seat, shard, epoch): (usize, ShardNo, u64),
    ) {
        let log = ledger.log(shard);
        let holder = log
            .reigns
            .get(&epoch)
            .and_then(|reign| reign.owner.as_deref());
        let row = log.lease.as_ref().filter(|lease| lease.epoch == epoch);
        let owner = row
            .and_then(|lease| lease.owner.as_ref())
            .map(|owner| owner.as_str());
        if owner.is_some() && owner == holder && !log.is_edited(scene.now) {
            self.unexplained.push(Loss {
                at: scene.now,
                seat,
                shard,
                epoch,
            });
        }
    }
}
