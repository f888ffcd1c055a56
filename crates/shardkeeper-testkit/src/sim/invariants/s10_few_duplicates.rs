//! S10: nothing is delivered again that a stored checkpoint has passed, and nothing twice under one epoch that was
//! acknowledged under it; and nothing at all twice while nothing is wrong.

use super::{Judge, place_after};
use crate::sim::oracle::{Dispatch, Fact, Ledger, Scene};

pub(super) struct FewDuplicates;

impl Judge for FewDuplicates {
    fn name(&self) -> &'static str {
        "S10"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Dispatched(Dispatch {
            seat,
            shard: number,
            epoch,
            places,
            ..
        }) = fact
        else {
            return None;
        };
        let (shard, log) = (&scene.streams.shards[*number], ledger.log(*number));
        let reign = log.reigns.get(epoch)?;
        // Tokens may be used again, for all that who holds them can know.
        let unsure = log.is_edited(scene.now) || log.is_set_back(scene.now);
        let begins = place_after(shard, &reign.from);
        for place in places.iter().flatten() {
            if *place < begins {
                return Some(format!(
                    "shard {number}: w{seat} got record {place}, which the checkpoint {} had passed",
                    reign.from
                ));
            }
            let quiet = scene.scenario.is_free_of_faults() && !scene.healing;
            if quiet && log.mark(*place).delivered {
                return Some(format!(
                    "shard {number}: w{seat} got record {place} again, though nothing is wrong in this world"
                ));
            }
            let again = log.mark(*place).acked_under == Some(*epoch);
            if again && !reign.dropped && !unsure {
                return Some(format!(
                    "shard {number}: w{seat} got record {place} again under epoch {epoch}, under which it was acknowledged"
                ));
            }
        }
        None
    }
}
