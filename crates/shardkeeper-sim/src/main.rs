//! Runs the adversary of shardkeeper: worlds from seeds. Start it with `cargo xtask sim`.

mod floors;
mod line;
mod sweep;
mod tell;
mod twice;

use std::process::ExitCode;

use clap::Parser;
use shardkeeper_testkit::sim::{Wishes, run};

use crate::line::Line;
use crate::sweep::Total;

fn main() -> ExitCode {
    let line = Line::parse();
    match line.seed {
        Some(seed) => one(seed, &line),
        None if line.hashes => twice::print_hashes(line.range()),
        None => many(&line),
    }
}

fn one(seed: u64, line: &Line) -> ExitCode {
    let cut = match line.cut() {
        Ok(cut) => cut,
        Err(unknown) => {
            eprintln!("error: {unknown}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = run(
        seed,
        &Wishes {
            trace: line.trace,
            hash: true,
            cut,
        },
    );
    println!("seed {seed}: hash {:016x}", outcome.hash);
    let mut total = Total::default();
    total.take_in(outcome);
    tell::violations(&total);
    tell::summary(&total, line.json);
    verdict(total.failed.is_empty())
}

fn many(line: &Line) -> ExitCode {
    let total = sweep::run_all(line.range(), line.threads);
    tell::violations(&total);
    tell::smallest(&total);
    tell::table(&total);
    let floors = floors::missed(&total);
    for missed in &floors {
        println!("below the floor: {missed}");
    }
    let differ = line
        .twice
        .map_or(0, |seeds| twice::differ(line.from, seeds));
    tell::summary(&total, line.json);
    verdict(total.failed.is_empty() && floors.is_empty() && differ == 0)
}

fn verdict(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
