//! L7: in quiet times one worker lists the stream, no worker asks faster than its share, and the group stays within the ten
//! listings a second that its whole account has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shardkeeper_core::event::Event;
use shardkeeper_core::ports::FailureKind;

use super::Judge;
use crate::sim::fleet::millis;
use crate::sim::ground::{MINUTE, SECOND, Time};
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::Op;

/// Over this time,
const WINDOW: Time = 10 * SECOND;
/// so many by all.
const MOST: usize = 100;
/// By one worker within a second: eight, one that may come early, and one more where its clock runs fast.
const MOST_OF_ONE: usize = 10;
/// Whoever has just asked for the children of a shard may go on to list it: an end is to be confirmed.
const CONFIRMS_WITHIN: Time = 30 * SECOND;

#[derive(Default)]
pub(super) struct Budgets {
    /// Since when it has been quiet.
    quiet_since: Time,
    listings: VecDeque<(Time, usize)>,
    /// When each worker last asked for children.
    confirmed: BTreeMap<usize, Time>,
    /// When each worker last listed the stream for no shard's sake.
    discovered: BTreeMap<usize, Time>,
    /// Workers that were started and have not asked yet whether the stream is there.
    starting: BTreeSet<usize>,
}

impl Judge for Budgets {
    fn name(&self) -> &'static str {
        "L7"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        match fact {
            Fact::Called { seat, op } if *op != Op::ListStreams => {
                let starts = *op == Op::ListShards && self.starting.remove(seat);
                match scene.healing {
                    true => self.called(scene, (*seat, starts), *op),
                    false => None,
                }
            }
            Fact::Launched { seat, .. } => {
                self.starting.insert(*seat);
                None
            }
            Fact::Healed | Fact::Crashed { .. } | Fact::Leaving { .. } | Fact::Ended { .. } => {
                self.unquiet(scene.now)
            }
            Fact::Said { event, .. } => match **event {
                Event::DiscoveryTaken { .. } | Event::WorkerDemoted { .. } => {
                    self.unquiet(scene.now)
                }
                // Where listings are refused, ends of shards wait long for their turns to list.
                Event::CallFailed {
                    action: "DescribeStream",
                    kind: FailureKind::Throttled,
                    ..
                } => self.unquiet(scene.now),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Budgets {
    /// Another worker may come into office, and the one before may finish what it began.
    fn unquiet(&mut self, now: Time) -> Option<String> {
        self.quiet_since = now;
        self.discovered.clear();
        None
    }

    fn called(
        &mut self,
        scene: &Scene<'_>,
        (seat, starts): (usize, bool),
        op: Op,
    ) -> Option<String> {
        let now = scene.now;
        self.listings.push_back((now, seat));
        let old = |(at, _): &(Time, usize)| at + WINDOW <= now;
        while self.listings.front().is_some_and(old) {
            self.listings.pop_front();
        }
        if op == Op::Children {
            self.confirmed.insert(seat, now);
        }
        let all = self.listings.len();
        if all > MOST {
            return Some(format!("{all} listings within {} s", WINDOW / SECOND));
        }
        if self.quiet_since + MINUTE > now {
            return None;
        }
        let recent = |(at, who): &&(Time, usize)| *who == seat && at + SECOND > now;
        let own = self.listings.iter().filter(recent).count();
        if own > MOST_OF_ONE {
            return Some(format!("w{seat} made {own} listings within a second"));
        }
        (op == Op::ListShards && !starts)
            .then(|| self.discovers(scene, seat))
            .flatten()
    }

    /// Lists a worker the stream, for no shard's sake, that another one lists?
    fn discovers(&mut self, scene: &Scene<'_>, seat: usize) -> Option<String> {
        let now = scene.now;
        let confirmed = self.confirmed.get(&seat);
        if confirmed.is_some_and(|at| at + CONFIRMS_WITHIN > now) {
            return None;
        }
        let interval = millis(scene.scenario.settings.discovery_interval);
        self.discovered.insert(seat, now);
        let recent = |(who, at): &(&usize, &Time)| **who != seat && **at + interval > now;
        let other = self.discovered.iter().find(recent).map(|(who, _)| *who)?;
        Some(format!("w{seat} lists the stream, and so does w{other}"))
    }
}
