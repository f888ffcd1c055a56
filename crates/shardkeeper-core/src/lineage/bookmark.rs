//! Where a later listing may begin: behind the shards that are over, which need not be listed each time.
//!
//! The pages of the service have been seen to come in the order of shard ids, and ids to grow with time; neither is
//! promised. So a listing from a bookmark on may save calls and nothing else: it is believed in what it shows, never in
//! what it does not, and every few rounds everything is listed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Leases, Shard};
use crate::ids::ShardId;

/// A place in a listing: everything up to it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// The last shard that is over: what is listed behind it is asked for (F12).
    pub after: ShardId,
    /// The one that came next. A listing from here on that does not begin with it is not to be relied on: the service may
    /// have forgotten where to begin (and answers an empty list), or pages are in another order.
    pub next: ShardId,
    /// How many shards come before.
    pub skipped: usize,
}

/// The place behind the longest row of shards at the beginning of a listing that are over: their leases are finished, and
/// a child of each has a lease. A shard whose children nobody has seen stays in front of it, and so does whatever is still
/// read: children are younger than their parents, so theirs are expected behind it.
#[must_use]
pub fn bookmark(
    order: &[ShardId],
    listed: &BTreeMap<ShardId, Shard>,
    leases: &Leases,
) -> Option<Bookmark> {
    let has_lease = |shard: &&Shard| leases.contains_key(&shard.id);
    let named = listed.values().filter(has_lease);
    let continued: BTreeSet<&ShardId> = named.filter_map(|shard| shard.parent.as_ref()).collect();
    let is_over = |shard: &&ShardId| {
        let lease = leases.get(*shard);
        lease.is_some_and(|lease| lease.is_finished() && lease.stopped.is_none())
            && continued.contains(*shard)
    };
    let skipped = order.iter().take_while(is_over).count();
    let after = order.get(skipped.checked_sub(1)?)?.clone();
    let next = order.get(skipped)?.clone();
    Some(Bookmark {
        after,
        next,
        skipped,
    })
}

impl Bookmark {
    /// True when a listing from here on begins where it should.
    #[must_use]
    pub fn fits(&self, order: &[ShardId]) -> bool {
        order.first() == Some(&self.next)
    }

    /// True when one of these shards, which nobody covered, lies before the bookmark in a listing of everything: listings
    /// from here on would not have shown it, so the order is not what it seemed.
    #[must_use]
    pub fn has_missed<'a>(
        &self,
        order: &[ShardId],
        mut uncovered: impl Iterator<Item = &'a ShardId>,
    ) -> bool {
        let Some(place) = order.iter().position(|shard| *shard == self.after) else {
            return false;
        };
        let before: BTreeSet<&ShardId> = order.iter().take(place).collect();
        uncovered.any(|shard| before.contains(shard))
    }
}

#[cfg(test)]
mod tests {
    use super::super::properties::{graph, lease, leased_of, listing, name};
    use super::super::uncovered;
    use super::*;
    use crate::checkpoint::Checkpoint;
    use proptest::prelude::*;

    /// A line of shards, so many of which are finished, the last of them without a child that is leased.
    fn line(shards: usize, finished: usize) -> (Vec<ShardId>, BTreeMap<ShardId, Shard>, Leases) {
        let order: Vec<ShardId> = (0..shards).map(name).collect();
        let mut listed = BTreeMap::new();
        let mut leases = Leases::new();
        for (number, id) in order.iter().enumerate() {
            let parent = number.checked_sub(1).map(name);
            let shard = Shard {
                id: id.clone(),
                parent: parent.clone(),
                starting: None,
                ending: None,
            };
            listed.insert(id.clone(), shard);
            if number < finished {
                let mut lease = lease(id, parent.as_ref());
                lease.checkpoint = Checkpoint::ShardEnd;
                leases.insert(id.clone(), lease);
            }
        }
        (order, listed, leases)
    }

    #[test]
    fn l2_a_shard_whose_children_nobody_has_seen_stays_in_front_of_the_bookmark() {
        let (order, listed, mut leases) = line(5, 3);
        let mark = bookmark(&order, &listed, &leases).unwrap();
        assert_eq!((mark.after, mark.next, mark.skipped), (name(1), name(2), 2));
        leases.insert(name(3), lease(&name(3), Some(&name(2))));
        let mark = bookmark(&order, &listed, &leases).unwrap();
        assert_eq!((mark.after, mark.next, mark.skipped), (name(2), name(3), 3));
        assert_eq!(bookmark(&order, &listed, &Leases::new()), None);
        assert_eq!(bookmark(&[], &listed, &leases), None);
    }

    #[test]
    fn a_listing_that_begins_elsewhere_does_not_fit_and_what_lies_before_was_missed() {
        let (order, listed, leases) = line(5, 3);
        let mark = bookmark(&order, &listed, &leases).unwrap();
        assert!(mark.fits(&order[2..]));
        assert!(!mark.fits(&order) && !mark.fits(&[]) && !mark.fits(&order[3..]));
        assert!(mark.has_missed(&order, [name(4), name(0)].iter()));
        assert!(!mark.has_missed(&order, [name(4), name(2)].iter()));
        assert!(!mark.has_missed(&order[2..], [name(0)].iter()));
    }

    proptest! {
        /// In any order of pages, with any part of them left out: what a part shows to need a lease needs one when
        /// everything is seen, too, and nothing in front of the bookmark does.
        #[test]
        fn s4_s9_what_a_listing_from_a_bookmark_on_shows_is_what_a_whole_one_would(
            graph in graph(30), leased in prop::collection::vec(prop::option::of(any::<bool>()), 30),
            order in Just((0..30usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let listed = listing(&graph);
            let order: Vec<ShardId> = order.into_iter().filter(|n| *n < listed.len()).map(name).collect();
            let leases = leased_of(&listed, leased);
            let Some(mark) = bookmark(&order, &listed, &leases) else { return Ok(()) };
            let place = order.iter().position(|shard| *shard == mark.after).unwrap();
            prop_assert_eq!(place + 1, mark.skipped);
            let tail = &order[place + 1..];
            prop_assert!(mark.fits(tail));
            let part: BTreeMap<ShardId, Shard> = tail.iter().map(|id| (id.clone(), listed[id].clone())).collect();
            let certain = |listed: &BTreeMap<ShardId, Shard>| -> BTreeSet<ShardId> {
                let found = uncovered(listed, &leases).into_iter();
                found.filter(|found| !found.orphan).map(|found| found.shard.id).collect()
            };
            prop_assert_eq!(certain(&part), certain(&listed));
        }
    }
}
