//! The discoverer: lists the stream, leases what nobody covers, forgets what is over: `shard_discovery.rs`.

use std::collections::BTreeMap;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::lease::{NewLease, column};
use shardkeeper_core::lineage::{Leases, Shard, forgettable, uncovered};
use shardkeeper_core::membership::GroupRow;
use shardkeeper_core::row::Write;

use crate::cast::{Branch, stream};
use crate::ledger::Rules;
use crate::plant::{Plant, unconditional};
use crate::state::{Listing, State};
use crate::wire::{Sent, Wire};

impl State {
    /// Becomes the discoverer when there is none. False when there is.
    pub(crate) fn lead(&mut self, rules: Rules<'_>, worker: usize) -> bool {
        let Some(group) = self.table.group().cloned() else {
            return false;
        };
        let me = self.workers[worker].id.clone();
        let ours = group.discoverer.as_ref() == Some(&me);
        // Joining and burying keep the members; here they are the workers that are not found over.
        let members = self.table.workers().map(|row| row.id.clone()).collect();
        let group = GroupRow { members, ..group };
        if ours || !group.is_leaderless(|id| self.fate(rules, worker, id)) {
            return false;
        }
        let lead = group.lead(&me);
        self.land(rules, &[lead], None)
    }

    /// Begins a round that takes its time.
    pub(crate) fn list_slowly(&mut self, worker: usize) -> bool {
        let begun = self.list(worker);
        if begun {
            self.budget.slow_reads -= 1;
        }
        begun
    }

    /// Begins a round: the term, then a listing of the stream.
    fn list(&mut self, worker: usize) -> bool {
        let me = &self.workers[worker].id;
        let group = self.table.group();
        let group = group.filter(|group| group.discoverer.as_ref() == Some(me));
        let Some(term) = group.map(|group| group.term) else {
            return false;
        };
        self.workers[worker].listing = Some(Listing {
            shown: self.shown,
            term,
        });
        true
    }

    /// Ends the round, or makes a whole one: reads the leases, and writes what follows. False when nothing does.
    pub(crate) fn discover(&mut self, rules: Rules<'_>, worker: usize, wire: Wire) -> bool {
        if self.workers[worker].listing.is_none() {
            self.list(worker);
        }
        let Some(listing) = self.workers[worker].listing.take() else {
            return false;
        };
        let Some(group) = self.table.group().cloned() else {
            return false;
        };
        let group = GroupRow {
            term: listing.term,
            ..group
        };
        let shown = Branch::ALL.into_iter();
        let listed: BTreeMap<ShardId, Shard> = shown
            .filter(|branch| listing.shown[branch.index()])
            .map(|branch| (branch.shard().clone(), branch.listed()))
            .collect();
        let tree = self.table.tree();
        let write_id = self.fresh();
        let mut writes = self.creations(rules, worker, (&group, &listed, &tree), &write_id);
        if writes.is_empty() {
            writes = self.deletions(rules, worker, (&group, &listed, &tree));
        }
        if writes.is_empty() {
            return wire == Wire::Answered;
        }
        let sent = Sent {
            writes,
            write_id,
            by: None,
        };
        self.send(rules, sent, wire);
        true
    }

    fn creations(
        &self,
        rules: Rules<'_>,
        worker: usize,
        (group, listed, tree): (&GroupRow, &BTreeMap<ShardId, Shard>, &Leases),
        write_id: &str,
    ) -> Vec<Write> {
        let me = &self.workers[worker].id;
        let mut shards: Vec<Shard> = uncovered(listed, tree)
            .into_iter()
            .map(|found| found.shard)
            .collect();
        if rules.planted(Plant::FinishedParentCovers) {
            shards.retain(|shard| {
                shard
                    .parent
                    .as_ref()
                    .is_none_or(|id| !tree.contains_key(id))
            });
        }
        if rules.planted(Plant::AbsentParentIsFinished) {
            let absent = |id| !tree.contains_key(id);
            let orphaned = listed
                .values()
                .filter(|shard| shard.parent.as_ref().is_some_and(absent) && absent(&shard.id));
            let orphaned: Vec<Shard> = orphaned.cloned().collect();
            // In a transaction before their parent's, as a long listing is created in several.
            if !orphaned.is_empty() {
                shards = orphaned;
            }
        }
        if shards.is_empty() {
            return Vec::new();
        }
        let floor = if rules.planted(Plant::NoFloor) {
            0
        } else {
            group.epoch_floor
        };
        let announce = announce(rules, GroupRow::announce_in_term(me, group.term));
        let creations = shards.into_iter().map(|shard| {
            let new = NewLease {
                stream: stream().clone(),
                shard: shard.id,
                parent: shard.parent,
                checkpoint: Checkpoint::TrimHorizon,
                epoch: floor + 1,
                stopped: None,
            };
            new.create(None, write_id)
        });
        std::iter::once(announce).chain(creations).collect()
    }

    fn deletions(
        &self,
        rules: Rules<'_>,
        worker: usize,
        (group, listed, tree): (&GroupRow, &BTreeMap<ShardId, Shard>, &Leases),
    ) -> Vec<Write> {
        let me = &self.workers[worker].id;
        let Some(lease) = forgettable(listed, tree, false).into_iter().next() else {
            return Vec::new();
        };
        let raise = announce(rules, group.raise_floor(me, lease.epoch));
        let mut forget = lease.forget();
        if rules.planted(Plant::DeleteUnconditional) {
            forget = unconditional(forget, &[column::OWNER, column::EPOCH, column::CHECKPOINT]);
        }
        vec![raise, forget]
    }
}

fn announce(rules: Rules<'_>, write: Write) -> Write {
    if rules.planted(Plant::NoTerm) {
        return unconditional(write, &["discoverer", "term"]);
    }
    write
}
