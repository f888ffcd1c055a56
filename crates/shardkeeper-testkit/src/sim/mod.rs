//! The adversary: whole fleets of real workers on a simulated machine room, lease table and stream, all from one
//! seed, in virtual time, with an oracle that sees everything and judges every step.
//!
//! ```text
//!  scenario ── what a seed means          chaos ── the 44 kinds of fault
//!     │                                     │
//!     ▼                                     ▼
//!  run ──▶ world: streams, lease table, lines to the workers, agenda ◀── past, life, mischief, upheaval, calm
//!             │                     ▲
//!             ▼ facts               │ a line for each worker: to its two ports, or to the HTTP client of its SDK
//!          oracle ──▶ invariants  fleet: real workers on machines that freeze, drift and crash, with processors
//!             │                          that misbehave
//!             ▼
//!           story
//! ```

mod agenda;
mod beats;
mod calm;
mod chaos;
#[cfg(test)]
mod crashes;
mod entitlement;
mod fleet;
mod ground;
mod invariants;
mod life;
mod minimise;
mod mischief;
mod oracle;
mod past;
mod processor;
mod restoring;
mod run;
mod scenario;
mod settled;
mod upheaval;
mod world;

pub use self::chaos::{Fault, Injected};
pub use self::minimise::minimise;
pub use self::oracle::{Seen, Violation};
pub use self::run::{Outcome, Wishes, run};
pub use self::scenario::{Cut, Scenario, Seam};
#[doc(hidden)]
pub use shardkeeper_core::planted::{POSSIBLE as PLANTS_ARE_POSSIBLE, Plant};
