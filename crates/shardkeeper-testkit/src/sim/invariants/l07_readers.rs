//! L7, too: in quiet times a shard has one reader, and one more for each worker that has just taken it up, and the streams of
//! the table are listed five times a second at most.

use std::collections::{BTreeMap, VecDeque};

use shardkeeper_core::event::Event;

use super::Judge;
use crate::sim::ground::{SECOND, Time};
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::{Op, ShardNo};

/// So many in a second by all, and one that comes early.
const MOST_LISTINGS: usize = 5 + 1;
/// A machine that stood still wakes up in the middle of a call, and sees a little later what it has lost.
const WAKES_UP_IN: Time = 5 * SECOND;
/// Whoever reads a shard that is another one's by now is to have seen that; a call that was under way is over.
const CHANGES_HANDS_IN: Time = 15 * SECOND;

#[derive(Default)]
pub(super) struct Readers {
    listings: VecDeque<Time>,
    /// When each worker last asked for the records of each shard.
    polled: BTreeMap<ShardNo, BTreeMap<usize, Time>>,
    /// When each shard was taken up of late, and by whom.
    taken: BTreeMap<ShardNo, BTreeMap<usize, Time>>,
    /// When the machine of each worker last went on.
    woke: BTreeMap<usize, Time>,
}

impl Judge for Readers {
    fn name(&self) -> &'static str {
        "L7"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        match fact {
            Fact::Called {
                op: Op::ListStreams,
                ..
            } if scene.healing => self.listed(scene.now),
            Fact::WentOn { seat } => {
                self.woke.insert(*seat, scene.now);
                None
            }
            Fact::Polled { seat, shard } => {
                let woke = self.woke.get(seat).copied().unwrap_or(0);
                if woke + WAKES_UP_IN > scene.now {
                    return None;
                }
                let readers = self.polled.entry(*shard).or_default();
                readers.retain(|_, at| *at + SECOND > scene.now);
                readers.insert(*seat, scene.now);
                let taken = self.taken.entry(*shard).or_default();
                taken.retain(|_, at| *at + CHANGES_HANDS_IN > scene.now);
                let most = 1 + taken.len();
                let too_many = scene.healing && readers.len() > most;
                too_many.then(|| {
                    let readers = readers.keys();
                    format!("shard {shard} is read by the workers {readers:?} at once")
                })
            }
            Fact::Said {
                shard: Some(shard),
                seat,
                event,
            } if matches!(**event, Event::LeaseAcquired { .. }) => {
                self.taken
                    .entry(*shard)
                    .or_default()
                    .insert(*seat, scene.now);
                None
            }
            _ => None,
        }
    }
}

impl Readers {
    fn listed(&mut self, now: Time) -> Option<String> {
        self.listings.retain(|at| *at + SECOND > now);
        self.listings.push_back(now);
        let count = self.listings.len();
        (count > MOST_LISTINGS)
            .then(|| format!("the streams are listed {count} times within a second"))
    }
}
