//! A fleet of workers reads a stream through roll-overs, splits, a crash and a deploy, and proves that
//! nothing was lost.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```
//!
//! No AWS account, no Docker, no network: the stream is the emulator of `shardkeeper-testkit`, in this
//! process, under the real AWS SDK. On a terminal it draws what happens; elsewhere it prints lines. It ends
//! by itself within 30 seconds, and its last line says whether every record arrived, in order.
//!
//! Where to read on:
//!
//! | file | what |
//! |---|---|
//! | `processor.rs` | the [`RecordProcessor`](shardkeeper::RecordProcessor): what a service writes |
//! | `fleet.rs` | workers that are built, watched, killed and asked to leave |
//! | `place.rs` | where the table is: the emulator, or any server that `--endpoint-url` names |
//! | `script.rs` | what happens when |
//! | `writers.rs` | the orders that make the stream |
//! | `ledger.rs` | what was written against what was delivered: the proof |
//! | `chronicle.rs`, `picture.rs` | what the workers tell (`Observer`) and show (`status()`) |
//! | `screen.rs`, `live.rs`, `plain.rs` | the picture on a terminal, and lines elsewhere |

#![expect(
    clippy::disallowed_methods,
    reason = "an example shows the plain tokio that its readers write; nobody replays it from a seed"
)]

mod chronicle;
mod fleet;
mod ledger;
mod live;
mod orders;
mod picture;
mod place;
mod plain;
mod processor;
mod screen;
mod script;
mod stage;
mod writers;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use http::Uri;
use tokio::time::{Instant, timeout};

use crate::ledger::Verdict;
use crate::screen::{Interrupted, Screen};
use crate::stage::{OutOfTime, Stage};

/// What goes wrong here ends the run, so its text is all that matters.
type Failure = Box<dyn Error + Send + Sync>;

/// The run is judged as it stands when this much time has passed, whatever is still under way.
const DEADLINE: Duration = Duration::from_secs(26);
/// So long may it take to delete the tables on a server.
const CLEARING_UP: Duration = Duration::from_secs(2);
/// The process is gone after this much time even if nothing in it moves any more.
const LAST_RESORT: Duration = Duration::from_secs(29);

/// Watch a fleet of workers read a DynamoDB stream through roll-overs, splits, a crash and a deploy.
///
/// The last line says what was written and what was delivered. The exit status is 0 only if nothing was lost
/// and nothing was out of order.
#[derive(Parser, Debug)]
#[command(name = "quickstart")]
struct Flags {
    /// Decides the orders, when shards roll over, and who is killed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many records the writers make
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// How many workers share the shards
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=32))]
    workers: u16,
    /// End with one JSON object instead of the last line
    #[arg(long)]
    json: bool,
    /// Run against this server instead of the emulator in this process
    #[arg(long, value_name = "URL", value_parser = place::endpoint)]
    endpoint_url: Option<Uri>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let (flags, began) = (Flags::parse(), Instant::now());
    show_logs();
    let ended = match screen::end_at_last(LAST_RESORT) {
        Ok(()) => Box::pin(run(&flags, began)).await,
        Err(error) => Err(error.into()),
    };
    match ended.and_then(|verdict| report(&verdict, flags.json)) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("quickstart: {error}");
            let interrupted = error.is::<Interrupted>();
            ExitCode::from(if interrupted { 130 } else { 1 })
        }
    }
}

/// Sets the stage, plays, and clears up.
async fn run(flags: &Flags, began: Instant) -> Result<Verdict, Failure> {
    let stage = Stage::set(flags, began).await?;
    let mut screen = Screen::open(&stage)?;
    let time_left = DEADLINE.saturating_sub(stage.elapsed());
    let played = tokio::select! {
        biased;
        ended = screen.show(&stage) => Err(ended),
        played = timeout(time_left, script::play(&stage)) => {
            played.unwrap_or_else(|_| Err(stage.out_of_time().into()))
        }
    };
    let verdict = stage.verdict();
    let closed = screen.close(&stage);
    let cleared = timeout(CLEARING_UP, stage.place.clear_up()).await;
    match played {
        // What was counted up to here is true all the same.
        Err(error) if error.is::<OutOfTime>() => return Ok(verdict.cut_short(error.to_string())),
        played => played?,
    }
    closed?;
    cleared??;
    Ok(verdict)
}

fn report(verdict: &Verdict, json: bool) -> Result<ExitCode, Failure> {
    for complaint in verdict.complaints() {
        eprintln!("quickstart: {complaint}");
    }
    let last_line = match json {
        true => verdict.as_json()?,
        false => verdict.to_string(),
    };
    writeln!(std::io::stdout(), "{last_line}")?;
    Ok(match verdict.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What the workers write through `tracing`, if somebody asks: `RUST_LOG=shardkeeper=debug`.
fn show_logs() {
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_writer(std::io::stderr)
            .init();
    }
}
