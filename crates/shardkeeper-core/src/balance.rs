//! Who should own what: a pure plan from what one worker believes.
//!
//! Expired before balanced: leases that nobody owns are claimed first. A living owner is only ever
//! *asked*, and only when it has at least two more than we have, so that a plan settles to a
//! difference of one and then stays still.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::ids::WorkerId;
use crate::lease::{Lease, Sighting};
use crate::planted;
use crate::row::RowKey;

/// What one worker sets out to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Take a lease that nobody owns, or whose owner is dead or has left.
    Take(RowKey),
    /// Ask a living owner for a lease.
    Request {
        /// The lease.
        key: RowKey,
        /// Its owner, whose inbox is bumped.
        owner: WorkerId,
    },
}

/// What the plan may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most leases that this worker may own.
    pub max_leases: usize,
    /// How long a lease stays where it is before it is asked for again.
    pub residency: Duration,
    /// A free lease that nobody took for so long is taken whatever the balance says.
    pub overdue: Duration,
    /// True while an earlier request of this worker is unanswered.
    pub request_pending: bool,
}

/// What one worker believes at this moment.
#[derive(Debug)]
pub struct View<'a> {
    /// This worker.
    pub me: &'a WorkerId,
    /// Every incarnation that is alive and not leaving, `me` included.
    pub living: &'a [WorkerId],
    /// Every active lease that may be read now.
    pub leases: &'a [Sighting],
    /// Incarnations that are dead or have left.
    pub over: &'a BTreeSet<WorkerId>,
    /// This worker's clock.
    pub now: Duration,
}

/// Plans the next claims; `dice` decides between equals.
pub fn plan(view: &View<'_>, limits: &Limits, dice: &mut dyn FnMut() -> u64) -> Vec<Claim> {
    let loads = loads(view);
    let mine = loads.get(view.me).copied().unwrap_or(0);
    let takes = takes(view, limits, mine);
    if !takes.is_empty() {
        return takes;
    }
    request(view, limits, &loads, dice).into_iter().collect()
}

/// How many leases nobody takes although they are overdue, and this worker must not take: it owns as many as it may.
/// More workers are needed then, or a higher limit.
pub fn left_over(view: &View<'_>, limits: &Limits) -> usize {
    let mine = loads(view).get(view.me).copied().unwrap_or(0);
    let room = limits.max_leases.saturating_sub(mine);
    let overdue = |seen: &&Sighting| {
        is_free(view, &seen.lease) && view.now.saturating_sub(seen.first_seen) >= limits.overdue
    };
    view.leases
        .iter()
        .filter(overdue)
        .count()
        .saturating_sub(room)
}

fn is_free(view: &View<'_>, lease: &Lease) -> bool {
    lease.owner.as_ref().is_none_or(|id| view.over.contains(id))
}

/// Load: owned, minus promised away, plus promised to.
fn loads(view: &View<'_>) -> BTreeMap<WorkerId, usize> {
    let mut loads: BTreeMap<WorkerId, usize> =
        view.living.iter().map(|id| (id.clone(), 0)).collect();
    for Sighting { lease, .. } in view.leases {
        let promised = lease
            .next_owner
            .as_ref()
            .filter(|next| loads.contains_key(*next));
        if let Some(load) = promised
            .or(lease.owner.as_ref())
            .and_then(|id| loads.get_mut(id))
        {
            *load += 1;
        }
    }
    loads
}

fn takes(view: &View<'_>, limits: &Limits, mine: usize) -> Vec<Claim> {
    let mut free: Vec<&Sighting> = view
        .leases
        .iter()
        .filter(|seen| is_free(view, &seen.lease))
        .collect();
    free.sort_by_cached_key(|seen| (rank(view, &seen.lease.key), score(view.me, &seen.lease.key)));
    let fair = view.leases.len().div_ceil(view.living.len().max(1));
    let overdue = |seen: &Sighting| view.now.saturating_sub(seen.first_seen) >= limits.overdue;
    let mut load = mine;
    let mut claims = Vec::new();
    for seen in free {
        // What its owner had promised to us before it died is in our load already.
        let promised = seen.lease.next_owner.as_ref() == Some(view.me);
        let after = load + usize::from(!promised);
        if after <= limits.max_leases && (after <= fair || overdue(seen)) {
            load = after;
            claims.push(Claim::Take(seen.lease.key.clone()));
        }
    }
    claims
}

