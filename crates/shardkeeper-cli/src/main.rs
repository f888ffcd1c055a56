//! `shardkeeper`: look at the leases of an application, and run the emulator.

mod emulator;
mod failure;
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
        Command::Emulator(arguments) => emulator::run(arguments).await,
    }
}
