//! How long shards stand still when workers come, go and crash, and what an idle fleet costs.
//!
//! Workers are processes with default settings, the server is a process of its own, and time is real. Each scene has a
//! server, a writer that writes steadily to every shard, and a lease table of its own.

mod cost;
mod fleet;
mod journal;
pub(crate) mod member;
mod plot;
mod report;
mod scene;
pub(crate) mod source;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use shardkeeper::Settings;

use self::report::Report;
use self::stage::Setting;
use crate::Outcome;
use crate::report::Paint;

/// Two for each of ten workers.
const ROLLING_SHARDS: usize = 20;
const IDLE_HOURS: u64 = 2;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How often each scene is played, in percent of 30 deploys, 12 crashes, 12 joins and 1 rolling deploy
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// How many shards the stream has
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(8..=100))]
    shards: u16,
    /// How long a call to the server takes at least, there and back: about what it takes within a Region
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=1000))]
    latency_millis: u64,
    /// Plays only these scenes
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Writes a picture of the run, as SVG
    #[arg(long)]
    plot: Option<PathBuf>,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// SIGTERM, to the first record elsewhere
    Deploy,
    /// SIGKILL, to the first record elsewhere
    Crash,
    /// A third worker gets its share
    Join,
    /// Ten workers are replaced
    Rolling,
    /// What an idle fleet asks of the lease table
    Cost,
}

impl Options {
    fn plays(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// For a scene that is played so often in a full run.
    fn setting(&self, rounds: u32) -> Setting {
        Setting {
            shards: usize::from(self.shards),
            latency: Duration::from_millis(self.latency_millis),
            rounds: (rounds * self.rounds).div_ceil(100),
        }
    }
}

/// Plays the scenes and shows what was seen. A goal that is missed is shown; a record that is lost is an error.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let report = measure(options)?;
    print!("{}", report.table(Paint::for_stdout())?);
    if let Some(path) = &options.plot {
        std::fs::write(path, plot::draw(&report))?;
    }
    if options.json {
        println!("{}", report.json());
    }
    Ok(())
}

fn measure(options: &Options) -> Outcome<Report> {
    let mut report = Report {
        lease_duration: Settings::default().lease_duration,
        latency: Duration::from_millis(options.latency_millis),
        ..Report::default()
    };
    if options.plays(Part::Cost) {
        eprintln!("cost: an idle fleet for {IDLE_HOURS} virtual hours");
        let time = Duration::from_secs(IDLE_HOURS * 3600);
        report.cost = Some(cost::measure(cost::LEASES, time)?);
    }
    if options.plays(Part::Deploy) {
        report.deploy = Some(scene::deploy::run(options.setting(30))?);
    }
    if options.plays(Part::Crash) {
        report.crash = Some(scene::crash::run(options.setting(12))?);
    }
    if options.plays(Part::Join) {
        let (seen, balanced) = scene::join::run(options.setting(12))?;
        (report.join, report.balanced) = (Some(seen), balanced);
    }
    if options.plays(Part::Rolling) {
        report.rolling = Some(scene::rolling::run(Setting {
            shards: ROLLING_SHARDS,
            ..options.setting(1)
        })?);
    }
    Ok(report)
}
