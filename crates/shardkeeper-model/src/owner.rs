//! What an owner writes, and how it finds out what became of it: the rounds of `lease_writer.rs`.

use std::sync::Arc;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::lease::{Departure, Lease, NewLease, Resolved, column};
use shardkeeper_core::lineage::child_start;
use shardkeeper_core::membership::WorkerRow;
use shardkeeper_core::row::{RowKey, Write};

use crate::cast::{Branch, behind, stream};
use crate::ledger::Rules;
use crate::plant::{Plant, unconditional, without_effects};
use crate::state::{Broken, Intent, State, Task, Tenure, Writing};
use crate::wire::{Sent, Wire};

/// What a round found out about a write.
enum Found {
    Applied,
    NotApplied,
    Hindered,
    Lost,
}

impl State {
    /// What the task does next, if anything.
    pub(crate) fn intent(&self, rules: Rules<'_>, worker: usize, branch: Branch) -> Option<Intent> {
        let task = self.workers[worker].tasks[branch.index()].as_ref()?;
        if let Some(writing) = &task.writing {
            return Some(writing.intent.clone());
        }
        if let Some(departure) = &task.order {
            return Some(Intent::Depart(departure.clone()));
        }
        let records = rules.scenario.records_of(branch);
        if task.reached < records {
            let may = self.dispatches(worker, branch);
            return may.then_some(Intent::Checkpoint(task.reached + 1));
        }
        rules.scenario.ends(branch).then_some(Intent::End)
    }

    /// One round: finds out about earlier attempts if there are any, then makes another. False when there
    /// is nothing to write.
    pub(crate) fn owner_writes(
        &mut self,
        rules: Rules<'_>,
        worker: usize,
        branch: Branch,
        wire: Wire,
    ) -> bool {
        let Some(intent) = self.intent(rules, worker, branch) else {
            return false;
        };
        let begun = self
            .task(worker, branch)
            .is_some_and(|task| task.writing.is_some());
        if begun {
            let found = self.look(rules, worker, branch, false);
            if self.conclude(rules, worker, branch, found) {
                return wire == Wire::Answered;
            }
        } else if let Some(task) = self.task(worker, branch) {
            task.writing = Some(Writing {
                intent,
                attempts: Vec::new(),
                landed: false,
            });
        }
        self.attempt(rules, worker, branch, wire);
        true
    }

    fn task(&mut self, worker: usize, branch: Branch) -> Option<&mut Task> {
        self.workers[worker].tasks[branch.index()].as_mut()
    }

    fn attempt(&mut self, rules: Rules<'_>, worker: usize, branch: Branch, wire: Wire) {
        let write_id = self.fresh();
        let Some(task) = self.workers[worker].tasks[branch.index()].clone() else {
            return;
        };
        let Some(writing) = &task.writing else { return };
        if let Intent::Checkpoint(reached) = writing.intent {
            // Processed before it is written down, whatever becomes of the write.
            let processed = &mut self.past.processed[branch.index()];
            *processed = (*processed).max(reached);
        }
        let writes = self.writes(rules, &task, branch, &write_id);
        let alone = writes.len() == 1;
        if let Some(writing) = self
            .task(worker, branch)
            .and_then(|task| task.writing.as_mut())
        {
            writing.attempts.push(write_id.clone());
        }
        let by = Tenure {
            owner: task.held.owner().clone(),
            branch,
            epoch: task.held.epoch(),
        };
        let own = writes.first().cloned();
        let sent = Sent {
            writes,
            write_id,
            by: Some(by),
        };
        let answer = self.send(rules, sent, wire);
        if answer == Some(false) && writing.attempts.is_empty() {
            self.notice_disturbance(&task, branch, own.as_ref());
        }
        let found = match answer {
            Some(true) => Found::Applied,
            Some(false) if rules.planted(Plant::RefusedIsLost) => Found::Lost,
            Some(false) if rules.planted(Plant::RefusedIsDone) => Found::Applied,
            Some(false) => self.look(rules, worker, branch, !alone),
            None if rules.planted(Plant::UnansweredIsDone) => Found::Applied,
            None => return,
        };
        self.conclude(rules, worker, branch, found);
    }

    /// The first attempt of a rightful owner is refused by nothing in its own row.
    fn notice_disturbance(&mut self, task: &Task, branch: Branch, own: Option<&Write>) {
        let refused = own.is_some_and(|own| !self.table.allows(std::slice::from_ref(own)));
        let row = self.table.lease(branch);
        let ours = row.is_some_and(|row| {
            row.owner.as_ref() == Some(task.held.owner()) && row.epoch == task.held.epoch()
        });
        if refused && ours {
            self.breaks(Broken::Disturbed);
        }
    }

    fn writes(&self, rules: Rules<'_>, task: &Task, branch: Branch, write_id: &str) -> Vec<Write> {
        let Some(writing) = &task.writing else {
            return Vec::new();
        };
        match &writing.intent {
            Intent::Checkpoint(reached) => {
                let write = task.held.checkpoint(&behind(*reached), write_id);
                vec![match rules.plant {
                    Some(Plant::CheckpointWithoutEpoch) => unconditional(write, &[column::EPOCH]),
                    Some(Plant::CheckpointByOwnerAlone) => {
                        unconditional(write, &[column::EPOCH, column::VERSION])
                    }
                    _ => write,
                }]
            }
            Intent::Depart(departure) => {
                let checkpoint = behind(task.reached);
                let mut write = task.held.depart(&checkpoint, departure, write_id);
                if rules.planted(Plant::ForceOldRequest) {
                    write = without_effects(write, &[column::NEXT_OWNER, column::REQUEST_ID]);
                }
                let target = match departure {
                    Departure::To(next) => Some(WorkerRow::bump_living(next)),
                    Departure::Free | Departure::Stopped { .. } => None,
                };
                std::iter::once(write).chain(target).collect()
            }
            Intent::End => self.end_writes(rules, task, branch, write_id),
        }
    }

