//! No lease is stuck: from every state, if nothing more goes wrong, every listed shard is read to its end.
//!
//! If nothing more goes wrong, the workers do what they do in a fixed order, and time goes by. From every state that
//! the checker reaches this walk is made, until everything is read or a state is met twice. What a walk has passed
//! recovers, so every state is walked from once. Writes that are still on the wire never land in these walks; the
//! checker lands them at every moment, and walks from there.

use std::collections::BTreeSet;
use std::hash::Hasher;

use shardkeeper_core::checkpoint::Checkpoint;

use crate::action::Action;
use crate::cast::{Branch, behind};
use crate::model::Protocol;
use crate::state::{Life, State};
use crate::wire::Wire;

impl Protocol {
    /// True when the state recovers by itself.
    pub(crate) fn recovers(&self, state: &State) -> bool {
        let mut passed = BTreeSet::new();
        let mut state = state.clone();
        loop {
            let print = print(&state);
            if self.is_good(&state) || self.known(print) {
                self.remember(passed);
                return true;
            }
            if !passed.insert(print) {
                return false;
            }
            match self.calm_step(&state, print) {
                Some((_, next)) => state = next,
                None => return false,
            }
        }
    }

    /// The walk from a state that does not recover, up to where it repeats itself.
    pub(crate) fn stuck_walk(&self, from: &State) -> Vec<(State, Vec<Action>)> {
        let mut walk = Vec::new();
        let mut passed = BTreeSet::new();
        let mut state = from.clone();
        while passed.insert(print(&state)) {
            let Some((actions, next)) = self.calm_step(&state, print(&state)) else {
                break;
            };
            walk.push((std::mem::replace(&mut state, next), actions));
        }
        walk
    }

    /// What happens next if nothing goes wrong: the first thing that changes anything.
    pub(crate) fn calm_step(&self, state: &State, now: u64) -> Option<(Vec<Action>, State)> {
        self.calm(state).into_iter().find_map(|actions| {
            let mut next = state.clone();
            for action in &actions {
                next = self.step(&next, action)?;
            }
            (print(&next) != now).then_some((actions, next))
        })
    }

    fn calm(&self, state: &State) -> Vec<Vec<Action>> {
        let workers = 0..state.workers.len();
        let life = |worker: &usize| state.workers[*worker].life;
        let mut steps = Vec::new();
        if workers.clone().all(|worker| life(&worker) == Life::Over) {
            steps.push(vec![Action::Rejoin(0)]);
        }
        for worker in workers.filter(|worker| life(worker) != Life::Over) {
            self.calm_worker(state, worker, &mut steps);
        }
        steps.push(vec![Action::Tick]);
        steps
    }

    fn calm_worker(&self, state: &State, worker: usize, steps: &mut Vec<Vec<Action>>) {
        let me = &state.workers[worker];
        let answered = Wire::Answered;
        if let Some(beat) = &me.beating {
            steps.push(vec![match beat.landed {
                None => Action::BeatLands(worker),
                Some(_) => Action::BeatHeard(worker),
            }]);
        }
        if me.reading.is_some() {
            steps.push(vec![Action::SweepHeard(worker, answered)]);
        }
        if self.beat_is_due(state, worker) {
            steps.push(vec![Action::Beat(worker, answered)]);
        }
        if me.life == Life::Leaving {
            steps.push(vec![Action::LookBack(worker)]);
        }
        let owned = Branch::ALL.into_iter();
        let owned = owned.filter(|branch| me.tasks[branch.index()].is_some());
        steps.extend(owned.map(|branch| vec![Action::Write(worker, branch, answered)]));
        steps.push(vec![Action::Sweep(worker, answered)]);
        if !state.unburied(worker).is_empty() {
            steps.push(vec![Action::Bury(worker)]);
        }
        if self.scenario.discovers {
            steps.push(vec![Action::Lead(worker)]);
            steps.push(vec![Action::Discover(worker, answered)]);
        }
    }

    /// Every listed shard is read to its end by somebody who may.
    fn is_good(&self, state: &State) -> bool {
        let listed = Branch::ALL.into_iter();
        let mut listed = listed.filter(|branch| state.shown[branch.index()]);
        listed.all(|branch| {
            let Some(lease) = state.table.lease(branch) else {
                return false;
            };
            let read = |worker: usize| {
                let task = state.workers[worker].tasks[branch.index()].as_ref();
                let ours = task.is_some_and(|task| task.held.epoch() == lease.epoch);
                let named = lease.owner.as_ref() == Some(&state.workers[worker].id);
                ours && named && state.dispatches(worker, branch)
            };
            if self.scenario.ends(branch) {
                return lease.checkpoint == Checkpoint::ShardEnd;
            }
            lease.checkpoint == behind(self.scenario.records_of(branch))
                && (0..state.workers.len()).any(read)
        })
    }
}

/// What a state is, apart from what may still go wrong.
pub(crate) fn print(state: &State) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(&state.canonical(false));
    hasher.finish()
}
