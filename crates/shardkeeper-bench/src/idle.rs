//! What thousands of idle shards cost one process: memory, CPU and calls.
//!
//! The worker is a process of its own, with default settings, and the server another one: this.

pub(crate) mod member;

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shardkeeper_testkit::emulator::EmulatorSettings;

use self::member::Sample;
use crate::Outcome;
use crate::child::ServerProcess;
use crate::report::Paint;
use crate::rig::Rig;

/// Goals for 10,000 shards.
const RSS: f64 = 400e6;
const CORES: f64 = 1.0;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many idle shards there are
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    shards: u32,
    /// How long is measured, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Outcome<()> {
    let settings = EmulatorSettings {
        initial_shards: usize::try_from(options.shards)?,
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    let rig = Rig::open(settings, Duration::ZERO)?;
    let (shards, seconds) = (options.shards.to_string(), options.seconds.to_string());
    let arguments = [
        "idle-member",
        "--endpoint",
        &rig.endpoint,
        "--shards",
        &shards,
        "--seconds",
        &seconds,
    ];
    // It says one line, after it has measured.
    let (_member, sample) = ServerProcess::start::<Sample>(&arguments)?;
    print!("{}", table(options, &sample, Paint::for_stdout())?);
    if options.json {
        println!(
            "{}",
            json!({
                "shards": options.shards,
                "rss_mb": (sample.rss_bytes as f64 / 1e5).round() / 10.0,
                "cores": (sample.cores() * 1000.0).round() / 1000.0,
                "polls_per_second": sample.polls_per_second().round(),
                "until_owned_s": sample.until_owned.as_secs_f64().round(),
            })
        );
    }
    Ok(())
}

fn table(options: &Options, sample: &Sample, paint: Paint) -> Outcome<String> {
    let mut text = String::new();
    let head = format!(
        "{:<22}{:>14}{:>18}{:>14}{:>20}",
        "idle shards, 1 worker", "RSS MB", "CPU, of a core", "polls/s", "us CPU for a poll"
    );
    writeln!(text, "{}", paint.bold(&head))?;
    let polls = sample.polls_per_second();
    writeln!(
        text,
        "{:<22}{:>14.0}{:>18.2}{:>14.0}{:>20.0}",
        options.shards,
        sample.rss_bytes as f64 / 1e6,
        sample.cores(),
        polls,
        sample.cores() / polls * 1e6,
    )?;
    let owned = format!(
        "all of them were leased and read {:.0} s after the worker's start; measured for {:.0} s",
        sample.until_owned.as_secs_f64(),
        sample.wall.as_secs_f64()
    );
    writeln!(text, "{}", paint.dim(&owned))?;
    text += &paint.goals([
        ("RSS under 400 MB", (sample.rss_bytes as f64) < RSS),
        ("under one core", sample.cores() < CORES),
    ]);
    Ok(text)
}
