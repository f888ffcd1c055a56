//! Runs the adversary of shardkeeper: worlds from seeds. Start it with `cargo xtask sim`.

mod campaign;
mod floors;
mod line;
mod planted;
mod sweep;
mod tell;
mod twice;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Parser;
use shardkeeper_testkit::sim::{Cut, Plant, Wishes, run};

use crate::line::Line;
use crate::sweep::{Plan, Total};

fn main() -> ExitCode {
    let line = Line::parse();
    let planted = match line.planted() {
        Ok(planted) => planted,
        Err(unknown) => return refuse(&unknown),
    };
    let twice = match twice::seeds(&line) {
        Ok(twice) => twice,
        Err(fewer) => return refuse(&fewer),
    };
    match (line.seed, planted) {
        (Some(seed), planted) => one(seed, planted.as_deref(), &line),
        (None, Some(plants)) => planted::all(&plants, &line),
        (None, None) if line.campaign => campaign::run(&line),
        (None, None) if line.hashes => twice::print_hashes(&line, &twice),
        (None, None) => many(&line, twice),
    }
}

fn one(seed: u64, planted: Option<&[Plant]>, line: &Line) -> ExitCode {
    let cut = match line.cut() {
        Ok(cut) => cut,
        Err(unknown) => return refuse(&unknown),
    };
    let whole = cut == Cut::default();
    let outcome = run(
        seed,
        &Wishes {
            trace: line.trace,
            hash: true,
            cut,
            planted: planted.and_then(|plants| plants.first().copied()),
            seam: line.seam,
            ..Wishes::default()
        },
    );
    println!("seed {seed}: hash {:016x}", outcome.hash);
    let mut total = Total::default();
    total.take_in(outcome);
    tell::violations(&total);
    if whole && !line.trace {
        tell::smallest(&total);
    }
    tell::summary(&total, line.json);
    verdict(total.failed.is_empty())
}

fn many(line: &Line, twice: BTreeSet<u64>) -> ExitCode {
    let other = line.twice.map(|_| twice::Other::start(line));
    let total = sweep::run_all(&Plan {
        seeds: line.seeds(),
        threads: line.cores(),
        hashed: twice.clone(),
        seam: line.seam,
    });
    tell::violations(&total);
    tell::smallest(&total);
    tell::table(&total);
    let floors = floors::missed(&total);
    for missed in &floors {
        println!("below the floor: {missed}");
    }
    let agreed = other.is_none_or(|other| other.agrees(&twice, &total.hashes));
    tell::summary(&total, line.json);
    verdict(total.failed.is_empty() && floors.is_empty() && agreed)
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}

fn verdict(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
