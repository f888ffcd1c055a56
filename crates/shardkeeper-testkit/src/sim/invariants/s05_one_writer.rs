//! S5: epochs only rise, with every change of owner, and no token is ever given twice. Where they cannot but be, because
//! the table was set back, whoever knows better stops the application.

use std::collections::{BTreeMap, BTreeSet};

use shardkeeper_core::event::Event;
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::Lease;

use super::{Judge, SLACK, Verdict};
use crate::sim::calm::Glance;
use crate::sim::fleet::millis;
use crate::sim::ground::Time;
use crate::sim::oracle::{Author, Fact, Ledger, Scene};
use crate::sim::world::ShardNo;

#[derive(Default)]
pub(super) struct OneWriter {
    /// When the table was set back, and who has lived and beaten without a break since before.
    set_back: Option<(Time, BTreeSet<usize>)>,
    /// When a copy was put in place of the table last.
    restored_at: Option<Time>,
    /// The highest epoch of each shard that each worker has held, in the life that it lives now.
    held: BTreeMap<(usize, ShardNo), u64>,
    /// Where each name was heard of. A copied machine may give itself the name of its original.
    names: BTreeMap<String, BTreeSet<usize>>,
}

impl Judge for OneWriter {
    fn name(&self) -> &'static str {
        "S5"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        self.remember_witnesses(scene.now, ledger, fact);
        self.remember_tokens(scene.now, fact);
        self.remember_names(fact);
        let Fact::LeaseChanged {
            shard,
            before,
            after: Some(after),
            by: Author::Worker(seat),
            sent,
        } = fact
        else {
            return None;
        };
        let log = ledger.log(*shard);
        let owner = before.as_ref().and_then(|before| before.owner.as_ref());
        let given = after.owner.is_some() && after.owner.as_ref() != owner;
        if let Some(before) = before
            && (!given || !log.is_set_back(scene.now))
            && let Some(message) = self.is_a_strangers(*seat, *shard, (before, after))
        {
            return Some(message);
        }
        // Until a person has looked, nobody can know which tokens were used: but each knows those that were its own.
        if log.is_set_back(scene.now) {
            let known = self.held.get(&(*seat, *shard));
            let knew = self.restored_at.is_some_and(|at| at <= *sent);
            let held = known.filter(|held| given && knew && after.epoch <= **held)?;
            return Some(format!(
                "shard {shard}: w{seat} gave out epoch {} of a table that was set back, and has held {held} itself",
                after.epoch
            ));
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

    fn remember_names(&mut self, fact: &Fact) {
        if let Fact::Said { seat, event, .. } = fact
            && let Event::WorkerJoined { worker } = &**event
        {
            let seats = self.names.entry(worker.to_string()).or_default();
            seats.insert(*seat);
        }
    }

    fn remember_tokens(&mut self, now: Time, fact: &Fact) {
        match fact {
            Fact::Restored { .. } => self.restored_at = Some(now),
            Fact::Crashed { seat } | Fact::Ended { seat, .. } | Fact::Launched { seat, .. } => {
                self.held.retain(|(holder, _), _| holder != seat);
            }
            Fact::Said {
                seat,
                shard: Some(shard),
                event,
            } => {
                if let Event::LeaseAcquired { epoch, .. } = **event {
                    let held = self.held.entry((*seat, *shard)).or_default();
                    *held = epoch.max(*held);
                }
            }
            _ => {}
        }
    }

    /// Only the owner moves the position, and only it changes anything under its own epoch but who asks for the lease.
    /// Whoever sat there under that name may have sent it, in whatever life.
    fn is_a_strangers(
        &self,
        seat: usize,
        shard: ShardNo,
        (before, after): (&Lease, &Lease),
    ) -> Option<String> {
        let moved = before.checkpoint != after.checkpoint;
        let let_go = before.owner != after.owner || before.stopped != after.stopped;
        if !moved && (!let_go || before.epoch != after.epoch) {
            return None;
        }
        let owner = before.owner.as_ref().map_or("nobody", WorkerId::as_str);
        let seats = self.names.get(owner);
        if seats.is_some_and(|seats| seats.contains(&seat)) {
            return None;
        }
        Some(format!(
            "shard {shard}: w{seat} writes under epoch {} of the lease, which is {owner}'s",
            before.epoch
        ))
    }

    fn is_excused(&mut self, seat: usize) {
        if let Some((_, witnesses)) = &mut self.set_back {
            witnesses.remove(&seat);
        }
    }
}
