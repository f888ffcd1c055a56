//! L2, too: in quiet times the stream is listed again and again, for a child that was listed late is found by nothing else.
//! A listing of many pages is made more rarely: its pages come to one a second (F10).

use std::collections::BTreeMap;

use shardkeeper_core::event::Event;

use super::{Judge, SLACK, Verdict};
use crate::sim::calm::Glance;
use crate::sim::fleet::millis;
use crate::sim::ground::{SECOND, Time};
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::Op;

#[derive(Default)]
pub(super) struct SomebodyLists {
    /// When the stream was last listed, or who lists it may have changed.
    since: Time,
    /// The pages that each worker has asked for since it last listed.
    asked: BTreeMap<usize, u64>,
    /// Those of the latest listing, at most.
    pages: u64,
}

impl Judge for SomebodyLists {
    fn name(&self) -> &'static str {
        "L2"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        self.count_pages(fact);
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
        let interval = millis(scene.scenario.settings.discovery_interval);
        let bound = (2 * interval).max(interval + self.pages * SECOND) + SLACK;
        let silent = scene.now - self.since;
        (silent > bound).then(|| {
            (
                None,
                format!("nobody has listed the stream for {silent} ms"),
            )
        })
    }
}

impl SomebodyLists {
    fn count_pages(&mut self, fact: &Fact) {
        match fact {
            Fact::Called {
                seat,
                op: Op::ListShards,
            } => *self.asked.entry(*seat).or_default() += 1,
            Fact::Said { seat, event, .. } if matches!(**event, Event::ShardsListed { .. }) => {
                self.pages = self.asked.remove(seat).unwrap_or(0);
            }
            Fact::Crashed { seat } | Fact::Ended { seat, .. } => {
                self.asked.remove(seat);
            }
            _ => {}
        }
    }
}
