//! Walks a scenario to its end, or to the first thing that must not happen.

use std::num::NonZeroUsize;
use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::Action;
use crate::model::Protocol;
use crate::plant::Plant;
use crate::property;
use crate::scenario::Scenario;
use crate::state::State;

/// What came of walking through a scenario.
#[derive(Debug)]
pub struct Checked {
    /// The scenario.
    pub scenario: Scenario,
    /// Different states.
    pub states: usize,
    /// Steps from the first state to the farthest.
    pub depth: usize,
    /// The first thing that must not happen, and the way to it.
    pub found: Option<Found>,
    /// Every state that can be reached was reached.
    pub complete: bool,
}

/// A way from the first state to one that must not be.
#[derive(Debug)]
pub struct Found {
    /// What must hold and does not.
    pub rule: &'static str,
    /// The steps, and the state before each.
    pub path: Vec<(State, Action)>,
    /// The state after the last.
    pub last: State,
    /// For a lease that is stuck: what goes on for ever if nothing more goes wrong.
    pub aftermath: Vec<(State, Vec<Action>)>,
}

/// The longest that one scenario is walked.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Walks a scenario breadth first on one core, so that what it finds is as short as it can be. Ends after about so many
/// states, where there is such a bound.
pub fn check(scenario: &Scenario, plant: Option<Plant>, most: Option<NonZeroUsize>) -> Checked {
    let model = Protocol::new(scenario.clone(), plant);
    let mut checker = model
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .timeout(PATIENCE);
    if let Some(most) = most {
        checker = checker.target_state_count(most.get());
    }
    let checker = checker.spawn_bfs().join();
    let rules: Vec<Property<Protocol>> = checker.model().properties();
    let paths = rules.iter().filter_map(|rule| {
        let path = checker.discovery(rule.name)?;
        Some((rule.name, path.into_vec()))
    });
    let shortest = paths.min_by_key(|(_, path)| path.len());
    let found = shortest.map(|(rule, mut path)| {
        let last = path.pop().map(|(state, _)| state);
        let steps = path
            .into_iter()
            .filter_map(|(state, action)| Some((state, action?)));
        let last = last.unwrap_or_else(|| unreachable!("a path has a state"));
        let aftermath = if rule == property::STUCK {
            checker.model().stuck_walk(&last)
        } else {
            Vec::new()
        };
        Found {
            rule,
            path: steps.collect(),
            last,
            aftermath,
        }
    });
    Checked {
        scenario: scenario.clone(),
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        // A checker that has seen as many states as it was to see calls itself done.
        complete: found.is_none()
            && checker.is_done()
            && most.is_none_or(|most| checker.state_count() < most.get()),
        found,
    }
}