    fn end_writes(
        &self,
        rules: Rules<'_>,
        task: &Task,
        branch: Branch,
        write_id: &str,
    ) -> Vec<Write> {
        let children = Branch::CHILDREN.into_iter();
        let children: Vec<Branch> = children
            .filter(|child| child.parent() == Some(branch) && self.shown[child.index()])
            .collect();
        let exists = |child: &Branch| {
            self.table.lease(*child).is_some() && !rules.planted(Plant::EndCreatesAll)
        };
        let (existing, absent): (Vec<Branch>, Vec<Branch>) =
            children.iter().copied().partition(exists);
        let checkpoint = child_start(&Checkpoint::TrimHorizon);
        let absent: Vec<NewLease> = absent
            .into_iter()
            .map(|child| NewLease {
                stream: stream().clone(),
                shard: child.shard().clone(),
                parent: Some(branch.shard().clone()),
                checkpoint,
                epoch: task.held.epoch().saturating_add(1),
                stopped: None,
            })
            .collect();
        let existing: Vec<RowKey> = existing.iter().map(|child| child.key().clone()).collect();
        let names: Vec<ShardId> = children.iter().map(|child| child.shard().clone()).collect();
        task.held.end(&absent, &existing, &names, write_id)
    }

    /// Reads the row, consistently, and resolves the attempts by it.
    fn look(
        &mut self,
        rules: Rules<'_>,
        worker: usize,
        branch: Branch,
        others_refused: bool,
    ) -> Found {
        let row = self.table.lease(branch).cloned();
        let Some(task) = self.task(worker, branch) else {
            return Found::Lost;
        };
        let Some(writing) = &task.writing else {
            return Found::Lost;
        };
        let unmoved =
            |row: &Lease| row.held_by(task.held.owner()).as_ref() == Some(task.held.as_ref());
        match (task.held.resolve(&writing.attempts, row.as_ref()), row) {
            (Resolved::Applied, _) => Found::Applied,
            (Resolved::NotApplied, Some(row)) if others_refused && unmoved(&row) => Found::Hindered,
            (Resolved::NotApplied, Some(row)) => {
                if rules.planted(Plant::RefusedIsLost) {
                    return Found::Lost;
                }
                if let Some(held) = row.held_by(task.held.owner()) {
                    task.held = Arc::new(held);
                }
                Found::NotApplied
            }
            _ => Found::Lost,
        }
    }

    /// Acts on what was found. True when the write is over.
    fn conclude(&mut self, _: Rules<'_>, worker: usize, branch: Branch, found: Found) -> bool {
        let row = self.table.lease(branch).cloned();
        let Some(task) = self.task(worker, branch) else {
            return true;
        };
        let Some(writing) = task.writing.clone() else {
            return true;
        };
        let (owner, epoch) = (task.held.owner().clone(), task.held.epoch());
        match found {
            Found::NotApplied => return false,
            Found::Hindered => {
                if let Some(writing) = &mut task.writing {
                    writing.intent = Intent::Depart(Departure::Free);
                }
                return false;
            }
            Found::Applied if !writing.landed => self.breaks(Broken::Guess),
            Found::Lost => {
                let ours = |row: &Lease| row.owner.as_ref() == Some(&owner) && row.epoch == epoch;
                if row.as_ref().is_some_and(ours) {
                    self.breaks(Broken::Guess);
                }
            }
            Found::Applied => {}
        }
        self.over(worker, branch, &found, row);
        true
    }

    fn over(&mut self, worker: usize, branch: Branch, found: &Found, row: Option<Lease>) {
        let now = self.now;
        let Some(task) = self.task(worker, branch) else {
            return;
        };
        let writing = task.writing.take();
        match (found, writing.map(|writing| writing.intent)) {
            (Found::Applied, Some(Intent::Checkpoint(reached))) => {
                task.reached = reached;
                let held = row.and_then(|row| row.held_by(task.held.owner()));
                if let Some(held) = held {
                    task.held = Arc::new(held);
                }
            }
            (_, intent) => {
                let ended = matches!((found, intent), (Found::Applied, Some(Intent::End)));
                let order = task.order.clone();
                self.workers[worker].tasks[branch.index()] = None;
                self.workers[worker].touched[branch.index()] = Some(now);
                if ended {
                    self.begin_children(worker, order);
                }
            }
        }
    }

    /// The children are born owned; they are read back before they are begun.
    fn begin_children(&mut self, worker: usize, order: Option<Departure>) {
        for child in Branch::CHILDREN {
            if let Some(lease) = self.table.lease(child).cloned() {
                self.start(worker, child, &lease, None);
                if let Some(task) = self.task(worker, child) {
                    task.order.clone_from(&order);
                }
            }
        }
    }
}
