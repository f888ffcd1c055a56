//! Which steps a state allows.

use crate::action::Action;
use crate::cast::Branch;
use crate::model::Protocol;
use crate::plant::Plant;
use crate::state::{Life, State};
use crate::wire::Wire;

impl Protocol {
    pub(crate) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        actions.push(Action::Tick);
        actions.extend((0..state.strays.len()).map(Action::Lands));
        for worker in 0..state.workers.len() {
            if state.workers[worker].life == Life::Over {
                if state.budget.lives > 0 {
                    actions.push(Action::Rejoin(worker));
                }
                continue;
            }
            self.of_the_beater(state, worker, actions);
            self.of_the_keeper(state, worker, actions);
            self.of_the_owner(state, worker, actions);
            self.of_fate(state, worker, actions);
        }
        self.of_the_stream(state, actions);
    }

    fn of_the_beater(&self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        let me = &state.workers[worker];
        if let Some(beat) = &me.beating {
            match beat.landed {
                None => actions.extend([Action::BeatLands(worker), Action::BeatTimesOut(worker)]),
                Some(_) => {
                    actions.extend([Action::BeatHeard(worker), Action::BeatTimesOut(worker)])
                }
            }
            return;
        }
        if self.beat_is_due(state, worker) {
            actions.extend(Wire::open(state).map(|wire| Action::Beat(worker, wire)));
            if state.budget.slow_beats > 0 {
                actions.push(Action::BeatSent(worker));
            }
        }
    }

    /// At most one answered beat a tick: a second one has nothing to say, unless the worker is about to go.
    pub(crate) fn beat_is_due(&self, state: &State, worker: usize) -> bool {
        let me = &state.workers[worker];
        me.until < state.now + self.scenario.duration(worker) || me.life == Life::Parting
    }

    fn of_the_keeper(&self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        let me = &state.workers[worker];
        if me.life == Life::Leaving {
            actions.extend([Action::LookBack(worker), Action::Deadline(worker)]);
        }
        if me.life == Life::Parting {
            actions.push(Action::Deadline(worker));
        }
        if !state.keeps(worker) {
            return;
        }
        if !state.unburied(worker).is_empty() {
            actions.push(Action::Bury(worker));
        }
        if me.reading.is_some() {
            actions.extend(Wire::open(state).map(|wire| Action::SweepHeard(worker, wire)));
        } else {
            actions.extend(Wire::open(state).map(|wire| Action::Sweep(worker, wire)));
            if state.budget.slow_reads > 0 {
                actions.push(Action::SweepSent(worker));
            }
        }
        if self.scenario.discovers {
            actions.push(Action::Lead(worker));
            actions.extend(Wire::open(state).map(|wire| Action::Discover(worker, wire)));
            if me.listing.is_none() && state.budget.slow_reads > 0 {
                actions.push(Action::List(worker));
            }
        }
        if me.asked.is_some() {
            actions.push(Action::Lapse(worker));
            if self.plant.is_some_and(Plant::forces) {
                actions.extend(Wire::open(state).map(|wire| Action::Force(worker, wire)));
            }
        } else if state.budget.asks > 0 {
            for branch in Branch::ALL {
                let asks = Wire::open(state).map(|wire| Action::Ask(worker, branch, wire));
                actions.extend(asks);
            }
        }
        if state.budget.leaves > 0 {
            let heirs = 0..state.workers.len();
            actions.extend(heirs.map(|heir| Action::Leave(worker, heir)));
        }
        if state.budget.hangs > 0 {
            actions.push(Action::Hang(worker));
        }
    }

    fn of_the_owner(&self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        for branch in Branch::ALL {
            if state.workers[worker].tasks[branch.index()].is_some() {
                let writes = Wire::open(state).map(|wire| Action::Write(worker, branch, wire));
                actions.extend(writes);
            }
        }
    }

    fn of_fate(&self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        if state.budget.crashes > 0 {
            actions.push(Action::Crash(worker));
        }
        if state.budget.vanishing > 0 && state.table.has_worker(&state.workers[worker].id) {
            actions.push(Action::Vanishes(worker));
        }
    }

    fn of_the_stream(&self, state: &State, actions: &mut Vec<Action>) {
        if state.budget.shows > 0 {
            let hidden = Branch::CHILDREN.into_iter();
            let hidden = hidden.filter(|child| !state.shown[child.index()]);
            actions.extend(hidden.map(Action::Shows));
        }
        if state.budget.trims > 0 && state.past.ended[0] && state.shown[0] {
            actions.push(Action::Trims);
        }
        if state.budget.flaps > 0 && state.past.ended[0] && !state.shown[0] {
            actions.push(Action::Flaps);
        }
    }
}
