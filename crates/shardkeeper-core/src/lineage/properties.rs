//! Family trees of any shape, and of shapes that no family has: rings, parents that are not there, one's own parent.

use std::collections::BTreeSet;

use super::*;
use crate::ids::StreamArn;
use crate::lease::lease_key;
use proptest::prelude::*;

/// For each shard: no parent, one that is not listed, or any shard at all.
#[derive(Debug, Clone)]
pub(super) enum Parent {
    None,
    Gone,
    Shard(usize),
}

pub(super) fn graph(most: usize) -> impl Strategy<Value = Vec<Parent>> {
    let parent = prop_oneof![
        1 => Just(Parent::None),
        1 => Just(Parent::Gone),
        6 => (0..most).prop_map(Parent::Shard),
    ];
    prop::collection::vec(parent, 1..most)
}

pub(super) fn name(n: usize) -> ShardId {
    ShardId::from_service(format!("s{n:05}"))
}

pub(super) fn listing(graph: &[Parent]) -> BTreeMap<ShardId, Shard> {
    let shard = |(n, parent): (usize, &Parent)| {
        let parent = match parent {
            Parent::None => None,
            Parent::Gone => Some(ShardId::from_service("gone")),
            Parent::Shard(parent) => Some(name(*parent)),
        };
        (
            name(n),
            Shard {
                id: name(n),
                parent,
                starting: None,
                ending: None,
            },
        )
    };
    graph.iter().enumerate().map(shard).collect()
}

pub(super) fn lease(shard: &ShardId, parent: Option<&ShardId>) -> Lease {
    let stream = "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
    let stream = StreamArn::parse(stream).unwrap();
    Lease {
        key: lease_key(&stream, shard),
        stream,
        shard: shard.clone(),
        owner: None,
        epoch: 1,
        version: 1,
        write_id: None,
        checkpoint: Checkpoint::TrimHorizon,
        parents: parent.cloned().into_iter().collect(),
        children: BTreeSet::new(),
        next_owner: None,
        stopped: None,
    }
}

/// Leases of a listing: shard by shard none, one that is not finished, or one that is.
pub(super) fn leased_of(listed: &BTreeMap<ShardId, Shard>, leased: Vec<Option<bool>>) -> Leases {
    let mut leases = Leases::new();
    for (shard, leased) in listed.values().zip(leased) {
        let Some(finished) = leased else { continue };
        let mut lease = lease(&shard.id, shard.parent.as_ref());
        if finished {
            lease.checkpoint = Checkpoint::ShardEnd;
        }
        leases.insert(shard.id.clone(), lease);
    }
    leases
}

/// The shard and all before it, as far as they were ever listed; true when they form a ring.
fn ancestors(all: &BTreeMap<ShardId, Shard>, of: &ShardId) -> (BTreeSet<ShardId>, bool) {
    let mut seen = BTreeSet::new();
    let mut at = Some(of.clone());
    while let Some(here) = at {
        let parent = all.get(&here).and_then(|shard| shard.parent.clone());
        if !seen.insert(here) {
            return (seen, true);
        }
        at = parent.filter(|parent| all.contains_key(parent));
    }
    (seen, false)
}

/// A stream that is read to its end while its oldest shards leave the listing.
struct Reading {
    all: BTreeMap<ShardId, Shard>,
    listed: BTreeMap<ShardId, Shard>,
    leases: Leases,
    finished: BTreeSet<ShardId>,
}

impl Reading {
    fn new(graph: &[Parent]) -> Self {
        let all = listing(graph);
        Self {
            listed: all.clone(),
            all,
            leases: Leases::new(),
            finished: BTreeSet::new(),
        }
    }

