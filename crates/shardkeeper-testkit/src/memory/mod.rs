//! The two ports in memory: no SDK, no clock, no dice.
//!
//! For unit tests of code that is written against the ports, and as the plainest implementation that
//! the contract suites of [`crate::conformance`] are held against. What the service does over time
//! (expiry, trimming, throttling) is the emulator's; here everything happens when a test says so.

mod item_change;
pub(crate) mod leases;
mod streams;

pub use self::item_change::ItemChange;
pub use self::leases::MemoryLeases;
pub use self::streams::{MemoryStreams, UnknownShard};
