//! Fleets that grow and shrink while everybody plans for himself, on a view that is a moment old.

use super::*;
use crate::checkpoint::Checkpoint;
use crate::ids::{ShardId, StreamArn};
use crate::lease::lease_key;
use proptest::prelude::*;

const ALL: usize = 7;

fn id(n: usize) -> WorkerId {
    WorkerId::new(&format!("w{n}"), 1)
}

fn free(n: usize) -> Sighting {
    let stream = "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
    let stream = StreamArn::parse(stream).unwrap();
    let shard = ShardId::from_service(format!("shardId-{n:03}"));
    let lease = Lease {
        key: lease_key(&stream, &shard),
        stream,
        shard,
        owner: None,
        epoch: 1,
        version: 1,
        write_id: None,
        checkpoint: Checkpoint::TrimHorizon,
        parents: BTreeSet::new(),
        children: BTreeSet::new(),
        next_owner: None,
        stopped: None,
    };
    Sighting {
        lease,
        first_seen: Duration::ZERO,
    }
}

/// What happens between two rounds.
#[derive(Debug, Clone)]
enum Turn {
    /// A worker joins, or comes back as another incarnation would.
    Join(usize),
    Die(usize),
    /// A worker is about to go: it keeps what it owns for now, and gets nothing.
    Leave(usize),
    Quiet,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        2 => (0..ALL).prop_map(Turn::Join),
        1 => (0..ALL).prop_map(Turn::Die),
        1 => (0..ALL).prop_map(Turn::Leave),
        4 => Just(Turn::Quiet),
    ]
}

struct Fleet {
    leases: Vec<Sighting>,
    living: Vec<WorkerId>,
    over: BTreeSet<WorkerId>,
    limits: Limits,
    now: Duration,
    dice: u64,
}

impl Fleet {
    fn new(leases: usize, max_leases: usize, residency: u64, dice: u64) -> Self {
        let limits = Limits {
            max_leases,
            residency: Duration::from_secs(residency),
            overdue: Duration::from_secs(30),
            request_pending: false,
        };
        Self {
            leases: (0..leases).map(free).collect(),
            living: Vec::new(),
            over: BTreeSet::new(),
            limits,
            now: Duration::ZERO,
            dice,
        }
    }

    fn turn(&mut self, turn: &Turn) {
        let gone = match turn {
            Turn::Join(n) if !self.living.contains(&id(*n)) && !self.over.contains(&id(*n)) => {
                self.living.push(id(*n));
                self.living.sort();
                return;
            }
            Turn::Die(n) => {
                self.over.insert(id(*n));
                id(*n)
            }
            Turn::Leave(n) => id(*n),
            Turn::Join(_) | Turn::Quiet => return,
        };
        self.living.retain(|living| *living != gone);
    }

    fn owned(&self, who: &WorkerId) -> usize {
        self.leases
            .iter()
            .filter(|seen| seen.lease.owner.as_ref() == Some(who))
            .count()
    }

    fn plans(&mut self) -> Vec<(WorkerId, Vec<Claim>)> {
        let mut dice = fastrand_like(self.dice);
        let plans = self.living.iter().map(|me| {
            let pending = self
                .leases
                .iter()
                .any(|seen| seen.lease.next_owner.as_ref() == Some(me));
            let view = View {
                me,
                living: &self.living,
                leases: &self.leases,
                over: &self.over,
                now: self.now,
            };
            let limits = Limits {
                request_pending: pending,
                ..self.limits
            };
            (me.clone(), plan(&view, &limits, &mut dice))
        });
        let plans = plans.collect();
        self.dice = dice();
        plans
    }

    /// Everybody plans on the same view; of several claims to one lease the first is granted. Then the owners answer.
    fn round(&mut self) -> Result<usize, TestCaseError> {
        self.now += Duration::from_secs(1);
        let plans = self.plans();
        let before: Vec<Lease> = self.leases.iter().map(|seen| seen.lease.clone()).collect();
        let mut moves = 0;
        for (me, claims) in plans {
            prop_assert!(
                self.owned(&me) + claims.len() <= self.limits.max_leases.max(self.owned(&me))
            );
            let keys: BTreeSet<String> = claims.iter().map(|claim| format!("{claim:?}")).collect();
            prop_assert_eq!(keys.len(), claims.len(), "nothing is claimed twice");
            for claim in claims {
                moves += 1;
                let (Claim::Take(key) | Claim::Request { key, .. }) = &claim;
                let at = before.iter().position(|lease| lease.key == *key).unwrap();
                let (seen, now, was) = (&mut self.leases[at], self.now, &before[at]);
                match &claim {
                    Claim::Take(_) => {
                        let abandoned = was
                            .owner
                            .as_ref()
                            .is_none_or(|owner| self.over.contains(owner));
                        prop_assert!(abandoned, "{me} takes from {:?}", was.owner);
                        if seen.lease.owner == was.owner {
                            seen.lease.owner = Some(me.clone());
                            seen.lease.next_owner = None;
                            seen.first_seen = now;
                        }
                    }
                    Claim::Request { owner, .. } => {
                        prop_assert!(
                            was.owner.as_ref() == Some(owner)
                                && *owner != me
                                && self.living.contains(owner)
                        );
                        if seen.lease.next_owner == was.next_owner {
                            seen.lease.next_owner = Some(me.clone());
                        }
                    }
                }
            }
        }
        Ok(moves)
    }

    fn answer_requests(&mut self) {
        for seen in &mut self.leases {
            let owner_lives = seen
                .lease
                .owner
                .as_ref()
                .is_some_and(|owner| self.living.contains(owner));
            let asked = seen
                .lease
                .next_owner
                .take_if(|next| owner_lives && self.living.contains(next));
            if asked.is_some() {
                seen.lease.owner = asked;
                seen.first_seen = self.now;
            }
        }
    }

    fn leavers_go(&mut self) {
        let gone = |owner: &WorkerId| !self.living.contains(owner);
        let owners: BTreeSet<WorkerId> = self
            .leases
            .iter()
            .filter_map(|seen| seen.lease.owner.clone())
            .collect();
        self.over.extend(owners.into_iter().filter(gone));
    }
}

/// Any sequence will do, as long as it is the same in every run.
fn fastrand_like(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

proptest! {
    #[test]
    fn l1_a_fleet_of_which_some_join_die_and_leave_settles_to_a_difference_of_one_and_takes_from_nobody_who_lives(
        leases in 0usize..30, max in 1usize..40, residency in 0u64..4, dice: u64,
        turns in prop::collection::vec(turn(), 0..30),
    ) {
        let mut fleet = Fleet::new(leases, max, residency, dice);
        for turn in &turns {
            fleet.turn(turn);
            fleet.round()?;
            fleet.answer_requests();
        }
        if fleet.living.is_empty() {
            fleet.turn(&Turn::Join((0..ALL).find(|n| !fleet.over.contains(&id(*n))).unwrap_or(ALL)));
            fleet.living.extend(fleet.living.is_empty().then(|| id(ALL)));
        }
        fleet.leavers_go();
        for _ in 0..200 {
            fleet.round()?;
            fleet.answer_requests();
        }
        let counts: Vec<usize> = fleet.living.iter().map(|who| fleet.owned(who)).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{counts:?}");
        prop_assert!(*most <= max, "{counts:?}");
        prop_assert_eq!(counts.iter().sum::<usize>(), leases.min(max * counts.len()), "no lease is left over");
        prop_assert_eq!(fleet.round()?, 0, "it stays still");
    }
}