    fn discover(&mut self) -> Result<(), TestCaseError> {
        for found in uncovered(&self.listed, &self.leases) {
            let Shard { id, parent, .. } = &found.shard;
            prop_assert!(
                !self.leases.contains_key(id) && !self.finished.contains(id),
                "{id} comes back"
            );
            let known = parent
                .as_ref()
                .is_some_and(|parent| self.all.contains_key(parent));
            prop_assert!(
                !found.orphan || !known || ancestors(&self.all, id).1,
                "{id} lost a parent that was read"
            );
            self.leases.insert(id.clone(), lease(id, parent.as_ref()));
        }
        Ok(())
    }

    /// Every lease that may be read is read to its end, unless `holds` says not yet.
    fn read(
        &mut self,
        holds: &mut impl FnMut() -> bool,
        blind: &mut impl FnMut() -> bool,
    ) -> Result<(), TestCaseError> {
        let startable: Vec<ShardId> = self
            .leases
            .values()
            .filter(|lease| lease.is_active() && may_start(lease, &self.leases))
            .map(|lease| lease.shard.clone())
            .collect();
        for shard in startable {
            let parent = self.all.get(&shard).and_then(|shard| shard.parent.as_ref());
            if let Some(parent) = parent.filter(|parent| self.all.contains_key(parent)) {
                let in_ring = ancestors(&self.all, &shard).1;
                prop_assert!(
                    in_ring || self.finished.contains(parent),
                    "{shard} before its parent {parent}"
                );
            }
            if holds() {
                continue;
            }
            // A child may not be visible yet when its parent ends.
            let children: BTreeSet<ShardId> = self
                .listed
                .values()
                .filter(|child| child.parent.as_ref() == Some(&shard) && !blind())
                .map(|child| child.id.clone())
                .collect();
            for child in &children {
                self.leases
                    .entry(child.clone())
                    .or_insert_with(|| lease(child, Some(&shard)));
            }
            let ended = self.leases.get_mut(&shard).unwrap();
            ended.checkpoint = Checkpoint::ShardEnd;
            ended.children = children;
            self.finished.insert(shard);
        }
        Ok(())
    }

    fn forget(&mut self) -> Result<(), TestCaseError> {
        let gone: Vec<ShardId> = forgettable(&self.listed, &self.leases, true)
            .iter()
            .map(|lease| lease.shard.clone())
            .collect();
        for shard in gone {
            prop_assert!(self.finished.contains(&shard) && !self.listed.contains_key(&shard));
            let mut children = self
                .listed
                .values()
                .filter(|child| child.parent.as_ref() == Some(&shard));
            prop_assert!(
                children.all(|child| self.leases.contains_key(&child.id)),
                "a child of {shard} has no lease"
            );
            self.leases.remove(&shard);
        }
        Ok(())
    }

    /// What was read and is the oldest of its line leaves the listing.
    fn trim(&mut self, holds: &mut impl FnMut() -> bool) {
        let (before, finished) = (self.listed.clone(), &self.finished);
        let is_oldest = |shard: &Shard| {
            shard
                .parent
                .as_ref()
                .is_none_or(|parent| parent == &shard.id || !before.contains_key(parent))
        };
        self.listed
            .retain(|id, shard| !(finished.contains(id) && is_oldest(shard)) || holds());
    }
}

