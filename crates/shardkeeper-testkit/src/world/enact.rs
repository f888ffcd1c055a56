//! Plays a script: step by step, each when all before it is handled.

use std::collections::VecDeque;
use std::time::Duration;

use shardkeeper::ShardId;

use super::script::{Script, Step};
use super::stage::{Stage, State};

/// Between two looks at whether a step is over.
const LOOK: Duration = Duration::from_millis(50);
/// A worker that was taken over goes on after this.
const THAW: Duration = Duration::from_secs(1);
/// Until it is taken over.
const FROZEN: Duration = Duration::from_secs(24 * 3600);

/// One shard and what is still to happen to it.
struct Actor {
    id: ShardId,
    steps: VecDeque<Step>,
    until: Until,
}

/// What a shard waits for before its next step.
enum Until {
    /// Everything is handled and stored.
    Settled,
    Then(Duration),
    /// Somebody else has it; the frozen worker goes on.
    Acquired(u32, Option<usize>),
    Told(u32),
}

/// Plays the script to its end.
pub(super) async fn play(stage: &Stage, script: &Script) {
    let mut actors = {
        let mut state = stage.lock();
        state.begin(&script.roots());
        born(&state, script, &script.roots())
    };
    while actors.iter().any(|actor| !actor.steps.is_empty()) {
        let mut children = Vec::new();
        for actor in &mut actors {
            children.extend(actor.go_on(&mut stage.lock()));
        }
        let new = born(&stage.lock(), script, &children);
        actors.extend(new);
        stage.sleep(LOOK).await;
    }
}

fn born(state: &State, script: &Script, names: &[String]) -> Vec<Actor> {
    let actor = |name: &String| {
        let ends = format!("-{name}");
        let id = state
            .shards
            .keys()
            .rev()
            .find(|id| id.as_str().ends_with(&ends));
        let steps = script.shards.get(name).map(|script| script.steps.clone());
        Some(Actor {
            id: id?.clone(),
            steps: steps.unwrap_or_default().into(),
            until: Until::Settled,
        })
    };
    names.iter().filter_map(actor).collect()
}

impl Actor {
    /// Takes the next step if it is time, and returns the names of the shards that were born.
    fn go_on(&mut self, state: &mut State) -> Vec<String> {
        if self.steps.is_empty() || !self.is_over(state) {
            return Vec::new();
        }
        let Some(step) = self.steps.pop_front() else {
            return Vec::new();
        };
        self.until = Until::Settled;
        match step {
            Step::Records(records) => {
                for _ in 0..records {
                    state.write_plain(&self.id);
                }
                self.arm(state);
            }
            Step::Changes(changes) => {
                for change in changes.into_vec() {
                    state.write_to(&self.id, change);
                }
                self.arm(state);
            }
            Step::Undecodable => {
                self.until = Until::Told(self.losses(state));
                state.write_undecodable(&self.id);
            }
            Step::Trimmed(records) => {
                self.until = Until::Told(self.losses(state));
                state.write_trimmed(&self.id, records);
            }
            Step::Wait(pause) => self.until = Until::Then(state.now() + pause),
            Step::End(children) => {
                state.end(&self.id, &children);
                return children;
            }
            Step::Crash | Step::TakeOver | Step::Deploy => self.strike(state, step),
            weather => self.change(state, &weather),
        }
        Vec::new()
    }

    fn is_over(&self, state: &mut State) -> bool {
        match self.until {
            Until::Settled => state.is_settled(&self.id),
            Until::Then(at) => state.now() >= at,
            Until::Told(before) => self.losses(state) > before || state.is_stopped(&self.id),
            Until::Acquired(before, frozen) => {
                let over = self.acquired(state) > before;
                if let Some(seat) = frozen.filter(|_| over) {
                    state.seats[seat].thaw_at = Some(state.now() + THAW);
                }
                over && state.is_settled(&self.id)
            }
        }
    }

    /// A crash that follows happens between the last of these records and its checkpoint.
    fn arm(&mut self, state: &mut State) {
        if !matches!(self.steps.front(), Some(Step::Crash)) {
            return;
        }
        let shard = state.shards.get_mut(&self.id);
        if let Some(shard) = shard.filter(|shard| shard.last.is_some()) {
            shard.crash_after = shard.last;
            self.until = Until::Acquired(shard.acquired, None);
            self.steps.pop_front();
        }
    }

    /// Does something to the worker that has the shard; again later when nobody has it now.
    fn strike(&mut self, state: &mut State, step: Step) {
        let owner = state.shards.get(&self.id).and_then(|shard| shard.owner);
        let Some(seat) = owner.filter(|owner| state.well().contains(owner)) else {
            self.steps.push_front(step);
            return;
        };
        let frozen = matches!(step, Step::TakeOver).then_some(seat);
        self.until = Until::Acquired(self.acquired(state), frozen);
        match step {
            Step::Crash => state.crash(seat, ""),
            Step::TakeOver => state.freeze(seat, FROZEN),
            _ => state.dismiss(seat),
        }
    }

    fn change(&self, state: &mut State, weather: &Step) {
        state.tell(Some(&self.id), format!("script: {weather:?}"));
        let Some(shard) = state.shards.get_mut(&self.id) else {
            return;
        };
        match weather {
            Step::ExpireIterator => shard.expired = true,
            Step::Throttle(reads) => shard.throttles += reads,
            Step::EmptyPages(pages) => shard.blanks += pages,
            _ => {}
        }
    }

    fn losses(&self, state: &State) -> u32 {
        state.shards.get(&self.id).map_or(0, |shard| shard.losses)
    }

    fn acquired(&self, state: &State) -> u32 {
        state.shards.get(&self.id).map_or(0, |shard| shard.acquired)
    }
}
