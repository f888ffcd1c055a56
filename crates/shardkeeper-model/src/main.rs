//! Walks the scenarios: `cargo xtask model`.
#![expect(
    clippy::disallowed_methods,
    reason = "a development tool: it measures real time"
)]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use shardkeeper_model::{Plant, Scenario, Story, check};

#[derive(Parser)]
#[command(name = "shardkeeper-model", about, version)]
struct Line {
    /// Only this scenario
    #[arg(long)]
    scenario: Option<String>,
    /// Budget as letters, for trying out
    #[arg(long)]
    budget: Option<String>,
    /// Plant a mistake
    #[arg(long)]
    plant: Option<Plant>,
}

fn main() -> ExitCode {
    let line = Line::parse();
    let mut failed = false;
    for mut scenario in Scenario::all() {
        if let Some(b) = &line.budget {
            let n = |c: char| b.chars().filter(|x| *x == c).count() as u8;
            scenario.budget = shardkeeper_model::Budget {
                slow_beats: n('b'),
                slow_reads: n('r'),
                lost: n('o'),
                late: n('t'),
                crashes: n('c'),
                lives: n('l'),
                asks: n('a'),
                leaves: n('v'),
                vanishing: n('x'),
                shows: n('s'),
                trims: n('m'),
                flaps: n('f'),
                hangs: n('h'),
            };
        }
        if line
            .scenario
            .as_ref()
            .is_some_and(|name| name != scenario.name)
        {
            continue;
        }
        let begun = Instant::now();
        let checked = check(&scenario, line.plant);
        println!(
            "{:16} {} workers {:9} states depth {:3} {:6.1} s complete {}",
            scenario.name,
            scenario.workers,
            checked.states,
            checked.depth,
            begun.elapsed().as_secs_f64(),
            checked.complete
        );
        if let Some(found) = &checked.found {
            failed = true;
            println!("{}", Story(found));
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
