//! The command line.

use std::ops::Range;
use std::time::Duration;

use clap::Parser;
use shardkeeper_testkit::sim::{Cut, Fault, Outcome, Plant, Seam};

const SEEDS: u64 = 2000;
const SEEDS_PLANTED: u64 = 10_000;

#[derive(Parser)]
#[command(name = "shardkeeper-sim", about, version)]
pub(crate) struct Line {
    /// How many seeds to run: 2000 by default, with --planted 10000 at most for each mistake
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    pub(crate) from: u64,
    /// Run this seed alone
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Meet the workers at this seam, `sdk` or `port`; by default one seed of a hundred at `sdk`
    #[arg(long, value_parser = seam)]
    pub(crate) seam: Option<Seam>,
    /// Tell the story of the seed, line by line
    #[arg(long, requires = "seed")]
    pub(crate) trace: bool,
    /// Plant one mistake after another, or those of these names, and see after how many seeds each is caught
    #[arg(long, num_args = 0.., value_delimiter = ',')]
    planted: Option<Vec<String>>,
    /// Leave these kinds of fault out
    #[arg(long, requires = "seed", value_delimiter = ',')]
    without: Vec<String>,
    /// At most so many workers
    #[arg(long, requires = "seed")]
    workers: Option<usize>,
    /// At most so many shards at the beginning
    #[arg(long, requires = "seed")]
    shards: Option<usize>,
    /// At most so many records
    #[arg(long, requires = "seed")]
    records: Option<usize>,
    /// Run so many of the seeds, of both seams, in a second process as well, and compare the hashes of their stories
    #[arg(long, conflicts_with_all = ["seed", "planted"], value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) twice: Option<u64>,
    /// Print the hash of the story of each seed that is to run twice, and nothing else
    #[arg(long, hide = true)]
    pub(crate) hashes: bool,
    /// The last line of output is one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// How many worlds run at once; as many as there are cores by default
    #[arg(long, alias = "threads")]
    cores: Option<usize>,
    /// Run ranges of seeds that nobody has run yet, until it is stopped or something is found, and keep a ledger of them
    #[arg(long, conflicts_with_all = ["seed", "twice", "hashes"])]
    pub(crate) campaign: bool,
    /// How long a campaign begins new ranges: `90s`, `10m`, `2h`
    #[arg(long = "for", requires = "campaign", value_parser = time)]
    pub(crate) lasts: Option<Duration>,
    /// Where the ledger of the campaign is
    #[arg(long, requires = "campaign", default_value = "docs/campaign.txt")]
    pub(crate) ledger: String,
    /// How many seeds make a line of it
    #[arg(long, requires = "campaign", default_value_t = 200)]
    pub(crate) range: u64,
    /// What the ledger calls this code, instead of what git does
    #[arg(long, requires = "campaign", hide = true)]
    pub(crate) code_version: Option<String>,
}

impl Line {
    /// How many worlds run at once.
    pub(crate) fn cores(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.cores.unwrap_or_else(all).max(1)
    }

    pub(crate) fn seeds(&self) -> Range<u64> {
        self.from..self.from.saturating_add(self.seeds.unwrap_or(SEEDS))
    }

    /// The mistakes to plant, one at a time; `None` when none was asked for. Says which one nobody knows.
    pub(crate) fn planted(&self) -> Result<Option<Vec<Plant>>, String> {
        let named =
            |name: &String| Plant::named(name).ok_or_else(|| format!("there is no plant {name:?}"));
        self.planted
            .as_ref()
            .map(|names| match names.as_slice() {
                [] => Ok(Plant::ALL.to_vec()),
                names => names.iter().map(named).collect(),
            })
            .transpose()
    }

    /// The seeds that each mistake has to be caught in.
    pub(crate) fn range_for_plants(&self) -> Range<u64> {
        self.from
            ..self
                .from
                .saturating_add(self.seeds.unwrap_or(SEEDS_PLANTED))
    }

    /// What a smaller run leaves out; says which fault nobody knows.
    pub(crate) fn cut(&self) -> Result<Cut, String> {
        let named =
            |name: &String| Fault::named(name).ok_or_else(|| format!("there is no fault {name:?}"));
        Ok(Cut {
            without: self.without.iter().map(named).collect::<Result<_, _>>()?,
            workers: self.workers,
            lineages: self.shards,
            records: self.records,
        })
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("a number and s, m or h".into()),
    };
    let number: u32 = number.parse().map_err(|_| "a number and s, m or h")?;
    Ok(Duration::from_secs(seconds) * number)
}

fn seam(name: &str) -> Result<Seam, String> {
    let seams = [Seam::Sdk, Seam::Port];
    let named = seams.into_iter().find(|seam| seam.name() == name);
    named.ok_or_else(|| "it is `sdk` or `port`".to_owned())
}

/// The words that run a seed again where it ran.
pub(crate) fn again(outcome: &Outcome) -> String {
    let (seed, seam) = (outcome.seed, outcome.seam.name());
    let planted = outcome.planted.map_or(String::new(), |plant| {
        format!(" --planted {}", plant.name())
    });
    format!("cargo xtask sim{planted} --seed {seed} --seam {seam} --trace")
}

/// The same as words on the command line.
pub(crate) fn words(cut: &Cut) -> String {
    let mut words = Vec::new();
    for (name, most) in [
        ("workers", cut.workers),
        ("shards", cut.lineages),
        ("records", cut.records),
    ] {
        words.extend(most.map(|most| format!("--{name} {most}")));
    }
    let without: Vec<&str> = cut.without.iter().map(|fault| fault.name()).collect();
    if !without.is_empty() {
        words.push(format!("--without {}", without.join(",")));
    }
    words.join(" ")
}
