//! Walks the scenarios: `cargo xtask model`.
#![expect(
    clippy::disallowed_methods,
    reason = "a development tool: it measures real time"
)]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use serde_json::json;
use shardkeeper_model::{Checked, Plant, Scenario, Story, check};

#[derive(Parser)]
#[command(name = "shardkeeper-model", about, version)]
struct Line {
    /// More may go wrong at once, which takes hours
    #[arg(long)]
    deep: bool,
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
        let checked = check(&scenario, line.plant);
        let seconds = begun.elapsed().as_secs_f64();
        tell(&checked, seconds);
        good &= checked.complete;
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

fn tell(checked: &Checked, seconds: f64) {
    let Checked {
        scenario,
        states,
        depth,
        ..
    } = checked;
    let result = match (&checked.found, checked.complete) {
        (Some(found), _) => format!("BROKEN: {}", found.rule),
        (None, true) => format!("complete: {}", scenario.what),
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
