//! Requests; and what the first draft did with those that were not answered: it took the lease by force.

use shardkeeper_core::lease::Lease;
use shardkeeper_core::membership::{Fate, WorkerRow};

use crate::cast::Branch;
use crate::ledger::Rules;
use crate::plant::{Plant, stamped};
use crate::state::{Asked, Reading, State};
use crate::wire::{Sent, Wire};

/// Ticks after which a request counts as not answered.
const PATIENCE: u64 = 2;

impl State {
    /// Asks a living owner for its lease. False when there is nobody to ask.
    pub(crate) fn ask(
        &mut self,
        rules: Rules<'_>,
        worker: usize,
        branch: Branch,
        wire: Wire,
    ) -> bool {
        let Some(lease) = self.table.lease(branch).cloned() else {
            return false;
        };
        let me = self.workers[worker].id.clone();
        let Some(owner) = lease.owner.clone().filter(|owner| *owner != me) else {
            return false;
        };
        let over = |id| self.fate(rules, worker, id).is_over();
        let unasked = lease.next_owner.as_ref().is_none_or(over);
        if !lease.is_active() || !unasked || self.fate(rules, worker, &owner) != Fate::Alive {
            return false;
        }
        self.budget.asks -= 1;
        let request_id = self.fresh();
        let mut request = lease.request(&me, &request_id);
        if rules.planted(Plant::RequestStamps) {
            request = stamped(request, &request_id);
        }
        let mut writes = vec![request];
        if !rules.planted(Plant::ForceAfterLostBump) {
            writes.push(WorkerRow::bump(&owner));
        }
        let beat = self.table.worker(&owner).map(|row| row.beat_id.clone());
        let asked = Asked {
            branch,
            request_id: request_id.clone(),
            at: self.now,
            beat: beat.filter(|_| rules.plant.is_some_and(Plant::forces_with_care)),
        };
        let sent = Sent {
            writes,
            write_id: request_id,
            by: None,
        };
        if self.send(rules, sent, wire) != Some(false) {
            self.workers[worker].asked = Some(asked);
        }
        true
    }

    /// Takes a request back, or forgets one that was answered.
    pub(crate) fn lapse(&mut self, rules: Rules<'_>, worker: usize) {
        let Some(asked) = self.workers[worker].asked.take() else {
            return;
        };
        let me = self.workers[worker].id.clone();
        let withdraw = Lease::withdraw(asked.branch.key().clone(), &me, Some(&asked.request_id));
        self.land(rules, &[withdraw], None);
    }

    /// The answer to a beat shows the worker's own inbox: under the mistakes that rely on it, an owner looks
    /// at once.
    pub(crate) fn mail(&mut self, rules: Rules<'_>, worker: usize) {
        if !rules.plant.is_some_and(Plant::forces_with_care) {
            return;
        }
        let me = &self.workers[worker];
        let inbox = self.table.worker(&me.id).map_or(0, |row| row.inbox);
        let moved = me.inbox.is_some_and(|seen| seen < inbox);
        self.workers[worker].inbox = Some(inbox);
        if moved {
            let reading = Reading {
                sent: self.now,
                table: self.table.clone(),
            };
            self.swept(rules, worker, &reading, Wire::Answered);
        }
    }

    /// Takes from a living owner. False when the mistake that is planted would not.
    pub(crate) fn force(&mut self, rules: Rules<'_>, worker: usize, wire: Wire) -> bool {
        let Some(asked) = self.workers[worker].asked.clone() else {
            return false;
        };
        let Some(lease) = self.table.lease(asked.branch).cloned() else {
            return false;
        };
        let me = &self.workers[worker].id;
        let open = lease.next_owner.as_ref() == Some(me) && lease.owner.as_ref() != Some(me);
        if !open || self.now < asked.at + PATIENCE || !lease.is_active() {
            return false;
        }
        let owner = lease.owner.as_ref().and_then(|id| self.table.worker(id));
        let knows = owner.is_some_and(|row| Some(&row.beat_id) != asked.beat.as_ref());
        if rules.plant.is_some_and(Plant::forces_with_care) && !knows {
            return false;
        }
        self.workers[worker].asked = None;
        self.take(rules, worker, &lease, wire);
        true
    }

    /// Is the write id in the row one of this worker's? What hole 8 took for ownership.
    pub(crate) fn wrote(&self, worker: usize, lease: &Lease) -> bool {
        let last = lease.write_id.as_deref();
        last.is_some_and(|id| self.workers[worker].takes.iter().any(|take| take == id))
    }
}
