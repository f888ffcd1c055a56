//! Walks the scenarios: `cargo xtask model`.
#![expect(
    clippy::disallowed_methods,
    reason = "a development tool: it measures real time"
)]

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use serde_json::json;
use shardkeeper_model::{Checked, Plant, Scenario, Story, check};

const MILLION: NonZeroUsize = NonZeroUsize::new(1_000_000).unwrap();

#[derive(Parser)]
#[command(name = "shardkeeper-model", about, version)]
struct Line {
    /// More may go wrong at once: too many states for any memory, so each scenario is walked breadth first as far as
    /// `--million-states` lets it
    #[arg(long)]
    deep: bool,
    /// How many million states of a scenario are walked through in a deep walk
    #[arg(long, default_value = "4", requires = "deep")]
    million_states: NonZeroUsize,
    /// Only this scenario
    #[arg(long)]
    scenario: Option<String>,
    /// Plants a mistake, to see it found
    #[arg(long)]
    plant: Option<Plant>,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let line = Line::parse();
    let mut scenarios = Scenario::all();
    if let Some(name) = &line.scenario {
        scenarios.retain(|scenario| scenario.name == name);
        if scenarios.is_empty() {
            let names: Vec<&str> = Scenario::all().iter().map(|it| it.name).collect();
            eprintln!(
                "no scenario is called {name:?}; there are {}",
                names.join(", ")
            );
            return ExitCode::FAILURE;
        }
    }
    println!(
        "{:18} {:>7} {:>10} {:>6} {:>8}  result",
        "scenario", "workers", "states", "depth", "time"
    );
    let mut rows = Vec::new();
    let mut good = true;
    for scenario in scenarios {
        let scenario = if line.deep { scenario.deep() } else { scenario };
        let begun = Instant::now();
        let most = line
            .deep
            .then(|| line.million_states.saturating_mul(MILLION));
        let checked = check(&scenario, line.plant, most);
        let seconds = begun.elapsed().as_secs_f64();
        tell(&checked, seconds, line.deep);
        good &= checked.found.is_none() && (checked.complete || line.deep);
        rows.push(json!({
            "scenario": scenario.name,
            "workers": scenario.workers,
            "states": checked.states,
            "depth": checked.depth,
            "seconds": seconds,
            "complete": checked.complete,
            "broken": checked.found.as_ref().map(|found| found.rule),
        }));
    }
    if line.json {
        println!(
            "{}",
            json!({ "good": good, "deep": line.deep, "scenarios": rows })
        );
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn tell(checked: &Checked, seconds: f64, bounded: bool) {
    let Checked {
        scenario,
        states,
        depth,
        ..
    } = checked;
    let result = match (&checked.found, checked.complete) {
        (Some(found), _) => format!("BROKEN: {}", found.rule),
        (None, true) => format!("complete: {}", scenario.what),
        (None, false) if bounded => format!("nothing found that far: {}", scenario.what),
        (None, false) => "NOT COMPLETE".to_owned(),
    };
    println!(
        "{:18} {:>7} {states:>10} {depth:>6} {seconds:>6.1} s  {result}",
        scenario.name, scenario.workers
    );
    if let Some(found) = &checked.found {
        println!("{}", Story(found));
    }
}
