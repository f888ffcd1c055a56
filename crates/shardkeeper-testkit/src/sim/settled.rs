//! Has a world that is left alone come to rest?

use std::collections::BTreeMap;

use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::membership::{GroupRow, group_key};

use super::fleet::Seat;
use super::invariants::{Verdict, first_unread, is_covered};
use super::world::{ShardNo, World};

impl World {
    /// Why it has not; and of which shard, if of one. What is unowned or unknown was found before.
    pub(super) fn unsettled(&mut self, found: Option<&Verdict>) -> Option<Verdict> {
        self.unread()
            .or_else(|| found.cloned())
            .or_else(|| self.unbalanced().map(|why| (None, why)))
    }

    /// A lease that everybody could read on and nobody has read to its end.
    fn unread(&mut self) -> Option<(Option<ShardNo>, String)> {
        let cursed = self.calm.cursed;
        let (oracle, scene) = self.scene();
        for (number, shard) in scene.streams.shards.iter().enumerate() {
            if !is_covered(&scene, &oracle.ledger, number) {
                return Some((
                    Some(number),
                    format!("shard {number} is listed and nobody covers it"),
                ));
            }
            let Some(log) = oracle.ledger.shards.get(number) else {
                continue;
            };
            let waits =
                std::iter::successors(Some(number), |shard| scene.streams.shards[*shard].parent)
                    .any(|shard| {
                        let log = oracle.ledger.shards.get(shard);
                        let lease = log.and_then(|log| log.lease.as_ref());
                        let is_stopped = lease.is_some_and(|lease| lease.stopped.is_some());
                        is_stopped || cursed == Some(shard)
                    });
            if waits || (log.is_unheard_of() && shard.is_gone(scene.now)) {
                continue;
            }
            if let Some(place) = first_unread(&scene, &oracle.ledger, number) {
                return Some((
                    Some(number),
                    format!(
                        "shard {number}: record {place} ({}) is not acknowledged",
                        shard.records[place].number
                    ),
                ));
            }
            let open = log.lease.as_ref().is_some_and(|lease| lease.is_active());
            if open && shard.closed_at.is_some() {
                return Some((
                    Some(number),
                    format!("shard {number} is closed and its end is not stored"),
                ));
            }
        }
        None
    }

    pub(super) fn unowned(&mut self) -> Option<(Option<ShardNo>, String)> {
        let living: Vec<String> = self.incarnations();
        for number in 0..self.streams.shards.len() {
            let Some(lease) = self.lease_of(number).filter(|lease| lease.is_active()) else {
                continue;
            };
            let parent_stopped = self.streams.shards[number]
                .parent
                .and_then(|parent| self.lease_of(parent))
                .is_some_and(|parent| !parent.is_finished());
            let owner = lease.owner.as_ref().map(|owner| owner.as_str());
            if !parent_stopped && !owner.is_some_and(|owner| living.iter().any(|id| id == owner)) {
                return Some((
                    Some(number),
                    format!(
                        "shard {number}: its lease is owned by {}",
                        owner.unwrap_or("nobody")
                    ),
                ));
            }
        }
        None
    }

    /// A worker that may believe in itself and is no member: nobody would ask it for its share.
    pub(super) fn unknown(&self) -> Option<Verdict> {
        let group = self.table.rows.get(&group_key()).and_then(GroupRow::parse);
        let members = group?.members;
        let known = |id: &String| members.contains(&WorkerId::from_row(id));
        let stays = |seat: &Seat| seat.is_alive() && seat.leaving_since.is_none();
        let entitled = |seat: &&Seat| stays(seat) && seat.may_believe();
        let mut entitled = self.fleet.seats.iter().filter(entitled);
        let stranger = entitled.find_map(|seat| seat.incarnation.as_ref().filter(|id| !known(id)));
        stranger.map(|id| (None, format!("the group does not know its member {id}")))
    }

    fn unbalanced(&mut self) -> Option<String> {
        let mut loads: BTreeMap<String, usize> =
            self.incarnations().into_iter().map(|id| (id, 0)).collect();
        for number in 0..self.streams.shards.len() {
            let lease = self.lease_of(number).filter(|lease| lease.is_active());
            if let Some(load) = lease
                .and_then(|lease| lease.owner)
                .and_then(|owner| loads.get_mut(owner.as_str()))
            {
                *load += 1;
            }
        }
        let (least, most) = (loads.values().min()?, loads.values().max()?);
        (most - least > 1).then(|| format!("the leases are spread unevenly: {loads:?}"))
    }

    fn incarnations(&self) -> Vec<String> {
        let seats = self.fleet.seats.iter().filter(|seat| seat.is_alive());
        seats.filter_map(|seat| seat.incarnation.clone()).collect()
    }
}
