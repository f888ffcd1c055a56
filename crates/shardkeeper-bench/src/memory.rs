//! What a backlog in thousands of shards takes of one process's memory.
//!
//! Every shard has more than a page to read and a processor that takes its time. The worker is a process of its own, and
//! its `fetched_bytes_max` is the default.

pub(crate) mod member;

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shardkeeper::Settings;
use shardkeeper_testkit::emulator::EmulatorSettings;

use self::member::Sample;
use crate::Outcome;
use crate::child::ServerProcess;
use crate::report::Paint;
use crate::rig::{Rig, put_large};

/// Besides pages: the program, its tasks, and what the allocator and the HTTP client keep.
const BESIDES: u64 = 200 * 1024 * 1024;
/// The size of a record: two of them fill a page.
const RECORD_BYTES: usize = 390_000;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many shards have a backlog
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    shards: u32,
    /// How many records of 390 KB each shard has, about
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    records: u32,
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
    let records = options.shards * options.records;
    let text = "x".repeat(RECORD_BYTES);
    for number in 0..records {
        put_large(&rig.emulator, &format!("order-{number}"), &text)?;
        if (number + 1) % 2_000 == 0 {
            eprintln!("{} of {records} records of 390 KB are written", number + 1);
        }
    }
    let records = records.to_string();
    let arguments = [
        "memory-member",
        "--endpoint",
        &rig.endpoint,
        "--records",
        &records,
    ];
    let (_member, sample) = ServerProcess::start::<Sample>(&arguments)?;
    print!("{}", table(options, &sample, Paint::for_stdout())?);
    if options.json {
        println!(
            "{}",
            json!({
                "shards": options.shards,
                "fetched_bytes_max": Settings::default().fetched_bytes_max,
                "fetched_most_bytes": sample.most_fetched,
                "rss_most_bytes": sample.most_resident,
                "rss_idle_bytes": sample.idle_resident,
            })
        );
    }
    Ok(())
}

fn table(options: &Options, sample: &Sample, paint: Paint) -> Outcome<String> {
    let budget = Settings::default().fetched_bytes_max;
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let mut text = String::new();
    let head = format!(
        "{:<24}{:>12}{:>20}{:>24}{:>14}{:>16}",
        "backlogged, in MiB",
        "backlog",
        "fetched_bytes_max",
        "most that was fetched",
        "most RSS",
        "RSS before it"
    );
    writeln!(text, "{}", paint.bold(&head))?;
    let backlog = u64::from(options.shards * options.records) * RECORD_BYTES as u64;
    writeln!(
        text,
        "{:<24}{:>12.0}{:>20.0}{:>24.0}{:>14.0}{:>16.0}",
        format!("{} shards, 1 worker", options.shards),
        mib(backlog),
        mib(budget),
        mib(sample.most_fetched),
        mib(sample.most_resident),
        mib(sample.idle_resident),
    )?;
    let took = format!("read in {:.0} s", sample.took.as_secs_f64());
    writeln!(text, "{}", paint.dim(&took))?;
    text += &paint.goals([
        (
            "pages within fetched_bytes_max",
            sample.most_fetched <= budget,
        ),
        (
            "RSS within fetched_bytes_max and 200 MiB",
            sample.most_resident <= budget + BESIDES,
        ),
    ]);
    Ok(text)
}
