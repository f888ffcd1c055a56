//! What must hold in every state, by the numbers of docs/INVARIANTS.md.

use stateright::Property;

use crate::cast::Branch;
use crate::model::Protocol;
use crate::state::{Broken, State};

const NOT_BEFORE_THE_PARENT: &str = "S4 no child is read before its parent's end is durable";
const ONE_READER: &str = "S5 two workers never dispatch the same shard";
pub(crate) const STUCK: &str = "L6 no lease is stuck";

/// All of them.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(NOT_BEFORE_THE_PARENT, |_, state: &State| {
            let children = Branch::CHILDREN.into_iter();
            let mut early = children.filter(|child| {
                let parent = child.parent();
                parent.is_some_and(|parent| !state.past.ended[parent.index()])
            });
            early.all(|child| readers(state, child) == 0)
        }),
        Property::always(ONE_READER, |_, state: &State| {
            let mut branches = Branch::ALL.into_iter();
            branches.all(|branch| readers(state, branch) < 2)
        }),
        Property::always(
            "S5 every owner has an epoch of its own",
            |_, state: &State| state.broken != Some(Broken::Epoch),
        ),
        Property::always("S6 a checkpoint never moves left", |_, state: &State| {
            state.broken != Some(Broken::Left)
        }),
        Property::always("S7 a checkpoint never runs ahead", |_, state: &State| {
            state.broken != Some(Broken::Ahead)
        }),
        Property::always("S8 an end is certain", |_, state: &State| {
            state.broken != Some(Broken::End)
        }),
        Property::always("S9 the family tree stays whole", |_, state: &State| {
            state.broken != Some(Broken::Tree)
        }),
        Property::always(
            "S11 nothing durable changes after a loss",
            |_, state: &State| state.broken != Some(Broken::AfterLoss),
        ),
        Property::always("S12 a write is not guessed about", |_, state: &State| {
            state.broken != Some(Broken::Guess)
        }),
        Property::always(
            "a request ends with the owner it was made to",
            |_, state: &State| state.broken != Some(Broken::Request),
        ),
        Property::always(
            "S10 nothing is read again that is stored",
            |_, state: &State| state.broken != Some(Broken::Again),
        ),
        Property::always(
            "an owner is hindered only by its own late writes",
            |_, state: &State| state.broken != Some(Broken::Disturbed),
        ),
        Property::always(STUCK, |model: &Protocol, state: &State| {
            state.broken.is_some() || model.recovers(state)
        }),
    ]
}

fn readers(state: &State, branch: Branch) -> usize {
    let workers = 0..state.workers.len();
    workers
        .filter(|worker| state.dispatches(*worker, branch))
        .count()
}
