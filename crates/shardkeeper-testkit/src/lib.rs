//! Test shardkeeper processors.

pub mod emulator;
