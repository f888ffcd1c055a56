//! S5: epochs only rise, with every change of owner, and no token is ever given twice. Where they cannot but be, because
//! the table was set back, whoever knows better stops the application.

use std::collections::BTreeSet;

use shardkeeper_core::event::Event;

use super::{Judge, SLACK, Verdict};
use crate::sim::calm::Glance;
use crate::sim::fleet::millis;
use crate::sim::ground::Time;
use crate::sim::oracle::{Author, Fact, Ledger, Scene};

#[derive(Default)]
pub(super) struct OneWriter {
    /// When the table was set back, and who has lived and beaten without a break since before.
    set_back: Option<(Time, BTreeSet<usize>)>,
}

impl Judge for OneWriter {
    fn name(&self) -> &'static str {
        "S5"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        self.remember_witnesses(scene.now, ledger, fact);
        let Fact::LeaseChanged {
            shard,
            before,
            after: Some(after),
            by: Author::Worker(seat),
        } = fact
        else {
            return None;
        };
        let log = ledger.log(*shard);
        // Until a person has looked, nobody can know which tokens were used.
        if log.edited || log.set_back {
            return None;
        }
        let Some(before) = before else {
            let highest = log.reigns.keys().next_back()?;
            // A copy without the row: only tokens that somebody remembers are known.
            let used = after.epoch <= *highest && !log.forgotten;
            return used.then(|| {
                format!(
                    "shard {shard}: w{seat} made the lease again with epoch {} after {highest}",
                    after.epoch
                )
            });
        };
        let given = after.owner.is_some() && after.owner != before.owner;
        if after.epoch < before.epoch {
            return Some(format!(
                "shard {shard}: w{seat} lowered the epoch from {} to {}",
                before.epoch, after.epoch
            ));
        }
        let same = given && after.epoch == before.epoch;
        same.then(|| format!("shard {shard}: w{seat} changed the owner without a new epoch"))
    }

    fn look(&mut self, scene: &Scene<'_>, _: &Ledger, _: &Glance) -> Option<Verdict> {
        let (at, witnesses) = self.set_back.as_ref()?;
        let bound = millis(scene.scenario.settings.lease_duration) + SLACK;
        let witness = witnesses.first().filter(|_| scene.now > at + bound)?;
        let message = format!(
            "the table was set back {} ms ago, and w{witness}, whose own beats fell, has not stopped the application",
            scene.now - at
        );
        self.set_back = None;
        Some((None, message))
    }
}

impl OneWriter {
    fn remember_witnesses(&mut self, now: Time, ledger: &Ledger, fact: &Fact) {
        match fact {
            Fact::Restored { fell } => {
                let awake = ledger.holdings.awake_workers(now);
                let witnesses = awake.intersection(fell).copied().collect();
                self.set_back = Some((now, witnesses));
            }
            Fact::Resumed => self.set_back = None,
            Fact::Crashed { seat }
            | Fact::Ended { seat, .. }
            | Fact::Halted { seat, .. }
            | Fact::Leaving { seat } => self.is_excused(*seat),
            Fact::Said { seat, event, .. } => match **event {
                Event::GroupStopped { .. } => self.set_back = None,
                Event::WorkerDemoted { .. } | Event::WorkerLeft { .. } => self.is_excused(*seat),
                _ => {}
            },
            _ => {}
        }
    }

    fn is_excused(&mut self, seat: usize) {
        if let Some((_, witnesses)) = &mut self.set_back {
            witnesses.remove(&seat);
        }
    }
}
