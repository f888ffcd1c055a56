//! `shardkeeper`: look at the leases of an application, and run the emulator.

mod book;
mod checkpoint;
mod colours;
mod connection;
mod doctor;
mod emulator;
mod failure;
mod lag;
mod leases;
mod names;
mod screen;
mod shards;
mod spans;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::Failure;

/// Look at an application that consumes DynamoDB Streams, or run a local emulator of them.
#[derive(Debug, Parser)]
#[command(name = "shardkeeper", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Leases(leases::Arguments),
    Shards(shards::Arguments),
    Lag(lag::Arguments),
    Checkpoint(checkpoint::Arguments),
    Doctor(doctor::Arguments),
    Emulator(emulator::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Leases(arguments) => leases::run(arguments).await,
        Command::Shards(arguments) => shards::run(arguments).await,
        Command::Lag(arguments) => lag::run(arguments).await,
        Command::Checkpoint(arguments) => checkpoint::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Emulator(arguments) => emulator::run(arguments).await,
    }
}
