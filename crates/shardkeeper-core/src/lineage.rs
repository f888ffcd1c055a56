//! The shard family tree: which shards need a lease, which may start, which may be forgotten.
//!
//! A listing is never a snapshot (an open parent beside its child, a closed leaf without children,
//! pages that move), so nothing here needs one to be complete or consistent: what is missing today is
//! found by the next listing, and no order between parent and child depends on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::Checkpoint;
use crate::ids::{SequenceNumber, ShardId};
use crate::lease::Lease;
use crate::planted;

mod bookmark;
mod early;

pub use bookmark::{Bookmark, bookmark};
pub use early::{Early, early};

/// A shard as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: ShardId,
    /// The shard it continues, where the service names one (F19). It may no longer be listed.
    pub parent: Option<ShardId>,
    /// The first sequence number of the shard, where stated (F22).
    pub starting: Option<SequenceNumber>,
    /// The last sequence number. Its presence means closed on the service (F14); local servers also
    /// state it for open shards, so alone it ends nothing.
    pub ending: Option<SequenceNumber>,
}

/// The leases of one stream, by shard.
pub type Leases = BTreeMap<ShardId, Lease>;

/// A listed shard that nobody covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncovered {
    /// The shard.
    pub shard: Shard,
    /// True when the shard names a parent that is neither listed nor leased: it was trimmed away, and
    /// what it held was never seen by this application unless this is its first listing.
    pub orphan: bool,
}

/// The listed shards that need a lease of their own (G1, S9, design rule 12): those without one whose
/// parent will not bring it. An unfinished parent, leased or about to be, brings its children when it
/// ends; a finished one has had its chance. Of shards that name each other in a ring, which no service
/// should show, the first begins: otherwise each would wait for the others for ever (L6).
pub fn uncovered(listed: &BTreeMap<ShardId, Shard>, leases: &Leases) -> Vec<Uncovered> {
    // Few once a stream is read, of tens of thousands: what is slow is asked of them alone.
    let has_none = |shard: &&Shard| !leases.contains_key(&shard.id);
    let unleased: Vec<&Shard> = listed.values().filter(has_none).collect();
    let first_of_ring = firsts_of_rings(&unleased, listed, leases);
    let needs_own = |shard: &Shard| {
        if planted!(ClosedNeedsNoLease) && shard.ending.is_some() {
            return None;
        }
        let Some(parent) = &shard.parent else {
            return Some(false);
        };
        match leases.get(parent) {
            Some(_) if planted!(BesideItsParent) => Some(false),
            Some(_) if planted!(LateChildLost) || planted!(ChildrenForgotten) => None,
            Some(lease) => lease.is_finished().then_some(false),
            None if listed.contains_key(parent) && !first_of_ring.contains(&shard.id) => None,
            None if planted!(WaitsForTrimmedParent) => None,
            None => Some(!planted!(AbsentIsGone)),
        }
    };
    let found = unleased.into_iter().filter_map(|shard| {
        needs_own(shard).map(|orphan| Uncovered {
            shard: shard.clone(),
            orphan,
        })
    });
    found.collect()
}

/// The listed shards that come before one of these and are over for whoever begins there (G3): all their ancestors.
pub fn ancestors_of<'a>(
    listed: &'a BTreeMap<ShardId, Shard>,
    of: impl Iterator<Item = &'a ShardId>,
) -> BTreeSet<&'a ShardId> {
    let mut ancestors = BTreeSet::new();
    for shard in of {
        let mut at = listed.get(shard);
        while let Some(parent) = at.and_then(|shard| shard.parent.as_ref()) {
            at = listed.get(parent);
            if at.is_none() || !ancestors.insert(parent) {
                break;
            }
        }
    }
    ancestors
}

/// Of every ring of listed shards without a lease, the one whose id is the least. `unleased` are all that may be in one.
fn firsts_of_rings<'a>(
    unleased: &[&'a Shard],
    listed: &'a BTreeMap<ShardId, Shard>,
    leases: &Leases,
) -> BTreeSet<&'a ShardId> {
    let waits_for = |shard: &ShardId| {
        let parent = listed.get(shard)?.parent.as_ref()?;
        let (parent, _) = listed.get_key_value(parent)?;
        (!leases.contains_key(parent)).then_some(parent)
    };
    // Each shard is walked over once: it remembers on whose walk.
    let mut walked: BTreeMap<&ShardId, &ShardId> = BTreeMap::new();
    let mut firsts = BTreeSet::new();
    for start in unleased.iter().map(|shard| &shard.id) {
        let mut at = Some(start);
        while let Some(here) = at.filter(|here| !walked.contains_key(here)) {
            walked.insert(here, start);
            at = waits_for(here);
        }
        // The walk came back to itself: once more around, to find the first.
        if let Some(closed) = at.filter(|here| walked.get(here) == Some(&start)) {
            let around = std::iter::successors(waits_for(closed), |here| {
                waits_for(here).filter(|_| *here != closed)
            });
            firsts.extend(around.min());
        }
    }
    firsts
}

