//! Test shardkeeper processors.

pub mod conformance;
pub mod emulator;
pub mod faults;
pub mod memory;
pub mod processor;
pub mod sim;
pub mod world;

pub use world::World;
