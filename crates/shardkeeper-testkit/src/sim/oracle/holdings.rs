//! What every worker has in its hands: leases by its own word, and the pages that came and are not processed.

use std::collections::{BTreeMap, BTreeSet};

use shardkeeper_core::event::{Event, LossCause};

use super::fact::Fact;
use crate::sim::ground::Time;
use crate::sim::world::ShardNo;

/// How a batch comes back with which nothing is wrong.
pub(crate) const DONE: &str = "did it";

/// How a record comes back of which the processor kept the acknowledgement.
pub(crate) const LATER: &str = "acknowledged later";

/// The leases and pages of all workers.
#[derive(Default)]
pub(crate) struct Holdings {
    of: BTreeMap<(usize, ShardNo), Holding>,
    /// What each living worker calls itself.
    names: BTreeMap<usize, String>,
    /// Machines stand still until then, or went on then.
    halts: BTreeMap<usize, Time>,
}

/// A lease in a worker's hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) epoch: u64,
    /// When it was taken up.
    pub(crate) since: Time,
    /// When the worker last asked for records.
    pub(crate) polled: Time,
    /// When a page came, a batch was begun, or one came back.
    pub(crate) touched: Time,
    /// Pages of which not everything is acknowledged.
    pub(crate) pages: Vec<Paper>,
    /// Behind the last record that was given to the processor.
    pub(crate) begun: usize,
    /// The last record of the batch that is with the processor, though all of it may have been acknowledged before.
    pub(crate) in_work: Option<usize>,
}

/// A page in somebody's hand: the places of its records, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paper {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) bytes: u64,
}

impl Holding {
    /// How many pages wait for the processor.
    pub(crate) fn unbegun(&self) -> usize {
        let waits = |page: &&Paper| page.from >= self.begun;
        self.pages.iter().filter(waits).count()
    }

    /// A batch is with the processor, or is to be given to it again.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_work.is_some() || self.pages.iter().any(|page| page.from < self.begun)
    }
}

impl Holdings {
    /// What of a shard is in the hand of a worker.
    pub(crate) fn of(&self, seat: usize, shard: ShardNo) -> Option<&Holding> {
        self.of.get(&(seat, shard))
    }

    /// The shards in the hand of a worker.
    pub(crate) fn shards_of(&self, seat: usize) -> Vec<ShardNo> {
        let own = self.of.range((seat, 0)..(seat + 1, 0));
        own.map(|((_, shard), _)| *shard).collect()
    }

    /// Everything that is in the hands of workers whose machines do not stand still, and since when it could be.
    pub(crate) fn awake(
        &self,
        now: Time,
    ) -> impl Iterator<Item = ((usize, ShardNo), &Holding, Time)> {
        self.of.iter().filter_map(move |(key, holding)| {
            let halt = self.halts.get(&key.0).copied().unwrap_or(0);
            (halt <= now).then_some((*key, holding, holding.since.max(halt)))
        })
    }

    /// The size of all pages in the hands of a worker.
    pub(crate) fn bytes_of(&self, seat: usize) -> u64 {
        let own = self.of.range((seat, 0)..(seat + 1, 0));
        own.flat_map(|(_, holding)| &holding.pages)
            .map(|page| page.bytes)
            .sum()
    }

    /// The workers that are members by their own word and whose machines do not stand still.
    pub(crate) fn awake_workers(&self, now: Time) -> BTreeSet<usize> {
        let awake = |seat: &&usize| self.halts.get(*seat).copied().unwrap_or(0) <= now;
        self.names.keys().filter(awake).copied().collect()
    }

    /// Somebody who lives calls itself so.
    pub(crate) fn lives(&self, name: &str) -> bool {
        self.names.values().any(|living| living == name)
    }

