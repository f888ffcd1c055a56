//! L5: whoever was asked to leave has left within the grace and the calls that were under way.

use std::collections::BTreeMap;

use super::{Judge, Verdict};
use crate::sim::calm::Glance;
use crate::sim::fleet::millis;
use crate::sim::ground::Time;
use crate::sim::oracle::{Fact, Ledger, Scene};

/// Calls that may still be under way, one after another.
const CALLS: Time = 4;

#[derive(Default)]
pub(super) struct ShutdownEnds {
    asked: BTreeMap<usize, Time>,
    /// Machines that stood still, until when.
    halted: BTreeMap<usize, Time>,
}

impl Judge for ShutdownEnds {
    fn name(&self) -> &'static str {
        "L5"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        match fact {
            Fact::Leaving { seat } => {
                let halted = self.halted.get(seat).copied().unwrap_or(0);
                if halted < scene.now {
                    self.asked.insert(*seat, scene.now);
                }
            }
            Fact::Halted { seat, long, .. } => {
                self.asked.remove(seat);
                self.halted.insert(*seat, scene.now + long);
            }
            Fact::WentOn { seat } => {
                self.halted.remove(seat);
            }
            Fact::Crashed { seat } | Fact::Ended { seat, .. } => {
                self.asked.remove(seat);
            }
            _ => {}
        }
        None
    }

    fn look(&mut self, scene: &Scene<'_>, _: &Ledger, _: &Glance) -> Option<Verdict> {
        let settings = &scene.scenario.settings;
        let grace = millis(settings.shutdown_grace);
        let bound = grace + CALLS * millis(settings.call_timeout);
        let late = |(_, asked): &(&usize, &Time)| scene.now > **asked + bound;
        let (seat, asked) = self
            .asked
            .iter()
            .find(late)
            .map(|(seat, asked)| (*seat, *asked))?;
        self.asked.remove(&seat);
        let took = scene.now - asked;
        let message = format!(
            "w{seat} was asked to leave {took} ms ago and is still there, the grace is {grace} ms"
        );
        Some((None, message))
    }
}
