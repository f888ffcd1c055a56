//! Which states are the same: all that differs by a shift of time, of an epoch or of a version, or by names.
//!
//! The protocol compares times only with each other, epochs and versions only with those of the same lease, and
//! names only for equality. So a state is written down relative to now, to the rows, and with names numbered in
//! the order in which they are met; and what can no longer matter is left out. That makes the space finite.

use std::hash::{Hash, Hasher};

use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{Departure, Held};
use shardkeeper_core::membership::{Fate, WorkerRow, WorkerState};
use shardkeeper_core::row::{Condition, Effect, Value, Write};

use crate::cast::{Branch, records_before};
use crate::state::{Intent, Life, State, Task, Worker, Writing};
use crate::table::Table;

/// Beyond so many lease durations no age makes a difference.
const AGES: u64 = 2;

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write(&self.canonical(true));
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.canonical(true) == other.canonical(true)
    }
}

impl State {
    /// The state written down; `budget` says whether what may still go wrong is part of it.
    pub(crate) fn canonical(&self, budget: bool) -> Vec<u8> {
        let mut pen = Pen {
            state: self,
            order: self.order(),
            names: Vec::with_capacity(32),
            out: Vec::with_capacity(384),
        };
        for index in pen.order.clone() {
            pen.name(self.workers[index].id.as_str());
        }
        pen.table(&self.table);
        for index in pen.order.clone() {
            pen.worker(index);
        }
        for stray in &self.strays {
            pen.mark(250);
            for write in &stray.writes {
                pen.write(write);
            }
            pen.name(&stray.write_id);
        }
        pen.past();
        if budget {
            pen.budget();
        }
        pen.out
    }

    /// Workers of one kind can be exchanged: those that differ at a glance are put in order.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.workers.len()).collect();
        if self.alike {
            order.sort_by_cached_key(|index| self.workers[*index].glance(self.now));
        }
        order
    }
}

impl Worker {
    /// What can be seen of a worker without its names.
    fn glance(&self, now: u64) -> (Life, u64, [bool; 3], usize, [bool; 4]) {
        let pending = [
            self.beating.is_some(),
            self.reading.is_some(),
            self.asked.is_some(),
            self.hung.is_some(),
        ];
        let reads = [0, 1, 2].map(|at: usize| self.tasks[at].is_some());
        let left = self.until.saturating_sub(now);
        (self.life, left, reads, self.unresolved.len(), pending)
    }
}

struct Pen<'a> {
    state: &'a State,
    /// In which order the workers are written down.
    order: Vec<usize>,
    names: Vec<&'a str>,
    out: Vec<u8>,
}

impl<'a> Pen<'a> {
    fn mark(&mut self, byte: u8) {
        self.out.push(byte);
    }

    fn flag(&mut self, flag: bool) {
        self.out.push(u8::from(flag));
    }

    fn number(&mut self, number: u64) {
        self.out.push(u8::try_from(number).unwrap_or(u8::MAX));
    }

    /// A number beside the row's, which only rises: what is behind it never matches again.
    fn beside(&mut self, number: u64, row: u64) {
        match number.checked_sub(row) {
            Some(ahead) => self.number(ahead),
            None => self.mark(u8::MAX),
        }
    }

    /// A difference, which may be negative.
    fn between(&mut self, a: u64, b: u64) {
        self.out.push(a.wrapping_sub(b).to_le_bytes()[0]);
    }

    fn age(&mut self, since: u64, most: u64) {
        self.number(self.state.now.saturating_sub(since).min(most));
    }

    fn name(&mut self, name: &'a str) {
        let known = self.names.iter().position(|known| *known == name);
        let number = known.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        self.number(number as u64 + 1);
    }

    fn maybe(&mut self, name: Option<&'a str>) {
        match name {
            Some(name) => self.name(name),
            None => self.mark(0),
        }
    }

    fn epoch_of(&self, branch: Branch) -> u64 {
        let lease = self.state.table.lease(branch);
        lease.map_or(self.state.past.highest[branch.index()], |lease| lease.epoch)
    }

    fn term(&self) -> u64 {
        self.state.table.group().map_or(0, |group| group.term)
    }

    fn version_of(&self, branch: Branch) -> u64 {
        let lease = self.state.table.lease(branch);
        lease.map_or(0, |lease| lease.version)
    }

    /// True when somebody would recognise this write id.
    fn is_awaited(&self, write_id: &str) -> bool {
        let tasks = self.state.workers.iter().flat_map(|worker| &worker.tasks);
        let writing = tasks.flatten().filter_map(|task| task.writing.as_ref());
        let mut attempts = writing.flat_map(|writing| &writing.attempts);
        attempts.any(|attempt| attempt == write_id)
    }

