//! L10: where a record is available, the position moves: a world that is left alone comes to rest, with everything
//! acknowledged, every end stored, and every lease in the hands of somebody who lives, evenly spread.

use super::{Judge, Verdict};
use crate::sim::calm::Glance;
use crate::sim::ground::{MINUTE, Time};
use crate::sim::oracle::{Ledger, Scene};

/// Everything that is left to be read is read within this time.
const RESTS_WITHIN: Time = 15 * MINUTE;

pub(super) struct Progress;

impl Judge for Progress {
    fn name(&self) -> &'static str {
        "L10"
    }

    fn look(&mut self, scene: &Scene<'_>, _: &Ledger, glance: &Glance) -> Option<Verdict> {
        let (_, since) = glance.calm?;
        let late = scene.now > since + RESTS_WITHIN;
        glance.unsettled.clone().filter(|_| late)
    }
}
