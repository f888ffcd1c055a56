//! S12: a write whose answer was lost is resolved by what the row says. A worker that lives and calls a lease lost
//! that its row still gives it has guessed.

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
            Fact::Crashed { seat }
            | Fact::Ended { seat, .. }
            | Fact::Halted { seat, .. }
            | Fact::Leaving { seat } => self.explain(*seat),
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
            .position(|loss| loss.at + PATIENCE < scene.now)?;
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
        if owner.is_some() && owner == holder && !log.edited {
            self.unexplained.push(Loss {
                at: scene.now,
                seat,
                shard,
                epoch,
            });
        }
    }
}