/// May this lease be read now? Not before its parent's end is stored (G3, S4). A parent without a lease
/// does not hold its child back: rows are deleted only when the child is safe. Nor does a shard wait for itself.
pub fn may_start(lease: &Lease, leases: &Leases) -> bool {
    may_start_among(lease, |parent| leases.get(parent))
}

/// [`may_start`], where `find` finds the leases of the stream.
pub fn may_start_among<'a>(lease: &Lease, find: impl Fn(&ShardId) -> Option<&'a Lease>) -> bool {
    let finished = |parent: &ShardId| find(parent).is_none_or(Lease::is_finished);
    let others = |parent: &&ShardId| **parent != lease.shard;
    planted!(BesideItsParent) || lease.parents.iter().filter(others).all(finished)
}

/// True when this lease, or an unfinished ancestor that it waits for, stands still until a person decides. Nobody knows
/// how long that takes, so the table's next stream does not wait for it.
pub fn waits_for_a_decision(lease: &Lease, leases: &Leases) -> bool {
    let mut seen = BTreeSet::new();
    let mut line = vec![lease];
    while let Some(lease) = line.pop() {
        if lease.is_finished() || !seen.insert(&lease.shard) {
            continue;
        }
        if lease.stopped.is_some() {
            return true;
        }
        line.extend(lease.parents.iter().filter_map(|parent| leases.get(parent)));
    }
    false
}

/// Where a child begins when its parent ends with this checkpoint. A parent that was begun at a time
/// and has seen no record since then passes its start on; otherwise everything in the child is newer
/// than what was acknowledged, so it is read from its oldest record, never from the latest (B1).
pub fn child_start(parent: &Checkpoint) -> Checkpoint {
    match parent {
        Checkpoint::At(time) => Checkpoint::At(*time),
        _ => Checkpoint::TrimHorizon,
    }
}

