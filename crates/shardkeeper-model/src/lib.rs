//! An exhaustive model of shardkeeper's lease protocol.

mod action;
mod beats;
mod canon;
mod cast;
mod check;
mod discovery;
mod force;
mod leaving;
mod ledger;
mod model;
mod owner;
mod plant;
mod possible;
mod property;
mod recovery;
mod scenario;
mod state;
mod story;
mod sweeps;
mod table;
mod wire;

pub use action::Action;
pub use cast::Branch;
pub use check::{Checked, Found, check};
pub use model::Protocol;
pub use plant::Plant;
pub use scenario::{Scenario, Start};
pub use state::{Broken, Budget, Life, State};
pub use story::Story;
pub use wire::Wire;
