//! The server suite: what needs a real server over HTTP. `cargo xtask test --only server` starts one and runs it.
//!
//! Nothing here is skipped: without a server the first test that asks for one says so and fails.

mod boto3;
mod conformance;
mod fleet;
mod hello;
mod processes;
mod program;
mod resharding;
#[path = "../scenes/mod.rs"]
mod scenes;
mod surroundings;
mod worker;