/// The finished leases that may be forgotten (S9, design rule 13): the shard has left a complete listing,
/// its own parent's lease is gone, and every child has a lease that has made progress. While its stream goes on, every
/// closed shard has children: one whose children nobody has seen yet stays, or they would seem to have lost their parent.
pub fn forgettable<'a>(
    listed: &BTreeMap<ShardId, Shard>,
    leases: &'a Leases,
    is_over: bool,
) -> Vec<&'a Lease> {
    let left = |lease: &&Lease| {
        lease.is_finished()
            && lease.stopped.is_none()
            && (planted!(ForgetsAtTheEnd) || !listed.contains_key(&lease.shard))
    };
    // Few, of tens of thousands: whose children they are is asked of them alone.
    let left: BTreeMap<&ShardId, &Lease> = leases
        .values()
        .filter(left)
        .map(|lease| (&lease.shard, lease))
        .collect();
    if left.is_empty() {
        return Vec::new();
    }
    let is_left = |parent: &&ShardId| left.contains_key(*parent);
    let unleased = listed
        .values()
        .filter(|shard| !leases.contains_key(&shard.id));
    let awaited = unleased.filter_map(|shard| shard.parent.as_ref());
    let awaited: BTreeSet<&ShardId> = awaited.filter(is_left).collect();
    let leased = leases.values().flat_map(|lease| &lease.parents);
    let named = listed.values().filter_map(|shard| shard.parent.as_ref());
    let continued: BTreeSet<&ShardId> = leased.chain(named).filter(is_left).collect();
    let progressed = |child: &ShardId| {
        leases
            .get(child)
            .is_some_and(|lease| !lease.checkpoint.is_start())
    };
    let may_go = |lease: &&Lease| {
        !awaited.contains(&lease.shard)
            && lease
                .parents
                .iter()
                .all(|parent| !leases.contains_key(parent))
            && lease.children.iter().all(progressed)
            && (is_over || !lease.children.is_empty() || continued.contains(&lease.shard))
    };
    left.into_values().filter(may_go).collect()
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{StreamArn, WorkerId};
    use crate::lease::lease_key;
    use proptest::prelude::*;

    fn id(name: &str) -> ShardId {
        ShardId::from_service(name)
    }

    fn listing(shards: &[(&str, Option<&str>)]) -> BTreeMap<ShardId, Shard> {
        let shard = |(name, parent): &(&str, Option<&str>)| {
            let shard = Shard {
                id: id(name),
                parent: parent.map(id),
                starting: None,
                ending: None,
            };
            (shard.id.clone(), shard)
        };
        shards.iter().map(shard).collect()
    }

    fn lease(name: &str, checkpoint: Checkpoint, parent: Option<&str>, children: &[&str]) -> Lease {
        let stream =
            "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
        let stream = StreamArn::parse(stream).unwrap();
        Lease {
            key: lease_key(&stream, &id(name)),
            stream,
            shard: id(name),
            owner: Some(WorkerId::new("a", 1)),
            epoch: 1,
            version: 1,
            write_id: None,
            checkpoint,
            parents: parent.map(id).into_iter().collect(),
            children: children.iter().map(|child| id(child)).collect(),
            next_owner: None,
            stopped: None,
        }
    }

    fn leases(all: Vec<Lease>) -> Leases {
        all.into_iter()
            .map(|lease| (lease.shard.clone(), lease))
            .collect()
    }

    fn needed(listed: &[(&str, Option<&str>)], leased: Vec<Lease>) -> Vec<String> {
        let found = uncovered(&listing(listed), &leases(leased));
        found
            .iter()
            .map(|uncovered| uncovered.shard.id.to_string())
            .collect()
    }

    const END: Checkpoint = Checkpoint::ShardEnd;
    const HORIZON: Checkpoint = Checkpoint::TrimHorizon;

    #[test]
    fn at_the_first_listing_only_the_oldest_shards_get_leases() {
        let tree = [
            ("a", None),
            ("b", Some("a")),
            ("c", Some("b")),
            ("d", Some("gone")),
        ];
        assert_eq!(needed(&tree, vec![]), ["a", "d"]);
    }

    #[test]
    fn a_child_is_covered_by_an_unfinished_parent() {
        let tree = [("a", None), ("b", Some("a"))];
        assert_eq!(needed(&tree, vec![lease("a", HORIZON, None, &[])]), [""; 0]);
    }

    #[test]
    fn hole_11_a_second_child_that_was_not_visible_at_the_end_is_found_later() {
        let tree = [("a", None), ("b", Some("a")), ("c", Some("a"))];
        let leased = vec![
            lease("a", END, None, &["b"]),
            lease("b", HORIZON, Some("a"), &[]),
        ];
        assert_eq!(needed(&tree, leased), ["c"]);
    }

    #[test]
    fn b8_a_trimmed_parent_is_not_waited_for_and_is_told_apart() {
        let found = uncovered(&listing(&[("b", Some("gone"))]), &Leases::new());
        assert!(found[0].orphan);
        assert!(!uncovered(&listing(&[("b", None)]), &Leases::new())[0].orphan);
    }

    #[test]
    fn s4_a_child_starts_only_after_its_parents_end_is_stored() {
        let child = lease("b", HORIZON, Some("a"), &[]);
        let with = |checkpoint| leases(vec![lease("a", checkpoint, None, &[]), child.clone()]);
        assert!(!may_start(&child, &with(HORIZON)));
        assert!(may_start(&child, &with(END)));
    }

    #[test]
    fn s4_a_child_waits_for_each_of_its_parents_and_for_none_that_has_no_lease() {
        let mut child = lease("c", HORIZON, Some("a"), &[]);
        child.parents.insert(id("b"));
        let with = |a, b| {
            leases(vec![
                lease("a", a, None, &[]),
                lease("b", b, None, &[]),
                child.clone(),
            ])
        };
        assert!(!may_start(&child, &with(END, HORIZON)));
        assert!(!may_start(&child, &with(HORIZON, END)));
        assert!(may_start(&child, &with(END, END)));
        assert!(
            may_start(&child, &leases(vec![child.clone()])),
            "both were forgotten"
        );
    }

    #[test]
    fn l6_whoever_waits_for_a_stopped_ancestor_waits_for_a_decision() {
        let stopped = Lease {
            stopped: Some("lost".into()),
            ..lease("a", HORIZON, None, &[])
        };
        let all = leases(vec![
            stopped,
            lease("b", HORIZON, Some("a"), &[]),
            lease("c", HORIZON, Some("b"), &[]),
            lease("d", HORIZON, Some("e"), &[]),
            lease("e", HORIZON, Some("d"), &[]),
            lease("f", END, Some("a"), &[]),
        ]);
        let waiting: Vec<&str> = all
            .values()
            .filter(|lease| waits_for_a_decision(lease, &all))
            .map(|lease| lease.shard.as_str())
            .collect();
        assert_eq!(
            waiting,
            ["a", "b", "c"],
            "not a ring, and not what is finished"
        );
    }

    #[test]
    fn s9_b15_a_finished_lease_stays_while_its_shard_is_listed_or_a_child_has_not_moved() {
        let number = SequenceNumber::from_service("9").unwrap();
        let moved = Checkpoint::After(number);
        let tree = |child| {
            leases(vec![
                lease("a", END, None, &["b"]),
                lease("b", child, Some("a"), &[]),
            ])
        };
        let gone = listing(&[("b", Some("a"))]);
        assert_eq!(forgettable(&gone, &tree(moved), false).len(), 1);
        assert_eq!(
            forgettable(&gone, &tree(HORIZON), false).len(),
            0,
            "B15: the child has not moved"
        );
        let listed = listing(&[("a", None), ("b", Some("a"))]);
        assert_eq!(
            forgettable(&listed, &tree(moved), false).len(),
            0,
            "it would be resurrected"
        );
        let other = listing(&[("b", Some("a")), ("c", Some("a"))]);
        assert_eq!(
            forgettable(&other, &tree(moved), false).len(),
            0,
            "a child has no lease yet"
        );
    }

    #[test]
    fn s4_whoever_begins_in_a_shard_has_done_with_its_ancestors() {
        let tree = listing(&[
            ("b", Some("a")),
            ("c", Some("b")),
            ("d", Some("b")),
            ("e", None),
            ("f", Some("g")),
            ("g", Some("f")),
        ]);
        let of = |shards: &[&str]| -> Vec<String> {
            let shards: Vec<ShardId> = shards.iter().map(|shard| id(shard)).collect();
            let found = ancestors_of(&tree, shards.iter());
            found.iter().map(ToString::to_string).collect()
        };
        assert_eq!(of(&["c", "e"]), ["b"], "the first parent is not listed");
        assert_eq!(of(&["c", "d"]), ["b"]);
        assert_eq!(of(&["f"]), ["f", "g"], "a ring ends");
        assert_eq!(of(&["z"]), [""; 0]);
    }

    #[test]
    fn s9_leases_are_forgotten_oldest_first() {
        let number = SequenceNumber::from_service("9").unwrap();
        let tree = leases(vec![
            lease("a", END, None, &["b"]),
            lease("b", END, Some("a"), &["c"]),
            lease("c", Checkpoint::After(number), Some("b"), &[]),
        ]);
        let names: Vec<_> = forgettable(&listing(&[("c", Some("b"))]), &tree, false)
            .iter()
            .map(|l| l.shard.to_string())
            .collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn b1_a_child_never_starts_at_the_latest_record() {
        let time = crate::checkpoint::Timestamp::from_millis(5);
        assert_eq!(child_start(&Checkpoint::At(time)), Checkpoint::At(time));
        assert_eq!(child_start(&HORIZON), HORIZON);
    }

    proptest! {
        /// Every listed shard of a family tree is covered by its own
        /// lease or by an unfinished ancestor once the uncovered ones have leases.
        #[test]
        fn s9_every_listed_shard_ends_up_covered(parents in proptest::collection::vec(0usize..12, 1..12)) {
            let names: Vec<String> = (0..12).map(|n| format!("s{n:02}")).collect();
            let shards: Vec<(&str, Option<&str>)> = parents.iter().enumerate()
                .map(|(n, parent)| (names[n].as_str(), (*parent < n).then(|| names[*parent].as_str())))
                .collect();
            let listed = listing(&shards);
            let mut held = Leases::new();
            for found in uncovered(&listed, &held.clone()) {
                let parent = found.shard.parent.as_ref().map(ShardId::as_str);
                held.insert(found.shard.id.clone(), lease(found.shard.id.as_str(), HORIZON, parent, &[]));
            }
            for shard in listed.values() {
                let mut at = Some(shard.id.clone());
                while let Some(here) = at.clone().filter(|here| !held.contains_key(here)) {
                    at = listed.get(&here).and_then(|s| s.parent.clone());
                }
                prop_assert!(at.is_some(), "{} is covered by nobody", shard.id);
            }
            prop_assert!(uncovered(&listed, &held).is_empty());
        }
    }

    #[test]
    fn s9_a_finished_lease_stays_until_its_children_are_seen_or_its_stream_is_over() {
        let nothing = BTreeMap::new();
        let alone = lease("a", Checkpoint::ShardEnd, None, &[]);
        let leases: Leases = [(alone.shard.clone(), alone)].into();
        assert!(forgettable(&nothing, &leases, false).is_empty());
        assert_eq!(forgettable(&nothing, &leases, true).len(), 1);
    }
}