    fn table(&mut self, table: &'a Table) {
        for branch in Branch::ALL {
            let Some(lease) = table.lease(branch) else {
                self.mark(0);
                continue;
            };
            self.mark(1);
            self.maybe(lease.owner.as_ref().map(|id| id.as_str()));
            self.maybe(lease.next_owner.as_ref().map(|id| id.as_str()));
            let awaited = lease.write_id.as_deref();
            let awaited = awaited.filter(|id| self.is_awaited(id));
            self.maybe(awaited);
            let request = table.row(branch.key());
            self.maybe(request.and_then(|row| row.text("requestId")));
            self.beside(lease.epoch, self.epoch_of(branch));
            self.beside(lease.version, self.version_of(branch));
            self.flag(lease.is_finished());
            self.mark(records_before(&lease.checkpoint));
            self.number(lease.children.len() as u64);
        }
        let workers = &self.state.workers;
        let current = self.order.iter().map(|index| workers[*index].id.as_str());
        let current: Vec<&str> = current.collect();
        for id in &current {
            let row = table.workers().find(|row| row.id.as_str() == *id);
            self.worker_row(row);
        }
        for row in table.workers() {
            // Nobody waits for those that left long ago.
            let matters = row.state != WorkerState::Left || self.names.contains(&row.id.as_str());
            if matters && !current.contains(&row.id.as_str()) {
                self.name(row.id.as_str());
                self.worker_row(Some(row));
            }
        }
        if let Some(group) = table.group() {
            self.mark(251);
            self.maybe(group.discoverer.as_ref().map(|id| id.as_str()));
            self.beside(group.term, self.term());
            for branch in Branch::ALL {
                self.beside(group.epoch_floor, self.epoch_of(branch));
            }
        }
    }

    fn worker_row(&mut self, row: Option<&'a WorkerRow>) {
        let Some(row) = row else { return self.mark(0) };
        self.mark(1 + row.state as u8);
        self.name(&row.beat_id);
        let reader = self.state.workers.iter().find(|worker| worker.id == row.id);
        // Mail that was delivered is mail no more.
        let unread = reader.is_some_and(|worker| worker.inbox.is_some_and(|seen| seen < row.inbox));
        self.flag(unread);
    }

    fn worker(&mut self, index: usize) {
        let worker = &self.state.workers[index];
        self.mark(worker.life as u8);
        if worker.life == Life::Over {
            return;
        }
        self.number(worker.until.saturating_sub(self.state.now));
        self.name(&worker.acknowledged);
        self.number(worker.unresolved.len() as u64);
        for beat in &worker.unresolved {
            self.name(beat);
        }
        self.calls(worker);
        self.watch(worker);
        for branch in Branch::ALL {
            self.task(branch, worker.tasks[branch.index()].as_ref());
            let touched = worker.touched[branch.index()];
            let matters = |touched: &u64| {
                let sent = worker.reading.as_ref().map(|reading| reading.sent);
                *touched >= sent.unwrap_or(self.state.now)
            };
            match touched.filter(matters) {
                Some(touched) => self.age(touched, 100),
                None => self.mark(101),
            }
        }
        if let Some(asked) = &worker.asked {
            self.mark(252);
            self.mark(asked.branch.index() as u8);
            self.name(&asked.request_id);
            self.age(asked.at, 2);
            self.maybe(asked.beat.as_deref());
        }
        self.departure(Some(&worker.heir));
    }

    fn calls(&mut self, worker: &'a Worker) {
        let duration = self.state.longest;
        if let Some(beat) = &worker.beating {
            self.mark(253);
            self.age(beat.sent, duration);
            self.name(&beat.beat_id);
            self.mark(beat.landed.map_or(2, u8::from));
        }
        if let Some(reading) = &worker.reading {
            self.mark(254);
            self.age(reading.sent, duration);
            self.table(&reading.table);
        }
        if let Some(listing) = &worker.listing {
            self.mark(255);
            listing.shown.iter().for_each(|shown| self.flag(*shown));
            self.beside(listing.term, self.term());
        }
        if let Some(since) = worker.hung {
            self.age(since, AGES * duration + 1);
        }
    }

    fn watch(&mut self, worker: &'a Worker) {
        let duration = self.state.longest;
        let most = duration * if worker.reading.is_some() { AGES } else { 1 };
        for id in self.watched() {
            let Some(first_seen) = worker.watch.first_seen(id) else {
                continue;
            };
            self.name(id.as_str());
            let fate = worker.watch.fate(id);
            self.mark(fate as u8);
            if matches!(fate, Fate::Alive | Fate::Leaving) {
                self.age(first_seen.as_secs(), most);
            }
            if !matches!(fate, Fate::Left) {
                self.maybe(worker.watch.last_beat(id));
            }
        }
    }