proptest! {
    #[test]
    fn s4_s9_l6_shards_of_any_shape_are_all_read_each_after_its_parent_and_none_twice(
        graph in graph(14), dice in prop::collection::vec(any::<[bool; 3]>(), 64)
    ) {
        let mut reading = Reading::new(&graph);
        let mut thrown = [0usize; 3];
        // Scripted for a while, then everything that can happen does.
        let mut die = |which: usize| {
            thrown[which] += 1;
            dice.get(thrown[which]).is_some_and(|dice| dice[which])
        };
        for _ in 0..100 {
            reading.discover()?;
            let mut throws = [false; 128].map(|_| die(0)).into_iter();
            let mut blind = [false; 128].map(|_| die(1)).into_iter();
            reading.read(&mut || throws.next().unwrap_or(false), &mut || blind.next().unwrap_or(false))?;
            reading.forget()?;
            if reading.finished.len() == reading.all.len() {
                break;
            }
            reading.trim(&mut || die(2));
        }
        for shard in reading.all.keys() {
            prop_assert!(reading.finished.contains(shard), "{shard} is never read");
        }
    }

    #[test]
    fn s9_every_listed_shard_of_any_graph_is_covered_by_itself_or_by_an_unfinished_ancestor(
        graph in graph(30), leased in prop::collection::vec(prop::option::of(any::<bool>()), 30)
    ) {
        let listed = listing(&graph);
        let mut leases = leased_of(&listed, leased);
        for found in uncovered(&listed, &leases.clone()) {
            leases.insert(found.shard.id.clone(), lease(&found.shard.id, found.shard.parent.as_ref()));
        }
        prop_assert!(uncovered(&listed, &leases).is_empty());
        for shard in listed.keys().filter(|shard| !leases.contains_key(*shard)) {
            let line = ancestors(&listed, shard).0;
            let covers = |id: &ShardId| leases.get(id).is_some_and(|lease| !lease.is_finished());
            prop_assert!(line.iter().any(covers), "{shard} is covered by nobody");
        }
    }
}

/// What a shard's lease says in [`family`]: there is none, it is not begun, it has moved, it has ended, it was stopped.
#[derive(Debug, Clone, Copy)]
enum Says {
    Nothing,
    Begun,
    Moved,
    Ended,
    Stopped,
}

/// Of each shard: what its lease says, whether it is still listed, whether its parent has seen it, and it its parent.
type Said = (Says, bool, bool, bool);

fn said() -> impl Strategy<Value = Said> {
    let says = prop_oneof![
        2 => Just(Says::Nothing),
        1 => Just(Says::Begun),
        3 => Just(Says::Moved),
        4 => Just(Says::Ended),
        1 => Just(Says::Stopped),
    ];
    let knows = prop::bool::weighted(0.8);
    (says, prop::bool::weighted(0.4), any::<bool>(), knows)
}

/// A listing that shows some of the shards, and leases of any of them.
fn family(graph: &[Parent], said: &[Said]) -> (BTreeMap<ShardId, Shard>, Leases) {
    let all = listing(graph);
    let (mut listed, mut leases) = (BTreeMap::new(), Leases::new());
    let seen_by = |parent: &ShardId| {
        let children = all.values().zip(said).filter(|(_, (_, _, seen, _))| *seen);
        let children = children.filter(|(child, _)| child.parent.as_ref() == Some(parent));
        children.map(|(child, _)| child.id.clone()).collect()
    };
    for ((id, shard), (says, is_listed, _, knows)) in all.iter().zip(said) {
        if *is_listed {
            listed.insert(id.clone(), shard.clone());
        }
        let parent = shard.parent.as_ref().filter(|_| *knows);
        let mut lease = lease(id, parent);
        lease.checkpoint = match says {
            Says::Nothing => continue,
            Says::Begun => Checkpoint::TrimHorizon,
            Says::Moved => Checkpoint::After(SequenceNumber::from_service("9").unwrap()),
            Says::Ended | Says::Stopped => Checkpoint::ShardEnd,
        };
        lease.stopped = matches!(says, Says::Stopped).then(|| "lost".into());
        if lease.is_finished() {
            lease.children = seen_by(id);
        }
        leases.insert(id.clone(), lease);
    }
    (listed, leases)
}