fn request(
    view: &View<'_>,
    limits: &Limits,
    loads: &BTreeMap<WorkerId, usize>,
    dice: &mut dyn FnMut() -> u64,
) -> Option<Claim> {
    let mine = loads.get(view.me).copied()?;
    if limits.request_pending || mine >= limits.max_leases {
        return None;
    }
    let (richest, most) = loads.iter().max_by_key(|(_, load)| **load)?;
    let richest = if planted!(ClaimsFromItself) {
        view.me
    } else {
        richest
    };
    if *most < mine + 2 {
        return None;
    }
    let settled = |seen: &Sighting| view.now.saturating_sub(seen.first_seen) >= limits.residency;
    let unasked = |lease: &Lease| {
        lease
            .next_owner
            .as_ref()
            .is_none_or(|id| view.over.contains(id))
    };
    let movable: Vec<&Sighting> = view
        .leases
        .iter()
        .filter(|seen| {
            seen.lease.owner.as_ref() == Some(richest) && unasked(&seen.lease) && settled(seen)
        })
        .collect();
    let chosen = usize::try_from(dice() % u64::try_from(movable.len()).ok()?.max(1)).ok()?;
    let key = movable.get(chosen)?.lease.key.clone();
    Some(Claim::Request {
        key,
        owner: richest.clone(),
    })
}

/// Rendezvous hashing: every lease prefers one worker, then another, so that a herd that wakes at once
/// spreads over the leases instead of stampeding on the first.
fn rank(view: &View<'_>, key: &RowKey) -> usize {
    let own = score(view.me, key);
    view.living
        .iter()
        .filter(|other| score(other, key) < own)
        .count()
}

