//! How long shards stand still when workers come, go and crash, and what an idle fleet costs.
//!
//! Workers are processes with default settings, the server is a process of its own, and time is real. Each scene has a
//! server, a writer that writes steadily to every shard, and a lease table of its own.

mod fleet;
mod journal;
pub(crate) mod member;
mod scene;
pub(crate) mod source;
mod stage;

use clap::{Args, ValueEnum};

use crate::Outcome;

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
}

impl Options {
    fn plays(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn rounds(&self, full: u32) -> u32 {
        (full * self.rounds).div_ceil(100)
    }
}

/// Plays the scenes and shows what was seen.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let shards = usize::from(options.shards);
    if options.plays(Part::Deploy) {
        println!(
            "{:?}",
            scene::deploy::run(shards, options.rounds(30))?.samples
        );
    }
    if options.plays(Part::Crash) {
        println!(
            "{:?}",
            scene::crash::run(shards, options.rounds(12))?.samples
        );
    }
    if options.plays(Part::Join) {
        println!(
            "{:?}",
            scene::join::run(shards, options.rounds(12))?.0.samples
        );
    }
    if options.plays(Part::Rolling) {
        println!("{:?}", scene::rolling::run(20, options.rounds(1))?.samples);
    }
    Ok(())
}
