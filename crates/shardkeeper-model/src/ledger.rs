//! What every applied write is held against: the invariants that speak of a step, not of a state.

use shardkeeper_core::lease::Lease;
use shardkeeper_core::membership::WorkerState;
use shardkeeper_core::row::Write;

use crate::cast::{Branch, records_before};
use crate::plant::Plant;
use crate::scenario::Scenario;
use crate::state::{Broken, State, Tenure};
use crate::table::Table;

impl State {
    /// The table gets these writes; true when it applies them. `by` is the tenure of an owner's write.
    pub(crate) fn land(&mut self, rules: Rules<'_>, writes: &[Write], by: Option<&Tenure>) -> bool {
        if !self.table.allows(writes) {
            return false;
        }
        let before = self.table.clone();
        self.table.apply(writes);
        if let Some(by) = by {
            let row = before.lease(by.branch);
            if row.is_none_or(|row| row.owner.as_ref() != Some(&by.owner) || row.epoch != by.epoch)
            {
                self.breaks(Broken::AfterLoss);
            }
        }
        for branch in Branch::ALL {
            let after = self.table.lease(branch).cloned();
            match (before.lease(branch), after) {
                (Some(before), Some(after)) => self.changed(rules, branch, before, &after),
                (Some(before), None) => self.deleted(branch, before),
                (None, Some(after)) => self.created(rules, branch, &after),
                (None, None) => {}
            }
        }
        self.verdicts_are_final(&before);
        true
    }

    fn changed(&mut self, rules: Rules<'_>, branch: Branch, before: &Lease, after: &Lease) {
        if after.epoch < before.epoch {
            self.breaks(Broken::Epoch);
        }
        if !after.checkpoint.may_follow(&before.checkpoint) {
            self.breaks(Broken::Left);
        }
        if records_before(&after.checkpoint) > self.past.processed[branch.index()] {
            self.breaks(Broken::Ahead);
        }
        if after.owner != before.owner {
            self.owned(branch, after);
            if after.next_owner.is_some() && rules.plant != Some(Plant::ForceOldRequest) {
                self.breaks(Broken::Request);
            }
        }
        if after.is_finished() && !before.is_finished() {
            self.ended(rules, branch, after);
        }
    }

    /// Every tenure has an epoch of its own.
    fn owned(&mut self, branch: Branch, after: &Lease) {
        if after.owner.is_none() {
            return;
        }
        if after.epoch <= self.past.highest[branch.index()] {
            self.breaks(Broken::Epoch);
        }
        self.past.highest[branch.index()] = after.epoch;
    }

    /// The children that the end knew of are durable. One that was listed since it was written is not its business, and
    /// it may land late: coverage finds that one (hole 11), or it is stuck.
    fn ended(&mut self, rules: Rules<'_>, branch: Branch, after: &Lease) {
        self.past.ended[branch.index()] = true;
        let drained = self.past.processed[branch.index()] == rules.scenario.records_of(branch);
        let children = Branch::CHILDREN.into_iter();
        let mut children = children.filter(|child| after.children.contains(child.shard()));
        let durable = children.all(|child| self.table.lease(child).is_some());
        if !(rules.scenario.ends(branch) && drained && durable) {
            self.breaks(Broken::End);
        }
    }

    fn created(&mut self, rules: Rules<'_>, branch: Branch, after: &Lease) {
        self.owned(branch, after);
        if self.past.forgotten[branch.index()] && rules.scenario.budget.flaps == 0 {
            self.breaks(Broken::Tree);
        }
        self.past.forgotten[branch.index()] = false;
    }

    fn deleted(&mut self, branch: Branch, before: &Lease) {
        self.past.forgotten[branch.index()] = true;
        let children = Branch::CHILDREN.into_iter();
        let mut children = children.filter(|child| child.parent() == Some(branch));
        let safe = children.all(|child| {
            let lease = self.table.lease(child);
            lease.is_some_and(|lease| !lease.checkpoint.is_start())
        });
        if !before.is_finished() || !safe {
            self.breaks(Broken::Tree);
        }
    }

    fn verdicts_are_final(&mut self, before: &Table) {
        let mut left = before
            .workers()
            .filter(|row| row.state == WorkerState::Left);
        let revived = left.any(|row| {
            let after = self.table.worker(&row.id);
            after.is_some_and(|after| after.state != WorkerState::Left)
        });
        if revived {
            self.breaks(Broken::AfterLoss);
        }
    }
}

/// Under which rules a step is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) plant: Option<Plant>,
}

impl Rules<'_> {
    pub(crate) fn planted(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }
}