fn score(worker: &WorkerId, key: &RowKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    (worker, key).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::ids::{ShardId, StreamArn};
    use crate::lease::lease_key;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        max_leases: 1000,
        residency: Duration::ZERO,
        overdue: Duration::from_secs(30),
        request_pending: false,
    };

    static NOBODY: BTreeSet<WorkerId> = BTreeSet::new();

    fn id(n: usize) -> WorkerId {
        WorkerId::new(&format!("w{n}"), 1)
    }

    fn seen(n: usize, owner: Option<usize>) -> Sighting {
        let stream =
            "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
        let stream = StreamArn::parse(stream).unwrap();
        let shard = ShardId::from_service(format!("shardId-{n:03}"));
        let lease = Lease {
            key: lease_key(&stream, &shard),
            stream,
            shard,
            owner: owner.map(id),
            epoch: 1,
            version: 1,
            write_id: None,
            checkpoint: Checkpoint::TrimHorizon,
            parents: Default::default(),
            children: Default::default(),
            next_owner: None,
            stopped: None,
        };
        Sighting {
            lease,
            first_seen: Duration::ZERO,
        }
    }

    /// Everybody plans on the same view and every claim comes true, as the protocol would make it.
    fn round(leases: &mut [Sighting], living: &[WorkerId], limits: &Limits) -> usize {
        let over: BTreeSet<WorkerId> = (0..8).map(id).filter(|w| !living.contains(w)).collect();
        let mut moves = 0;
        for me in living {
            let view = View {
                me,
                living,
                leases: &*leases,
                over: &over,
                now: Duration::ZERO,
            };
            for claim in plan(&view, limits, &mut || 7) {
                let (Claim::Take(key) | Claim::Request { key, .. }) = claim;
                let lease = leases
                    .iter_mut()
                    .find(|seen| seen.lease.key == key)
                    .unwrap();
                lease.lease.owner = Some(me.clone());
                moves += 1;
            }
        }
        moves
    }

    fn spread(leases: &[Sighting], living: &[WorkerId]) -> (usize, usize) {
        let count = |w: &WorkerId| {
            leases
                .iter()
                .filter(|seen| seen.lease.owner.as_ref() == Some(w))
                .count()
        };
        let counts: Vec<usize> = living.iter().map(count).collect();
        (
            counts.iter().copied().min().unwrap_or(0),
            counts.iter().copied().max().unwrap_or(0),
        )
    }

    proptest! {
        #[test]
        fn l1_any_fleet_settles_to_a_difference_of_one_and_then_stays_still(
            owners in proptest::collection::vec(proptest::option::of(0usize..8), 0..40),
            fleet in 1usize..8,
        ) {
            let living: Vec<WorkerId> = (0..fleet).map(id).collect();
            let mut leases: Vec<Sighting> = owners.iter().enumerate().map(|(n, o)| seen(n, *o)).collect();
            for _ in 0..60 {
                round(&mut leases, &living, &LIMITS);
            }
            let (least, most) = spread(&leases, &living);
            prop_assert!(most - least <= 1, "{least}..{most}");
            prop_assert_eq!(round(&mut leases, &living, &LIMITS), 0, "it stays still");
        }

        #[test]
        fn a_worker_never_claims_beyond_its_maximum(free in 0usize..40, max in 0usize..10) {
            let living = [id(0)];
            let leases: Vec<Sighting> = (0..free).map(|n| seen(n, None)).collect();
            let view = View { me: &living[0], living: &living, leases: &leases, over: &NOBODY, now: Duration::ZERO };
            let limits = Limits { max_leases: max, ..LIMITS };
            prop_assert!(plan(&view, &limits, &mut || 0).len() <= max);
        }
    }

    #[test]
    fn a_herd_that_wakes_at_once_spreads_over_the_free_leases() {
        let living: Vec<WorkerId> = (0..4).map(id).collect();
        let leases: Vec<Sighting> = (0..40).map(|n| seen(n, None)).collect();
        let mut claimed = Vec::new();
        for me in &living {
            let view = View {
                me,
                living: &living,
                leases: &leases,
                over: &NOBODY,
                now: Duration::ZERO,
            };
            claimed.extend(plan(&view, &LIMITS, &mut || 0));
        }
        let total = claimed.len();
        claimed.sort_by_key(|claim| format!("{claim:?}"));
        claimed.dedup();
        assert_eq!(total, 40);
        assert!(
            claimed.len() >= 32,
            "only {} different leases were claimed",
            claimed.len()
        );
    }

    #[test]
    fn a_free_lease_that_nobody_takes_is_taken_by_somebody_at_last() {
        let living = [id(0), id(1)];
        let leases = [seen(0, Some(0)), seen(1, None)];
        let at = |now| {
            let view = View {
                me: &living[0],
                living: &living,
                leases: &leases,
                over: &NOBODY,
                now,
            };
            plan(&view, &LIMITS, &mut || 0)
        };
        assert!(
            at(Duration::from_secs(29)).is_empty(),
            "the other worker should"
        );
        assert_eq!(at(Duration::from_secs(30)).len(), 1);
    }

    #[test]
    fn what_was_promised_counts_as_moved_so_that_nobody_asks_twice() {
        let living = [id(0), id(1)];
        let mut leases: Vec<Sighting> = (0..3).map(|n| seen(n, Some(0))).collect();
        leases[0].lease.next_owner = Some(id(1));
        let view = View {
            me: &living[1],
            living: &living,
            leases: &leases,
            over: &NOBODY,
            now: Duration::ZERO,
        };
        assert!(plan(&view, &LIMITS, &mut || 0).is_empty());
    }

    #[test]
    fn l4_what_a_dead_worker_had_promised_to_us_is_taken_with_the_rest_at_once() {
        let living = [id(1)];
        let over = BTreeSet::from([id(0)]);
        for promised in 0..3 {
            let mut leases: Vec<Sighting> = (0..3).map(|n| seen(n, Some(0))).collect();
            leases[promised].lease.next_owner = Some(id(1));
            let view = View {
                me: &living[0],
                living: &living,
                leases: &leases,
                over: &over,
                now: Duration::ZERO,
            };
            assert_eq!(plan(&view, &LIMITS, &mut || 0).len(), 3);
        }
    }

    #[test]
    fn l4_what_has_expired_is_taken_before_anything_is_balanced() {
        let living = [id(0), id(1)];
        let mut leases: Vec<Sighting> = (0..5).map(|n| seen(n, Some(0))).collect();
        let claims = |leases: &[Sighting]| {
            let view = View {
                me: &living[1],
                living: &living,
                leases,
                over: &NOBODY,
                now: Duration::ZERO,
            };
            plan(&view, &LIMITS, &mut || 0)
        };
        assert!(matches!(claims(&leases)[..], [Claim::Request { .. }]));
        leases[3].lease.owner = None;
        let key = leases[3].lease.key.clone();
        assert_eq!(claims(&leases), [Claim::Take(key)]);
    }

    #[test]
    fn a_worker_takes_its_share_and_leaves_the_rest_to_the_others() {
        let living: Vec<WorkerId> = (0..3).map(id).collect();
        let leases: Vec<Sighting> = (0..9).map(|n| seen(n, None)).collect();
        let view = View {
            me: &living[0],
            living: &living,
            leases: &leases,
            over: &NOBODY,
            now: Duration::ZERO,
        };
        assert_eq!(plan(&view, &LIMITS, &mut || 0).len(), 3);
    }

    #[test]
    fn s10_a_lease_stays_for_its_residency() {
        let living = [id(0), id(1)];
        let leases: Vec<Sighting> = (0..4).map(|n| seen(n, Some(0))).collect();
        let limits = Limits {
            residency: Duration::from_secs(5),
            ..LIMITS
        };
        let at = |now| {
            let view = View {
                me: &living[1],
                living: &living,
                leases: &leases,
                over: &NOBODY,
                now,
            };
            plan(&view, &limits, &mut || 0)
        };
        assert!(at(Duration::from_secs(4)).is_empty());
        assert_eq!(at(Duration::from_secs(5)).len(), 1);
    }

    #[test]
    fn b29_nobody_claims_from_itself() {
        let living = [id(0), id(1)];
        let leases: Vec<Sighting> = (0..9).map(|n| seen(n, Some(n / 6))).collect();
        for me in &living {
            let view = View {
                me,
                living: &living,
                leases: &leases,
                over: &NOBODY,
                now: Duration::from_secs(3600),
            };
            for claim in plan(&view, &LIMITS, &mut || 3) {
                let (Claim::Take(key) | Claim::Request { key, .. }) = claim;
                let owner = leases.iter().find(|seen| seen.lease.key == key);
                assert_ne!(owner.and_then(|seen| seen.lease.owner.as_ref()), Some(me));
            }
        }
    }
}