    /// Everybody whom a worker may have a belief about, as far as anybody still names them.
    fn watched(&self) -> Vec<&'a WorkerId> {
        let state = self.state;
        let rows = state.table.workers().map(|row| &row.id);
        let leases = state.table.leases();
        let named = leases.flat_map(|(_, lease)| lease.owner.iter().chain(&lease.next_owner));
        let mut all: Vec<&WorkerId> = rows.chain(named).collect();
        all.retain(|id| self.names.contains(&id.as_str()));
        all.sort_by_key(|id| self.names.iter().position(|name| *name == id.as_str()));
        all.dedup();
        all
    }

    fn task(&mut self, branch: Branch, task: Option<&'a Task>) {
        let Some(task) = task else {
            return self.mark(0);
        };
        self.mark(1);
        self.held(branch, &task.held);
        self.mark(task.reached);
        self.departure(task.order.as_ref());
        if let Some(writing) = &task.writing {
            self.writing(writing);
        }
    }

    fn held(&mut self, branch: Branch, held: &Held) {
        let epoch = self.epoch_of(branch);
        self.beside(held.epoch(), epoch);
        if held.epoch() >= epoch {
            self.beside(held.version(), self.version_of(branch));
        }
    }

    fn departure(&mut self, departure: Option<&'a Departure>) {
        match departure {
            None => self.mark(0),
            Some(Departure::Free) => self.mark(1),
            Some(Departure::Stopped { .. }) => self.mark(2),
            Some(Departure::To(next)) => {
                self.mark(3);
                self.name(next.as_str());
            }
        }
    }

    fn writing(&mut self, writing: &'a Writing) {
        match &writing.intent {
            Intent::Checkpoint(reached) => self.mark(100 + reached),
            Intent::Depart(departure) => self.departure(Some(departure)),
            Intent::End => self.mark(99),
        }
        self.flag(writing.landed);
        self.number(writing.attempts.len() as u64);
        for attempt in &writing.attempts {
            self.name(attempt);
        }
    }

    fn write(&mut self, write: &'a Write) {
        let branch = Branch::of_key(&write.key);
        match branch {
            Some(branch) => self.mark(branch.index() as u8),
            None => self.name(write.key.as_str()),
        }
        for condition in &write.conditions {
            match condition {
                Condition::RowAbsent => self.mark(1),
                Condition::RowExists => self.mark(2),
                Condition::Missing(column) => self.value(3, branch, column, None),
                Condition::Equals(column, value) => self.value(4, branch, column, Some(value)),
                Condition::Differs(column, value) => self.value(5, branch, column, Some(value)),
            }
        }
        for effect in &write.effects {
            match effect {
                Effect::Set(column, value) => self.value(6, branch, column, Some(value)),
                Effect::Remove(column) => self.value(7, branch, column, None),
                Effect::Add(column, _) => self.value(8, branch, column, None),
                Effect::Include(column, _) => self.value(9, branch, column, None),
                Effect::Exclude(column, _) => self.value(10, branch, column, None),
            }
        }
    }

    fn value(
        &mut self,
        kind: u8,
        branch: Option<Branch>,
        column: &'a str,
        value: Option<&'a Value>,
    ) {
        self.mark(kind);
        self.mark(column.len() as u8 ^ column.as_bytes()[0]);
        match (value, branch, column) {
            (Some(Value::Number(number)), Some(branch), "epoch") => {
                self.beside(*number, self.epoch_of(branch));
            }
            (Some(Value::Number(number)), None, "term") => self.beside(*number, self.term()),
            (Some(Value::Number(number)), Some(branch), "leaseCounter") => {
                self.beside(*number, self.version_of(branch));
            }
            (Some(Value::Text(text)), _, "checkpoint" | "state") => {
                self.out.extend_from_slice(text.as_bytes());
            }
            (Some(Value::Text(text)), _, _) => self.name(text),
            (Some(Value::Number(number)), _, _) => self.number(*number),
            (Some(Value::Texts(texts)), _, _) => self.number(texts.len() as u64),
            (None, _, _) => {}
        }
    }

    fn past(&mut self) {
        let past = self.state.past;
        for branch in Branch::ALL {
            let at = branch.index();
            self.between(past.highest[at], self.epoch_of(branch));
            self.mark(past.processed[at]);
            self.flag(past.ended[at]);
            self.flag(past.forgotten[at]);
            self.flag(self.state.shown[at]);
        }
        self.mark(self.state.broken.map_or(0, |broken| 1 + broken as u8));
    }

    fn budget(&mut self) {
        self.out.extend(self.state.budget.numbers());
    }
}
