//! Joining, beating, lapsing: what keeps an incarnation alive in its own eyes.

use shardkeeper_core::membership::{
    BeatFound, WorkerRow, WorkerState, beat_found, prolonged, worker_key,
};
use shardkeeper_core::row::{Condition, Verb, Write};

use crate::cast::{at, incarnation, worker_name};
use crate::ledger::Rules;
use crate::plant::{Plant, unconditional};
use crate::state::{Beating, Life, State, Worker};
use crate::wire::{Sent, Wire};

/// How many entitlements a keeper may be silent before its worker stops beating.
const SILENT_ENTITLEMENTS: u64 = 2;

impl Worker {
    /// The incarnation ends; what it had sent may still land.
    pub(crate) fn end(&mut self) {
        self.life = Life::Over;
        self.tasks = [None, None, None];
        self.touched = [None; 3];
        self.unresolved.clear();
        self.beating = None;
        self.reading = None;
        self.asked = None;
        self.listing = None;
        self.hung = None;
        self.watch = Default::default();
        self.until = 0;
    }

    fn says(&self) -> WorkerState {
        match self.life {
            Life::Living => WorkerState::Living,
            Life::Leaving => WorkerState::Leaving,
            Life::Parting | Life::Over => WorkerState::Left,
        }
    }
}

impl State {
    /// A new incarnation joins. Answered: a lost answer is looked up before anything else is done.
    pub(crate) fn join(&mut self, rules: Rules<'_>, worker: usize) {
        let beat_id = self.fresh();
        let life = self.workers[worker].incarnation + 1;
        let id = incarnation(worker, life).clone();
        let duration = at(rules.scenario.duration(worker));
        let writes = [WorkerRow::join(
            &id,
            worker_name(worker),
            duration,
            &beat_id,
        )];
        let applied = self.land(rules, &writes, None);
        debug_assert!(applied, "an incarnation is new");
        let until = self.now + rules.scenario.duration(worker);
        let me = &mut self.workers[worker];
        (me.id, me.incarnation, me.life) = (id, life, Life::Living);
        (me.until, me.acknowledged) = (until, beat_id);
    }

    /// True when the beater must not send another beat.
    fn must_stop(&self, rules: Rules<'_>, worker: usize) -> bool {
        let me = &self.workers[worker];
        let bound = rules.scenario.duration(worker) * SILENT_ENTITLEMENTS;
        let silent = me.hung.is_some_and(|since| self.now - since > bound);
        self.now >= me.until || (silent && !rules.planted(Plant::BeatsWithoutKeeper))
    }

    fn new_beat(&mut self, rules: Rules<'_>, worker: usize) -> Beating {
        let beat_id = self.fresh();
        let me = &mut self.workers[worker];
        me.unresolved.push(beat_id.clone());
        let mut write = WorkerRow::beat(&me.id, me.says(), 0, &me.acknowledged, &beat_id);
        if rules.planted(Plant::BeatUpserts) {
            write = unconditional(write, &["beatId"]);
        }
        Beating {
            sent: self.now,
            beat_id,
            write,
            landed: None,
        }
    }

    /// One beat that is answered, or not, within a tick.
    pub(crate) fn beat(&mut self, rules: Rules<'_>, worker: usize, wire: Wire) {
        if self.must_stop(rules, worker) {
            return self.workers[worker].end();
        }
        let beat = self.new_beat(rules, worker);
        let sent = Sent {
            writes: vec![beat.write.clone()],
            write_id: beat.beat_id.clone(),
            by: None,
        };
        if let Some(applied) = self.send(rules, sent, wire) {
            self.beat_answered(rules, worker, &beat, applied);
        }
    }

    /// A beat that takes its time.
    pub(crate) fn begin_beat(&mut self, rules: Rules<'_>, worker: usize) {
        if self.must_stop(rules, worker) {
            return self.workers[worker].end();
        }
        self.budget.slow_beats -= 1;
        self.workers[worker].beating = Some(self.new_beat(rules, worker));
    }

    pub(crate) fn beat_lands(&mut self, rules: Rules<'_>, worker: usize) {
        let Some(mut beat) = self.workers[worker].beating.take() else {
            return;
        };
        beat.landed = Some(self.land(rules, std::slice::from_ref(&beat.write), None));
        self.workers[worker].beating = Some(beat);
    }

    pub(crate) fn beat_heard(&mut self, rules: Rules<'_>, worker: usize) {
        if let Some(beat) = self.workers[worker].beating.take()
            && let Some(applied) = beat.landed
        {
            self.beat_answered(rules, worker, &beat, applied);
        }
    }

    fn beat_answered(&mut self, rules: Rules<'_>, worker: usize, beat: &Beating, applied: bool) {
        if !applied {
            return self.beat_refused(worker);
        }
        let (now, duration) = (self.now, rules.scenario.duration(worker));
        let me = &mut self.workers[worker];
        me.unresolved.clear();
        me.acknowledged.clone_from(&beat.beat_id);
        if me.life == Life::Parting {
            return me.end();
        }
        let counted_from = if rules.planted(Plant::BelieveFromAnswer) {
            now
        } else {
            beat.sent
        };
        let next = counted_from + duration;
        me.until = if rules.planted(Plant::DemotedResumes) {
            me.until.max(next)
        } else {
            prolonged(me.until, now, next)
        };
        self.mail(rules, worker);
    }

    fn beat_refused(&mut self, worker: usize) {
        let me = &self.workers[worker];
        let row = self.table.worker(&me.id);
        match beat_found(row, &me.acknowledged, &me.unresolved) {
            BeatFound::Gone | BeatFound::Foreign => self.workers[worker].end(),
            BeatFound::Known => {}
            BeatFound::Unresolved => {
                let beat_id = row.map(|row| row.beat_id.clone());
                self.workers[worker].acknowledged = beat_id.unwrap_or_default();
            }
        }
    }

    /// Somebody who does not follow the protocol removes the row of a worker.
    pub(crate) fn row_vanishes(&mut self, worker: usize) {
        self.budget.vanishing -= 1;
        let key = worker_key(&self.workers[worker].id);
        self.table.vanish(&key);
    }
}

/// True when `write` can never be applied again: it waits for a value that does not come back.
pub(crate) fn is_hopeless(write: &Write, state: &State) -> bool {
    let row = state.table.row(&write.key);
    write.verb != Verb::Check
        && row.is_some_and(|row| {
            write.conditions.iter().any(|condition| match condition {
                Condition::RowAbsent => true,
                Condition::Equals(column, value) => {
                    let once = ["beatId", "epoch", "leaseCounter", "requestId", "term"];
                    once.contains(&column.as_ref()) && row.columns.get(column) != Some(value)
                }
                _ => false,
            })
        })
}
