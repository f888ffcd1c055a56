//! L4: what a worker owned that crashed in quiet times is owned by another one within a lease duration and two sweeps.

use super::{Judge, Verdict};
use crate::sim::calm::{Glance, Stage};
use crate::sim::fleet::millis;
use crate::sim::ground::{SECOND, Time};
use crate::sim::oracle::{Ledger, Scene};

/// The calls on the way.
const CALLS: Time = 5 * SECOND;

#[derive(Default)]
pub(super) struct TakeOver {
    /// Everything was owned again, or it was said that it was not.
    judged: bool,
}

impl Judge for TakeOver {
    fn name(&self) -> &'static str {
        "L4"
    }

    fn look(&mut self, scene: &Scene<'_>, _: &Ledger, glance: &Glance) -> Option<Verdict> {
        let (Stage::Crashed, since) = glance.calm? else {
            return None;
        };
        // A watch interval is a fifth of the lease duration: three of them.
        let lease = millis(scene.scenario.settings.lease_duration);
        let bound = lease + 3 * lease / 5 + CALLS;
        let late = !self.judged && scene.now > since + bound;
        self.judged |= late || glance.unowned.is_none();
        glance.unowned.clone().filter(|_| late)
    }
}
