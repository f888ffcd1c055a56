//! Mistakes planted in the product, one at a time: is the world hostile enough to find each of them?

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use shardkeeper_testkit::sim::{PLANTS_ARE_POSSIBLE, Plant, Wishes, run};

use crate::line::Line;

/// Seeds without any mistake, of the same build.
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
        eprintln!(
            "error: this build has no mistakes in it; `cargo xtask sim --planted` makes one that has"
        );
        return ExitCode::FAILURE;
    }
    let control = search(None, line.from..line.from + CONTROL, line);
    match &control {
        Some(found) => println!(
            "without any mistake, seed {}: {} {}",
            found.seed, found.judge, found.message
        ),
        None => println!("without any mistake {CONTROL} seeds find nothing"),
    }
    let widest = plants
        .iter()
        .map(|plant| plant.name().len())
        .max()
        .unwrap_or(0);
    let mut after = Vec::new();
    for plant in plants {
        let caught = search(Some(*plant), line.range_for_plants(), line);
        after.extend(caught.as_ref().map(|caught| caught.seed - line.from + 1));
        println!("{}", row(*plant, caught.as_ref(), line.from, widest));
    }
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
    crate::verdict(caught == total && control.is_none())
}

fn row(plant: Plant, caught: Option<&Caught>, from: u64, widest: usize) -> String {
    let name = plant.name();
    let found = caught.map_or_else(
        || format!("{:>6} {:<5}", "-", "-"),
        |caught| format!("{:>6} {:<5}", caught.seed - from + 1, caught.judge),
    );
    format!("{name:<widest$} {found} {}", plant.what())
}

/// The first seed in which something is wrong. Seeds are given out in order, so every seed before it was run to its end.
#[expect(clippy::disallowed_methods, reason = "it uses every core")]
fn search(planted: Option<Plant>, seeds: Range<u64>, line: &Line) -> Option<Caught> {
    let next = AtomicU64::new(seeds.start);
    let caught = Mutex::new(None::<Caught>);
    let wishes = Wishes {
        first_only: true,
        planted,
        ..Wishes::default()
    };
    let look = || caught.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end || look().is_some() {
            return;
        }
        let Some(violation) = run(seed, &wishes).violations.into_iter().next() else {
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
        for _ in 0..line.threads() {
            scope.spawn(work);
        }
    });
    caught.into_inner().unwrap_or_else(PoisonError::into_inner)
}
