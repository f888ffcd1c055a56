//! What a worker does with a sweep of the table: the order of `lease_keeper/sweeping.rs`, the decisions of the core.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shardkeeper_core::balance::{self, Claim, Limits, View};
use shardkeeper_core::custody::{Moments, asker, is_lost, is_to_adopt};
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{Departure, Lease, Sighting, column};
use shardkeeper_core::lineage;
use shardkeeper_core::membership::{Fate, ReadAt, WorkerRow, WorkerState};

use crate::cast::{Branch, at, records_before};
use crate::ledger::Rules;
use crate::plant::{Plant, without_effects};
use crate::state::{Broken, Reading, State, Task};
use crate::table::Table;
use crate::wire::{Sent, Wire};

impl State {
    /// A sweep that is answered at once.
    pub(crate) fn sweep(&mut self, rules: Rules<'_>, worker: usize, wire: Wire) -> bool {
        let reading = Reading {
            sent: self.now,
            table: self.table.clone(),
        };
        self.swept(rules, worker, &reading, wire)
    }

    /// Acts on a sweep. False when `wire` had nothing to carry: the step is another one's.
    pub(crate) fn swept(
        &mut self,
        rules: Rules<'_>,
        worker: usize,
        reading: &Reading,
        wire: Wire,
    ) -> bool {
        self.judge(rules, worker, reading);
        self.serve_requests(rules, worker, &reading.table);
        self.notice_losses(worker, reading);
        self.adopt(rules, worker, reading);
        for touched in &mut self.workers[worker].touched {
            *touched = touched.filter(|touched| *touched >= reading.sent);
        }
        let claims = self.plan(rules, worker, &reading.table);
        let any = !claims.is_empty();
        for (index, lease) in claims.iter().enumerate() {
            // One mishap a step.
            let wire = if index == 0 { wire } else { Wire::Answered };
            self.take(rules, worker, lease, wire);
        }
        any || wire == Wire::Answered
    }

    /// Who of all that are named anywhere is alive?
    fn judge(&mut self, rules: Rules<'_>, worker: usize, reading: &Reading) {
        let table = &reading.table;
        let named = table
            .leases()
            .flat_map(|(_, lease)| lease.owner.iter().chain(&lease.next_owner));
        let rows = table.workers().map(|row| &row.id);
        let all: BTreeSet<WorkerId> = named.chain(rows).cloned().collect();
        let own = at(rules.scenario.duration(worker));
        let sent = if rules.planted(Plant::CachedVerdict) {
            self.now
        } else {
            reading.sent
        };
        let read = ReadAt {
            sent: at(sent),
            received: at(self.now),
        };
        let me = &mut self.workers[worker];
        let watch = Arc::make_mut(&mut me.watch);
        for id in all.iter().filter(|id| **id != me.id) {
            let row = table.worker(id).cloned();
            let row = row.map(|row| WorkerRow {
                lease_duration: if rules.planted(Plant::OwnDuration) {
                    own
                } else {
                    row.lease_duration
                },
                ..row
            });
            watch.observe(id, row.as_ref(), read, own);
        }
        watch.keep_only(&all);
    }

    /// What the worker thinks of another.
    pub(crate) fn fate(&self, rules: Rules<'_>, worker: usize, id: &WorkerId) -> Fate {
        if rules.planted(Plant::AbsentIsOver) && !self.table.has_worker(id) {
            return Fate::Left;
        }
        self.workers[worker].watch.fate(id)
    }

    fn serve_requests(&mut self, rules: Rules<'_>, worker: usize, table: &Table) {
        for branch in Branch::ALL {
            let Some(row) = table.lease(branch) else {
                continue;
            };
            let me = &self.workers[worker];
            let fate = |id: &WorkerId| self.fate(rules, worker, id);
            let to = asker(row, &me.id, fate).cloned();
            if let (Some(to), Some(task)) = (to, &mut self.workers[worker].tasks[branch.index()])
                && task.order.is_none()
            {
                task.order = Some(Departure::To(to));
            }
        }
    }

    fn moments(&self, worker: usize, branch: Branch, sent: u64) -> Moments {
        Moments {
            touched: self.workers[worker].touched[branch.index()].map(at),
            sent: at(sent),
        }
    }

    fn notice_losses(&mut self, worker: usize, reading: &Reading) {
        for branch in Branch::ALL {
            let moments = self.moments(worker, branch, reading.sent);
            let me = &mut self.workers[worker];
            // A write under way finds out by itself.
            let idle = me.tasks[branch.index()]
                .as_ref()
                .is_some_and(|task| task.writing.is_none());
            if idle && is_lost(reading.table.lease(branch), &me.id, moments) {
                me.tasks[branch.index()] = None;
                me.touched[branch.index()] = Some(self.now);
            }
        }
    }

    fn adopt(&mut self, rules: Rules<'_>, worker: usize, reading: &Reading) {
        for (branch, lease) in reading.table.leases() {
            let me = &self.workers[worker];
            let moments = self.moments(worker, branch, reading.sent);
            let reads = me.tasks[branch.index()].is_some();
            let planted = rules.planted(Plant::NoAdoption)
                || (!me.takes.is_empty() && !self.wrote(worker, lease));
            if !reads && !planted && is_to_adopt(lease, &me.id, moments) {
                self.start(worker, branch, lease, None);
            }
        }
    }

