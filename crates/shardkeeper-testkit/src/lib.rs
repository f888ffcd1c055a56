//! Test shardkeeper processors.

pub mod emulator;
pub mod faults;