/// [`forgettable`] as its documentation has it: every lease is asked about every other one and every listed shard.
fn may_be_forgotten(
    lease: &Lease,
    listed: &BTreeMap<ShardId, Shard>,
    leases: &Leases,
    is_over: bool,
) -> bool {
    let shard = &lease.shard;
    let named = listed
        .values()
        .filter(|child| child.parent.as_ref() == Some(shard));
    let named: BTreeSet<&ShardId> = named.map(|child| &child.id).collect();
    let moved = |child: &ShardId| {
        let child = leases.get(child);
        child.is_some_and(|child| !child.checkpoint.is_start())
    };
    let has_left = lease.is_finished() && lease.stopped.is_none() && !listed.contains_key(shard);
    let is_oldest = !lease
        .parents
        .iter()
        .any(|parent| leases.contains_key(parent));
    let are_safe =
        named.iter().all(|child| leases.contains_key(*child)) && lease.children.iter().all(moved);
    let are_seen = !lease.children.is_empty()
        || !named.is_empty()
        || leases.values().any(|child| child.parents.contains(shard));
    has_left && is_oldest && are_safe && (are_seen || is_over)
}

/// The ring of listed shards without a lease that this one is in, if it is in one: it comes to itself from parent to parent.
fn ring_of<'a>(
    shard: &'a ShardId,
    listed: &'a BTreeMap<ShardId, Shard>,
    leases: &Leases,
) -> Option<BTreeSet<&'a ShardId>> {
    let (mut ring, mut at) = (BTreeSet::new(), shard);
    for _ in 0..listed.len() {
        if leases.contains_key(at) {
            return None;
        }
        ring.insert(at);
        at = listed.get(at)?.parent.as_ref()?;
        if at == shard {
            return Some(ring);
        }
    }
    None
}

proptest! {
    #[test]
    fn s9_what_may_be_forgotten_is_what_every_lease_would_say_of_itself(
        graph in graph(10), said in prop::collection::vec(said(), 10), is_over in any::<bool>()
    ) {
        let (listed, leases) = family(&graph, &said);
        let found = forgettable(&listed, &leases, is_over);
        let obvious = leases.values().filter(|lease| may_be_forgotten(lease, &listed, &leases, is_over));
        prop_assert_eq!(found, obvious.collect::<Vec<_>>());
    }

    #[test]
    fn l6_of_every_ring_without_a_lease_the_least_is_first(
        graph in graph(10), leased in prop::collection::vec(prop::bool::weighted(0.15), 10)
    ) {
        let listed = listing(&graph);
        let leased = leased.iter().map(|leased| leased.then_some(false)).collect();
        let leases = leased_of(&listed, leased);
        let unleased = listed.values().filter(|shard| !leases.contains_key(&shard.id));
        let found = firsts_of_rings(&unleased.collect::<Vec<_>>(), &listed, &leases);
        let is_first = |shard: &&ShardId| ring_of(shard, &listed, &leases).is_some_and(|ring| ring.first() == Some(shard));
        prop_assert_eq!(found, listed.keys().filter(is_first).collect::<BTreeSet<_>>());
    }
}

#[test]
fn l6_a_deep_line_a_wide_family_and_a_large_ring_are_decided_in_a_moment() {
    const SHARDS: usize = 3000;
    let deep: Vec<Parent> = (0..SHARDS)
        .map(|n| n.checked_sub(1).map_or(Parent::None, Parent::Shard))
        .collect();
    let wide: Vec<Parent> = (0..SHARDS)
        .map(|n| {
            if n == 0 {
                Parent::None
            } else {
                Parent::Shard(0)
            }
        })
        .collect();
    let ring: Vec<Parent> = (0..SHARDS)
        .map(|n| Parent::Shard((n + 1) % SHARDS))
        .collect();
    for graph in [deep, wide, ring] {
        let listed = listing(&graph);
        let found = uncovered(&listed, &Leases::new());
        assert_eq!(
            found
                .iter()
                .map(|found| found.shard.id.clone())
                .collect::<Vec<_>>(),
            [name(0)]
        );
        let finished = listed.values().map(|shard| {
            let mut lease = lease(&shard.id, None);
            lease.checkpoint = Checkpoint::ShardEnd;
            (shard.id.clone(), lease)
        });
        let leases: Leases = finished.collect();
        assert!(forgettable(&listed, &leases, true).is_empty());
        assert_eq!(forgettable(&BTreeMap::new(), &leases, true).len(), SHARDS);
    }
}