    /// Begins to read a shard that `lease` says is ours.
    pub(crate) fn start(
        &mut self,
        worker: usize,
        branch: Branch,
        lease: &Lease,
        reached: Option<u8>,
    ) {
        let now = self.now;
        let me = &mut self.workers[worker];
        let Some(held) = lease.held_by(&me.id) else {
            return;
        };
        if me.tasks[branch.index()].is_some() || !lease.is_active() {
            return;
        }
        let reached = reached.unwrap_or_else(|| records_before(&lease.checkpoint));
        me.touched[branch.index()] = Some(now);
        me.tasks[branch.index()] = Some(Task {
            held: Arc::new(held),
            reached,
            order: None,
            writing: None,
        });
        let stored = self
            .table
            .lease(branch)
            .filter(|row| row.epoch == lease.epoch);
        if stored.is_some_and(|row| reached < records_before(&row.checkpoint)) {
            self.breaks(Broken::Again);
        }
    }

    /// The dead whose rows do not say so.
    pub(crate) fn unburied(&self, worker: usize) -> Vec<WorkerId> {
        let watch = &self.workers[worker].watch;
        let rows = self.table.workers();
        let dead =
            rows.filter(|row| row.state != WorkerState::Left && watch.fate(&row.id) == Fate::Dead);
        dead.map(|row| row.id.clone()).collect()
    }

    /// Publishes the verdicts, so that nobody waits for the same death twice.
    pub(crate) fn bury(&mut self, rules: Rules<'_>, worker: usize) {
        let watch = Arc::clone(&self.workers[worker].watch);
        for id in self.unburied(worker) {
            if let Some(judged) = watch.last_beat(&id) {
                let bury = WorkerRow::bury(&id, judged, &self.workers[worker].id);
                self.land(rules, &[bury], None);
            }
        }
    }

    /// The leases that the worker sets out to take. It takes what is free whatever the balance says, and
    /// asks when the scenario says so: the model is about what may happen, not about who should.
    fn plan(&self, rules: Rules<'_>, worker: usize, table: &Table) -> Vec<Lease> {
        let me = &self.workers[worker];
        let free = |lease: &Lease| {
            let over = |id: &WorkerId| self.fate(rules, worker, id).is_over();
            lease.is_active() && lease.owner.as_ref().is_none_or(over)
        };
        if !table.leases().any(|(_, lease)| free(lease)) {
            return Vec::new();
        }
        let tree = table.tree();
        let startable = |lease: &&Lease| lease.is_active() && lineage::may_start(lease, &tree);
        let leases: Vec<Sighting> = table
            .leases()
            .map(|(_, lease)| lease)
            .filter(startable)
            .map(|lease| Sighting {
                lease: lease.clone(),
                first_seen: Duration::ZERO,
            })
            .collect();
        let rows = table.workers().map(|row| &row.id);
        let living: Vec<WorkerId> = rows
            .filter(|id| **id == me.id || self.fate(rules, worker, id) == Fate::Alive)
            .cloned()
            .collect();
        let named = leases
            .iter()
            .flat_map(|seen| seen.lease.owner.iter().chain(&seen.lease.next_owner));
        let over: BTreeSet<WorkerId> = named
            .filter(|id| self.fate(rules, worker, id).is_over())
            .cloned()
            .collect();
        let view = View {
            me: &me.id,
            living: &living,
            leases: &leases,
            over: &over,
            now: at(self.now),
        };
        let limits = Limits {
            max_leases: usize::MAX,
            residency: Duration::ZERO,
            overdue: Duration::ZERO,
            request_pending: true,
        };
        let claims = balance::plan(&view, &limits, &mut || 0);
        let mut keys = claims.into_iter().filter_map(|claim| match claim {
            Claim::Take(key) => Some(key),
            Claim::Request { .. } => None,
        });
        let found = |key| leases.iter().find(|seen| seen.lease.key == key);
        let mut taken: Vec<Lease> = Vec::new();
        taken.extend(
            keys.by_ref()
                .filter_map(found)
                .map(|seen| seen.lease.clone()),
        );
        taken
    }

    /// One attempt to take a lease.
    pub(crate) fn take(&mut self, rules: Rules<'_>, worker: usize, lease: &Lease, wire: Wire) {
        let Some(branch) = Branch::of_key(&lease.key) else {
            return;
        };
        let write_id = self.fresh();
        let me = &mut self.workers[worker];
        if rules.planted(Plant::ForceMineByWriteId) {
            me.takes.push(write_id.clone());
        }
        let mut write = lease.take(&me.id, &write_id);
        if rules.planted(Plant::TakeWithoutEpoch) {
            write = without_effects(write, &[column::EPOCH]);
        }
        if rules.planted(Plant::ForceOldRequest) {
            write = without_effects(write, &[column::NEXT_OWNER, column::REQUEST_ID]);
        }
        let sent = Sent {
            writes: vec![write],
            write_id,
            by: None,
        };
        if self.send(rules, sent, wire) != Some(true) {
            return;
        }
        let Some(row) = self.table.lease(branch).cloned() else {
            return;
        };
        let read = rules.planted(Plant::StartFromRead);
        let reached = read.then(|| records_before(&lease.checkpoint));
        self.start(worker, branch, &row, reached);
    }
}
