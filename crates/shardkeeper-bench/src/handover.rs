//! How long shards stand still when workers come, go and crash, and what an idle fleet costs.
//!
//! Workers are processes with default settings, the server is a process of its own, and time is real. Each scene has a
//! server, a writer that writes steadily to every shard, and a lease table of its own.

mod cost;
mod distribution;
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

    fn rounds(&self, full: u32) -> u32 {
        (full * self.rounds).div_ceil(100)
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
    let shards = usize::from(options.shards);
    let mut report = Report {
        lease_duration: Settings::default().lease_duration,
        ..Report::default()
    };
    if options.plays(Part::Cost) {
        eprintln!("cost: an idle fleet for {IDLE_HOURS} virtual hours");
        report.cost = Some(cost::measure(Duration::from_secs(IDLE_HOURS * 3600))?);
    }
    if options.plays(Part::Deploy) {
        report.deploy = Some(scene::deploy::run(shards, options.rounds(30))?);
    }
    if options.plays(Part::Crash) {
        report.crash = Some(scene::crash::run(shards, options.rounds(12))?);
    }
    if options.plays(Part::Join) {
        let (seen, balanced) = scene::join::run(shards, options.rounds(12))?;
        (report.join, report.balanced) = (Some(seen), balanced);
    }
    if options.plays(Part::Rolling) {
        report.rolling = Some(scene::rolling::run(ROLLING_SHARDS, options.rounds(1))?);
    }
    Ok(report)
}
