//! Mistakes planted in the product, one at a time: is the world hostile enough to find each of them?

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use shardkeeper_testkit::sim::{PLANTS_ARE_POSSIBLE, Plant, Seam, Violation, Wishes, run};

use crate::line::Line;

/// Seeds without any mistake, of the same build; beside each that caught one.
const CONTROL: u64 = 100;

/// How a mistake was caught.
struct Caught {
    seed: u64,
    judge: &'static str,
    message: String,
}

/// Looks for each of these until it is caught.
pub(crate) fn all(plants: &[Plant], line: &Line) -> ExitCode {
    if !PLANTS_ARE_POSSIBLE {
        let how = "`cargo xtask sim --planted` makes one that has";
        return crate::refuse(&format!("this build has no mistakes in it; {how}"));
    }
    let seeds = line.from..line.from.saturating_add(CONTROL);
    let mut blamed: Vec<Caught> = search(None, seeds, line).into_iter().collect();
    let names = plants.iter().map(|plant| plant.name().len());
    let widest = names.max().unwrap_or(0);
    println!(
        "{:<widest$} {:>6} {:<5} what goes wrong",
        "plant", "seeds", "judge"
    );
    let mut after = Vec::new();
    for plant in plants {
        let caught = search(Some(*plant), line.range_for_plants(), line);
        println!("{}", row(*plant, caught.as_ref(), line.from, widest));
        if let Some(Caught { seed, .. }) = caught {
            after.push(seed - line.from + 1);
            // A world that objects whatever is planted in it has caught nothing.
            let innocent = search(None, seed..seed + 1, line);
            blamed.extend(innocent);
        }
    }
    for Caught {
        seed,
        judge,
        message,
    } in &blamed
    {
        println!("without any mistake, seed {seed}: {judge} {message}");
    }
    println!(
        "the story of one: cargo xtask sim --planted NAME --seed N --trace, N = {} + seeds",
        line.from - 1
    );
    after.sort_unstable();
    let median = after.get(after.len() / 2).copied().unwrap_or(0);
    let (caught, total) = (after.len(), plants.len());
    println!("planted: {caught}/{total} caught, median {median} seeds");
    if line.json {
        println!(
            "{}",
            json!({ "caught": caught, "total": total, "median_seeds": median })
        );
    }
    crate::verdict(caught == total && blamed.is_empty())
}

fn row(plant: Plant, caught: Option<&Caught>, from: u64, widest: usize) -> String {
    let name = plant.name();
    let found = caught.map_or_else(
        || format!("{:>6} {:<5}", "-", "-"),
        |caught| format!("{:>6} {:<5}", caught.seed - from + 1, caught.judge),
    );
    format!("{name:<widest$} {found} {}", plant.what())
}

fn first_violation(seed: u64, planted: Option<Plant>, seam: Seam) -> Option<Violation> {
    let wishes = Wishes {
        first_only: true,
        planted,
        seam: Some(seam),
        ..Wishes::default()
    };
    run(seed, &wishes).violations.into_iter().next()
}

/// The first seed in which something is wrong. Seeds are given out in order, so every seed before it was run to its end.
fn search(planted: Option<Plant>, seeds: Range<u64>, line: &Line) -> Option<Caught> {
    // For speed: hardly any of them is in what speaks to the SDK.
    let seam = line.seam.unwrap_or(match planted {
        Some(Plant::StaleRowsRead) => Seam::Sdk,
        _ => Seam::Port,
    });
    let next = AtomicU64::new(seeds.start);
    let caught = Mutex::new(None::<Caught>);
    let look = || caught.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end || look().is_some() {
            return;
        }
        let Some(violation) = first_violation(seed, planted, seam) else {
            continue;
        };
        let mut caught = look();
        if caught.as_ref().is_none_or(|first| seed < first.seed) {
            let (judge, message) = (violation.judge, violation.message);
            *caught = Some(Caught {
                seed,
                judge,
                message,
            });
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..line.cores() {
            scope.spawn(work);
        }
    });
    caught.into_inner().unwrap_or_else(PoisonError::into_inner)
}
