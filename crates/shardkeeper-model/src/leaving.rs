//! How a worker leaves in order, or does not: `lease_keeper/leaving.rs`.

use shardkeeper_core::lease::Departure;
use shardkeeper_core::membership::{Fate, WorkerState};

use crate::cast::Branch;
use crate::ledger::Rules;
use crate::plant::Plant;
use crate::state::{Life, State};

impl State {
    /// To whom a worker could hand over: anybody who lives; nobody only when nobody does.
    pub(crate) fn heirs(&self, rules: Rules<'_>, worker: usize) -> Vec<Departure> {
        let me = &self.workers[worker].id;
        let rows = self.table.workers().map(|row| &row.id);
        let living = rows.filter(|id| {
            *id != me
                && self.workers[worker].watch.first_seen(id).is_some()
                && self.fate(rules, worker, id) == Fate::Alive
        });
        let mut heirs: Vec<Departure> = living.cloned().map(Departure::To).collect();
        if heirs.is_empty() {
            heirs.push(Departure::Free);
        }
        heirs
    }

    /// The worker is told to leave, and its shards with it.
    pub(crate) fn leave(&mut self, worker: usize, heir: Departure) {
        self.budget.leaves -= 1;
        let me = &mut self.workers[worker];
        me.life = Life::Leaving;
        me.reading = None;
        for task in me.tasks.iter_mut().flatten() {
            task.order.get_or_insert_with(|| heir.clone());
        }
        me.heir = heir;
    }

    /// Nothing is left to hand over, as far as it knows: looks whether a row still names it.
    pub(crate) fn look_back(&mut self, worker: usize) {
        let heir = self.workers[worker].heir.clone();
        let mut ours = false;
        for branch in Branch::ALL {
            let Some(lease) = self.table.lease(branch).cloned() else {
                continue;
            };
            if lease.owner.as_ref() != Some(&self.workers[worker].id) {
                continue;
            }
            ours = true;
            self.start(worker, branch, &lease, None);
            if let Some(task) = &mut self.workers[worker].tasks[branch.index()] {
                task.order = Some(heir.clone());
            }
        }
        if !ours {
            self.workers[worker].life = Life::Parting;
        }
    }

    /// The time for leaving is over.
    pub(crate) fn deadline(&mut self, rules: Rules<'_>, worker: usize) {
        if !rules.planted(Plant::LeftAtDeadline) {
            return self.workers[worker].end();
        }
        let me = &self.workers[worker];
        let left = shardkeeper_core::membership::WorkerRow::beat(
            &me.id,
            WorkerState::Left,
            0,
            &me.acknowledged,
            "left",
        );
        self.land(rules, &[left], None);
    }
}
