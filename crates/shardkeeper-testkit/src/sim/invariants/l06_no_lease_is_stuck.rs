//! L6: in quiet times no lease stays as it is when it should move: owned by nobody who lives, or asked for and neither
//! handed over nor refused.

use std::collections::BTreeMap;

use shardkeeper_core::lease::Lease;

use super::{Judge, SLACK, Verdict};
use crate::sim::calm::Glance;
use crate::sim::fleet::millis;
use crate::sim::ground::Time;
use crate::sim::oracle::{Ledger, Scene};
use crate::sim::world::ShardNo;

#[derive(Default)]
pub(super) struct NoLeaseIsStuck {
    /// Leases that should move: the epoch and who asked, and since when.
    waiting: BTreeMap<ShardNo, (Ticket, Time)>,
}

/// What changes when a lease moves.
type Ticket = (u64, Option<String>);

impl Judge for NoLeaseIsStuck {
    fn name(&self) -> &'static str {
        "L6"
    }

    fn look(&mut self, scene: &Scene<'_>, ledger: &Ledger, glance: &Glance) -> Option<Verdict> {
        glance.calm?;
        let settings = &scene.scenario.settings;
        let bound = 3 * millis(settings.lease_duration) + millis(settings.hand_off_timeout) + SLACK;
        let mut stuck = None;
        for (shard, log) in ledger.shards.iter().enumerate() {
            // What a person did to the row may be seen by the next sweep only.
            let seen = !log.is_edited(scene.now);
            let lease = log.lease.as_ref().filter(|lease| lease.is_active() && seen);
            let Some(lease) = lease.filter(|lease| should_move(scene, ledger, shard, lease)) else {
                self.waiting.remove(&shard);
                continue;
            };
            let ticket = (
                lease.epoch,
                lease.next_owner.as_ref().map(ToString::to_string),
            );
            let (known, since) = self
                .waiting
                .entry(shard)
                .or_insert_with(|| (ticket.clone(), scene.now));
            if *known != ticket {
                (*known, *since) = (ticket, scene.now);
            }
            if scene.now > *since + bound {
                stuck.get_or_insert((Some(shard), tell(shard, lease, scene.now - *since)));
            }
        }
        stuck
    }
}

fn should_move(scene: &Scene<'_>, ledger: &Ledger, shard: ShardNo, lease: &Lease) -> bool {
    let parent = scene.streams.shards[shard].parent;
    let parent = parent.and_then(|parent| ledger.shards.get(parent)?.lease.as_ref());
    if parent.is_some_and(|parent| !parent.is_finished()) {
        return false;
    }
    let lives = lease
        .owner
        .as_ref()
        .is_some_and(|owner| ledger.holdings.lives(owner.as_str()));
    // A request of somebody who is dead, or never lived, holds up nobody: whoever wants the lease writes over it.
    let asked = lease.next_owner.as_ref();
    !lives || asked.is_some_and(|asked| ledger.holdings.lives(asked.as_str()))
}

fn tell(shard: ShardNo, lease: &Lease, waited: Time) -> String {
    let owner = lease
        .owner
        .as_ref()
        .map_or("nobody", |owner| owner.as_str());
    let asked = lease.next_owner.as_ref();
    let asked = asked.map_or(String::new(), |next| format!(", asked for by {next}"));
    format!(
        "shard {shard}: its lease is stuck for {waited} ms: {owner}'s under epoch {}{asked}",
        lease.epoch
    )
}
