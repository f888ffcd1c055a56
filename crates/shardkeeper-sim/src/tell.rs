//! What people and machines read.

use serde_json::json;
use shardkeeper_testkit::sim::{Fault, minimise};

use crate::line;
use crate::sweep::Total;

/// Failing seeds of which the story is told.
const STORIES: usize = 3;

/// What was wrong, and the story before it.
pub(crate) fn violations(total: &Total) {
    for outcome in total.failed.iter().take(STORIES) {
        println!("\nseed {}:", outcome.seed);
        for violation in &outcome.violations {
            println!(
                "  {} at {} s: {}",
                violation.judge,
                violation.at as f64 / 1000.0,
                violation.message
            );
        }
        if let Some(first) = outcome.violations.first() {
            println!("  the last events before the first:");
            for line in &first.story {
                println!("    {line}");
            }
        }
        println!("  again: {}", line::again(outcome));
    }
}

/// How often everything happened.
pub(crate) fn table(total: &Total) {
    println!("\nfaults:");
    for row in Fault::ALL.chunks(4) {
        let cells: Vec<String> = row
            .iter()
            .map(|fault| format!("{:>18} {:<9}", fault.name(), total.injected.of(*fault)))
            .collect();
        println!("{}", cells.join(""));
    }
    let seen = total.seen;
    println!(
        "roll-overs {}, trims {}, take-overs {}, hand-overs {}, resumed after a restore {}",
        seen.rollovers, seen.trims, seen.takeovers, seen.handovers, seen.resumes
    );
    println!(
        "{:.0} virtual hours, {:.0} of them with a worker at work",
        total.hours_in_all(),
        total.virtual_hours()
    );
    println!("{} seeds at the SDK seam", total.sdk_seeds);
    println!(
        "{:.1} s, {:.1} ms a seed",
        total.took.as_secs_f64(),
        total.took.as_secs_f64() * 1000.0 / total.seeds.max(1) as f64
    );
}

/// The last lines.
pub(crate) fn summary(total: &Total, as_json: bool) {
    let (hours, faults) = (total.virtual_hours(), total.injected.total());
    let line = format!(
        "sim: {} seeds, {hours:.0} virtual hours, {} records, {faults} faults, {} violations",
        total.seeds, total.seen.records, total.violations
    );
    println!("{line}");
    if as_json {
        let kinds: serde_json::Map<String, serde_json::Value> = Fault::ALL
            .iter()
            .map(|fault| (fault.name().to_owned(), total.injected.of(*fault).into()))
            .collect();
        let object = json!({
            "seeds": total.seeds, "sdk_seeds": total.sdk_seeds, "virtual_hours": hours, "records": total.seen.records, "faults": faults,
            "rollovers": total.seen.rollovers, "trims": total.seen.trims, "takeovers": total.seen.takeovers,
            "handovers": total.seen.handovers, "resumes": total.seen.resumes, "virtual_hours_in_all": total.hours_in_all(),
            "violations": total.violations, "seconds": total.took.as_secs_f64(),
            "kinds": kinds,
        });
        println!("{object}");
    }
}

/// The smallest run of the first failing seed that fails in the same way.
pub(crate) fn smallest(total: &Total) {
    let Some(failed) = total.failed.first() else {
        return;
    };
    let (cut, outcome) = minimise(failed);
    let Some(violation) = outcome.violations.first() else {
        return;
    };
    println!(
        "\nthe smallest run of seed {} that fails in this way:",
        failed.seed
    );
    println!(
        "  {} at {} s: {}",
        violation.judge,
        violation.at as f64 / 1000.0,
        violation.message
    );
    println!("  {} {}", line::again(failed), line::words(&cut));
}
