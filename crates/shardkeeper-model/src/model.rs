//! The model as the checker sees it: what can happen, what then is, and what must always hold.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{Departure, NewLease};
use shardkeeper_core::membership::GroupRow;
use stateright::{Model, Property};

use crate::action::Action;
use crate::beats::is_hopeless;
use crate::cast::{Branch, behind, stream};
use crate::ledger::Rules;
use crate::plant::Plant;
use crate::property;
use crate::scenario::{Scenario, Start};
use crate::state::{Life, Past, Reading, State, Stray, Worker};
use crate::table::Table;
use crate::wire::Wire;

/// The protocol in one scenario, as it is or with a mistake planted.
#[derive(Debug)]
pub struct Protocol {
    pub(crate) scenario: Scenario,
    pub(crate) plant: Option<Plant>,
    /// States that are known to recover.
    recovering: Mutex<BTreeSet<u64>>,
}

impl Protocol {
    /// The protocol as it is shipped, or with a mistake.
    pub fn new(scenario: Scenario, plant: Option<Plant>) -> Self {
        Self {
            scenario,
            plant,
            recovering: Mutex::default(),
        }
    }

    pub(crate) fn known(&self, print: u64) -> bool {
        let known = self.recovering.lock();
        known
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&print)
    }

    pub(crate) fn remember(&self, passed: BTreeSet<u64>) {
        let known = self.recovering.lock();
        known.unwrap_or_else(PoisonError::into_inner).extend(passed);
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            scenario: &self.scenario,
            plant: self.plant,
        }
    }

    fn first(&self) -> State {
        let nobody = Worker {
            id: WorkerId::from_row("nobody"),
            incarnation: 0,
            life: Life::Over,
            until: 0,
            acknowledged: String::new(),
            unresolved: Vec::new(),
            beating: None,
            watch: Arc::default(),
            reading: None,
            tasks: [None, None, None],
            touched: [None; 3],
            asked: None,
            listing: None,
            heir: Departure::Free,
            hung: None,
            takes: Vec::new(),
            inbox: None,
        };
        let split = self.scenario.splits;
        let hidden = usize::from(self.scenario.budget.shows);
        let mut state = State {
            now: 10,
            table: Table::default(),
            workers: vec![nobody; self.scenario.workers],
            strays: Vec::new(),
            shown: [true, split && hidden < 2, split && hidden < 1],
            budget: self.scenario.budget,
            past: Past::default(),
            broken: None,
            names: 0,
            longest: self.scenario.longest(),
            alike: self.scenario.durations == [self.scenario.longest(); 3],
        };
        for worker in 0..self.scenario.workers {
            state.join(self.rules(), worker);
            state.workers[worker].inbox =
                self.plant.is_some_and(Plant::forces_with_care).then_some(0);
        }
        if self.scenario.discovers {
            state.land(self.rules(), &[GroupRow::found("model", None)], None);
            state.lead(self.rules(), 0);
        }
        self.furnish(&mut state);
        state
    }

    fn furnish(&self, state: &mut State) {
        let rules = self.rules();
        let lease = |state: &mut State, branch: Branch| {
            let write_id = state.fresh();
            let new = NewLease {
                stream: stream().clone(),
                shard: branch.shard().clone(),
                parent: branch.parent().map(|parent| parent.shard().clone()),
                checkpoint: behind(0),
                epoch: 1,
                stopped: None,
            };
            state.land(rules, &[new.create(None, &write_id)], None);
        };
        if self.scenario.start != Start::Unleased {
            lease(state, Branch::Parent);
        }
        if self.scenario.start == Start::ChildLeased {
            lease(state, Branch::First);
        }
        if !matches!(self.scenario.start, Start::Unleased | Start::Free) {
            state.sweep(rules, 0, Wire::Answered);
        }
        if self.scenario.start == Start::Ended {
            for branch in Branch::ALL {
                while state.table.lease(branch).is_some_and(|row| row.is_active())
                    && state.owner_writes(rules, 0, branch, Wire::Answered)
                {}
            }
        }
    }

    /// The state after a step; `None` when the step is not possible.
    pub(crate) fn step(&self, last: &State, action: &Action) -> Option<State> {
        let rules = self.rules();
        let mut state = last.clone();
        let done = match action {
            Action::Tick => self.tick(&mut state),
            Action::Lands(index) => {
                state.land_stray(rules, *index);
                true
            }
            Action::Shows(branch) => {
                state.budget.shows -= 1;
                state.shown[branch.index()] = true;
                true
            }
            Action::Trims => {
                state.budget.trims -= 1;
                state.shown[0] = false;
                true
            }
            Action::Flaps => {
                state.budget.flaps -= 1;
                state.shown[0] = true;
                true
            }
            Action::Rejoin(worker) => {
                let possible = state.workers[*worker].life == Life::Over;
                if possible {
                    state.budget.lives = state.budget.lives.saturating_sub(1);
                    state.join(rules, *worker);
                }
                possible
            }
            action => self.worker_step(&mut state, action),
        };
        if !done {
            return None;
        }
        self.tidy(&mut state);
        Some(state)
    }

    fn tick(&self, state: &mut State) -> bool {
        state.now += 1;
        for worker in &mut state.workers {
            let fresh = |reading: &Reading| reading.sent + state.longest > state.now;
            worker.reading = worker.reading.take().filter(fresh);
        }
        true
    }

    fn worker_step(&self, state: &mut State, action: &Action) -> bool {
        let rules = self.rules();
        match *action {
            Action::Beat(w, wire) => state.beat(rules, w, wire),
            Action::BeatSent(w) => state.begin_beat(rules, w),
            Action::BeatLands(w) => state.beat_lands(rules, w),
            Action::BeatHeard(w) => state.beat_heard(rules, w),
            Action::BeatTimesOut(w) => self.beat_times_out(state, w),
            Action::Sweep(w, wire) => {
                return state.keeps(w) && state.sweep(rules, w, wire);
            }
            Action::SweepSent(w) => {
                state.budget.slow_reads -= 1;
                state.workers[w].reading = Some(Reading {
                    sent: state.now,
                    table: state.table.clone(),
                });
            }
            Action::SweepHeard(w, wire) => {
                let reading = state.workers[w].reading.take();
                return state.keeps(w)
                    && reading.is_some_and(|reading| state.swept(rules, w, &reading, wire));
            }
            Action::Bury(w) => state.bury(rules, w),
            Action::Write(w, branch, wire) => return state.owner_writes(rules, w, branch, wire),
            Action::Ask(w, branch, wire) => return state.ask(rules, w, branch, wire),
            Action::Lapse(w) => state.lapse(rules, w),
            Action::Force(w, wire) => return state.force(rules, w, wire),
            Action::Leave(w, heir) => {
                let heir = state.heirs(rules, w).into_iter().nth(heir);
                return heir.is_some_and(|heir| {
                    state.leave(w, heir);
                    true
                });
            }
            Action::LookBack(w) => {
                let idle = state.workers[w].tasks.iter().all(Option::is_none);
                let possible = state.workers[w].life == Life::Leaving && idle;
                if possible {
                    state.look_back(w);
                }
                return possible;
            }
            Action::Deadline(w) => state.deadline(rules, w),
            Action::Crash(w) => {
                state.budget.crashes -= 1;
                state.workers[w].end();
            }
            Action::Hang(w) => {
                state.budget.hangs -= 1;
                state.workers[w].hung = Some(state.now);
            }
            Action::Vanishes(w) => state.row_vanishes(w),
            Action::Lead(w) => return state.lead(rules, w),
            Action::List(w) => return state.list_slowly(w),
            Action::Discover(w, wire) => return state.discover(rules, w, wire),
            _ => return false,
        }
        true
    }

    fn beat_times_out(&self, state: &mut State, worker: usize) {
        let Some(beat) = state.workers[worker].beating.take() else {
            return;
        };
        if beat.landed.is_none() {
            state.strays.push(Arc::new(Stray {
                writes: vec![beat.write],
                write_id: beat.beat_id,
                by: None,
            }));
        }
    }

    /// What can never happen any more is no part of the state.
    fn tidy(&self, state: &mut State) {
        if self.scenario.budget.trims > 0 || state.strays.is_empty() {
            return;
        }
        let strays = std::mem::take(&mut state.strays);
        let alive =
            |stray: &Arc<Stray>| !stray.writes.iter().any(|write| is_hopeless(write, state));
        let alive = strays.into_iter().filter(alive).collect();
        state.strays = alive;
    }
}

impl State {
    /// True when the worker's lease keeper works.
    pub(crate) fn keeps(&self, worker: usize) -> bool {
        let me = &self.workers[worker];
        me.life == Life::Living && me.hung.is_none()
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_none() {
            self.possible(state, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        self.step(last, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        property::all()
    }
}
