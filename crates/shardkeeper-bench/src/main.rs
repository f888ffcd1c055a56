//! The measures of shardkeeper. Run them with `cargo xtask bench NAME`, which builds in release mode.
//!
//! Whatever is measured runs in a process of its own, so that its CPU time is its own; the program
//! starts itself for each.

mod account;
mod arrivals;
mod backlog;
mod child;
mod client;
mod discovery;
mod distribution;
mod handover;
mod idle;
mod latency;
mod memory;
mod read;
mod report;
mod rig;
mod rollover;
mod round;
mod serve;
mod stopwatch;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A measure can only fail as a whole, with a message for a person.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
#[command(name = "shardkeeper-bench", about, version)]
struct Line {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// What a worker costs above a bare loop of GetRecords calls
    Read(read::Options),
    /// The server side of `read`
    #[command(hide = true)]
    Serve(serve::Options),
    /// One client of `read`
    #[command(hide = true)]
    Client(client::Options),
    /// How long shards stand still when workers come, go and crash, and what an idle fleet costs
    Handover(handover::Options),
    /// What roll-overs and splits add to the latency of records around them
    Rollover(rollover::Options),
    /// How late records are, and what polling an idle shard costs
    Latency(latency::Options),
    /// What thousands of idle shards cost one process
    Idle(idle::Options),
    /// The worker of `idle`
    #[command(hide = true)]
    IdleMember(idle::member::Options),
    /// What a backlog in thousands of shards takes of one process's memory
    Memory(memory::Options),
    /// The worker of `memory`
    #[command(hide = true)]
    MemoryMember(memory::member::Options),
    /// How a worker finds its way in a very large stream
    Discovery(discovery::Options),
    /// The server side of `handover`
    #[command(hide = true)]
    HandoverSource(handover::source::Options),
    /// One worker of `handover`
    #[command(hide = true)]
    HandoverMember(handover::member::Options),
}

fn main() -> ExitCode {
    let outcome = match Line::parse().task {
        Task::Read(options) => read::run(&options),
        Task::Serve(options) => serve::run(&options),
        Task::Client(options) => client::run(&options),
        Task::Handover(options) => handover::run(&options),
        Task::Rollover(options) => rollover::run(&options),
        Task::Latency(options) => latency::run(&options),
        Task::Idle(options) => idle::run(&options),
        Task::IdleMember(options) => idle::member::run(&options),
        Task::Memory(options) => memory::run(&options),
        Task::MemoryMember(options) => memory::member::run(&options),
        Task::Discovery(options) => discovery::run(&options),
        Task::HandoverSource(options) => handover::source::run(options),
        Task::HandoverMember(options) => handover::member::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
