//! Development tasks of the shardkeeper workspace: `cargo xtask bench`, `facts`, `model`, `sim`, `test` and `trace`.
//!
//! Thin on purpose: it starts other programs, reads sources, and says what happened. It depends on nothing of the
//! workspace, so that it builds in seconds on a machine that has never built anything here.
#![expect(
    clippy::disallowed_methods,
    reason = "a development tool: it measures real time and waits for real processes"
)]

mod bench;
mod facts;
mod failure;
mod model;
mod named_tests;
mod planted;
mod process;
mod progress;
mod rules;
mod scan;
mod server;
mod sim;
mod sources;
mod steps;
mod test;
mod totals;
mod trace;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Development tasks of the shardkeeper workspace"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check there is; the command for people and for CI
    Test(test::Options),
    /// Build in release mode and run one measure of `shardkeeper-bench`
    Bench(bench::Options),
    /// Show what is promised, where the code keeps it and which tests prove it; fail where something is missing
    Trace(trace::Options),
    /// Walk through every state of the lease protocol's model
    Model(model::Options),
    /// The facts about the service and the tests that name them; fails on a fact without one
    Facts(facts::Options),
    /// Run the adversary: simulated worlds from seeds, judged at every step
    Sim(sim::Options),
}

fn main() -> ExitCode {
    if let Some(code) = planted::as_compiler() {
        return code;
    }
    let arguments = Arguments::parse();
    let outcome = Workspace::load().and_then(|workspace| match arguments.task {
        Task::Test(options) => test::run(&workspace, options),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Trace(options) => trace::run(&workspace, &options),
        Task::Model(options) => model::run(&workspace, &options),
        Task::Facts(options) => facts::run(&workspace, &options),
        Task::Sim(options) => sim::run(&workspace, &options),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// What every fallible function here returns.
type Outcome<T = ()> = Result<T, Failure>;
