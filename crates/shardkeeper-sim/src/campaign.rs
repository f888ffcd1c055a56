//! A campaign: ranges of seeds that nobody has run yet, one after another for as long as one lets it, each with a line in
//! a ledger that is committed.

mod entry;
mod ledger;
mod version;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use self::entry::Entry;
use self::ledger::Ledger;
use crate::line::Line;
use crate::sweep::{self, Plan, Total};
use crate::tell;

/// Seeds below are those of `cargo xtask test`.
const FIRST: u64 = 2001;

/// FNV-1a over the hashes of all seeds of a range, in their order.
const HASH_BEGINS: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0100_0000_01b3;

/// Runs ranges until the time is over or something is found.
pub(crate) fn run(line: &Line) -> ExitCode {
    match march(line) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// False when something was found.
#[expect(
    clippy::disallowed_methods,
    reason = "a campaign lasts for some real time"
)]
fn march(line: &Line) -> Result<bool, String> {
    let began = Instant::now();
    let version = match &line.code_version {
        Some(version) => version.clone(),
        None => version::of_the_sources()?,
    };
    let (mut ledger, entries) = Ledger::open(Path::new(&line.ledger))?;
    let mut next = next_seed(&entries);
    let cores = line.cores();
    println!("{}", Entry::HEAD);
    loop {
        let seeds = next..next + line.range.max(1);
        let total = sweep::run_all(&Plan {
            seeds: seeds.clone(),
            threads: cores,
            hashed: seeds.collect(),
            seam: line.seam,
        });
        let entry = entry_of(&total, (&version, next), cores);
        ledger.append(&entry)?;
        println!("{entry}");
        next = entry.last + 1;
        if !total.failed.is_empty() {
            tell::violations(&total);
            tell::smallest(&total);
            return Ok(false);
        }
        if line.lasts.is_some_and(|lasts| began.elapsed() >= lasts) {
            return Ok(true);
        }
    }
}

/// No seed is run twice, whatever the code was: another one finds more.
fn next_seed(entries: &[Entry]) -> u64 {
    let last = entries.iter().map(|entry| entry.last).max();
    last.map_or(FIRST, |last| last + 1)
}

fn entry_of(total: &Total, (version, first): (&str, u64), cores: usize) -> Entry {
    let spent = total.took.max(Duration::from_millis(1)).as_secs_f64() * cores as f64;
    let found = total.failed.iter().filter_map(|outcome| {
        let violation = outcome.violations.first()?;
        Some(format!("{}:{}", outcome.seed, violation.judge))
    });
    Entry {
        version: version.to_owned(),
        first,
        last: first + total.seeds - 1,
        hours: total.virtual_hours().round() as u64,
        records: total.seen.records,
        faults: total.injected.total(),
        violations: total.violations,
        hash: total.hashes.values().fold(HASH_BEGINS, |hash, of_seed| {
            of_seed.to_le_bytes().iter().fold(hash, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(HASH_PRIME)
            })
        }),
        cores: cores as u64,
        speed: (total.attended_millis as f64 / 1000.0 / spent) as u64,
        found: found.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_goes_on_behind_every_seed_that_any_version_has_run() {
        let entry = |version: &str, first, last| Entry {
            version: version.into(),
            first,
            last,
            ..Entry::default()
        };
        assert_eq!(next_seed(&[]), FIRST);
        let entries = [entry("a", 2001, 2200), entry("b", 2201, 2400)];
        assert_eq!(next_seed(&entries), 2401);
    }
}