    pub(super) fn take_in(&mut self, now: Time, fact: &Fact) {
        match fact {
            Fact::Polled { seat, shard } => {
                if let Some(holding) = self.of.get_mut(&(*seat, *shard)) {
                    holding.polled = now;
                }
            }
            Fact::PageCame { seat, shard, page } => {
                if let Some(holding) = self.of.get_mut(&(*seat, *shard)) {
                    holding.touched = now;
                    holding.pages.push(*page);
                }
            }
            Fact::Dispatched(dispatch) => {
                if let Some(holding) = self.of.get_mut(&(dispatch.seat, dispatch.shard)) {
                    let last = dispatch.places.iter().flatten().last();
                    holding.touched = now;
                    holding.begun = holding.begun.max(last.map_or(0, |last| last + 1));
                    holding.in_work = last.copied();
                }
            }
            Fact::Returned {
                seat,
                shard,
                acked,
                how,
                ..
            } => {
                if let Some(holding) = self.of.get_mut(&(*seat, *shard)) {
                    let goes_on = |last: &usize| *how == LATER && !acked.contains(last);
                    holding.in_work = holding.in_work.filter(goes_on);
                }
            }
            Fact::Halted { seat, long, .. } => {
                self.halts.insert(*seat, now + long);
            }
            Fact::WentOn { seat } => {
                self.halts.insert(*seat, now);
            }
            Fact::Crashed { seat } | Fact::Ended { seat, .. } | Fact::Launched { seat, .. } => {
                self.names.remove(seat);
                self.halts.remove(seat);
                self.drop_all(*seat);
            }
            Fact::Leaving { seat } => self.drop_all(*seat),
            Fact::Said { seat, shard, event } => self.said(now, *seat, *shard, event),
            _ => {}
        }
    }

    fn said(&mut self, now: Time, seat: usize, shard: Option<ShardNo>, event: &Event) {
        match (event, shard) {
            (Event::WorkerJoined { worker }, _) => {
                self.names.insert(seat, worker.to_string());
                self.drop_all(seat);
            }
            (Event::WorkerDemoted { .. } | Event::WorkerLeft { .. }, _) => {
                self.names.remove(&seat);
                self.drop_all(seat);
            }
            (Event::LeaseAcquired { epoch, .. }, Some(shard)) => {
                let holding = Holding {
                    epoch: *epoch,
                    since: now,
                    polled: now,
                    touched: now,
                    pages: Vec::new(),
                    begun: 0,
                    in_work: None,
                };
                self.of.insert((seat, shard), holding);
            }
            (
                Event::LeaseReleased { .. }
                | Event::LeaseLost { .. }
                | Event::ShardBlocked { .. }
                | Event::ShardEnded { .. }
                | Event::ShardStopped { .. },
                Some(shard),
            ) => {
                self.of.remove(&(seat, shard));
            }
            // It reads again from the oldest record that was given up.
            (Event::DeferralDropped { .. }, Some(shard)) => self.reads_again(now, (seat, shard)),
            // It reads again from the oldest record that is left, also what it had of those behind the gap.
            (Event::DataLost(loss), Some(shard)) if loss.why == LossCause::Trimmed => {
                self.reads_again(now, (seat, shard));
            }
            _ => {}
        }
    }

    fn reads_again(&mut self, now: Time, of: (usize, ShardNo)) {
        if let Some(holding) = self.of.get_mut(&of) {
            holding.pages.clear();
            (holding.begun, holding.in_work, holding.touched) = (0, None, now);
        }
    }

    /// Throws pages away in which everything is `done`, as seen under the epoch that is given to it.
    pub(super) fn settle(
        &mut self,
        (seat, shard): (usize, ShardNo),
        now: Time,
        done: impl Fn(u64, usize) -> bool,
    ) {
        if let Some(holding) = self.of.get_mut(&(seat, shard)) {
            let epoch = holding.epoch;
            holding.touched = now;
            let open = |page: &Paper| !(page.from..page.to).all(|place| done(epoch, place));
            holding.pages.retain(open);
        }
    }

    fn drop_all(&mut self, seat: usize) {
        self.of.retain(|(holder, _), _| *holder != seat);
    }
}
