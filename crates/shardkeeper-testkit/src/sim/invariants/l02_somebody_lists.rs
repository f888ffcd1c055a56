//! L2, too: in quiet times the stream is listed again and again, for a child that was listed late is found by nothing else.

use shardkeeper_core::event::Event;

use super::{Judge, SLACK, Verdict};
use crate::sim::calm::Glance;
use crate::sim::fleet::millis;
use crate::sim::ground::Time;
use crate::sim::oracle::{Fact, Ledger, Scene};

#[derive(Default)]
pub(super) struct SomebodyLists {
    /// When the stream was last listed, or who lists it may have changed.
    since: Time,
}

impl Judge for SomebodyLists {
    fn name(&self) -> &'static str {
        "L2"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        let anew = match fact {
            Fact::Healed | Fact::Crashed { .. } | Fact::Leaving { .. } | Fact::Ended { .. } => true,
            Fact::Said { event, .. } => matches!(
                **event,
                Event::ShardsListed { .. }
                    | Event::DiscoveryTaken { .. }
                    | Event::WorkerDemoted { .. }
            ),
            _ => false,
        };
        if anew {
            self.since = scene.now;
        }
        None
    }

    fn look(&mut self, scene: &Scene<'_>, _: &Ledger, glance: &Glance) -> Option<Verdict> {
        glance.calm?;
        let bound = 2 * millis(scene.scenario.settings.discovery_interval) + SLACK;
        let silent = scene.now - self.since;
        (silent > bound).then(|| {
            (
                None,
                format!("nobody has listed the stream for {silent} ms"),
            )
        })
    }
}
