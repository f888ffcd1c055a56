//! The same seed, the same story: here and in another process.

use std::ops::Range;
use std::process::{Command, ExitCode, Stdio};

use shardkeeper_testkit::sim::{Seam, Wishes, run};

/// One line for each seed.
pub(crate) fn print_hashes(seeds: Range<u64>) -> ExitCode {
    for seed in seeds {
        println!("{}", line_of(seed));
    }
    ExitCode::SUCCESS
}

/// How many of these seeds have another story in another process.
pub(crate) fn differ(from: u64, seeds: u64) -> usize {
    let (ours, theirs): (Vec<String>, String) = std::thread::scope(|both| {
        let theirs = both.spawn(|| in_another_process(from, seeds));
        let ours = (from..from.saturating_add(seeds)).map(line_of).collect();
        (ours, theirs.join().unwrap_or_default())
    });
    let theirs: Vec<&str> = theirs.lines().collect();
    let differ = (0..ours.len()).filter(|place| theirs.get(*place) != Some(&ours[*place].as_str()));
    let differ: Vec<usize> = differ.collect();
    for place in &differ {
        println!(
            "not the same story twice: {} here, {} there",
            ours[*place],
            theirs.get(*place).unwrap_or(&"nothing")
        );
    }
    println!(
        "{} of {seeds} seeds had the same story in two processes",
        ours.len() - differ.len()
    );
    differ.len()
}

fn in_another_process(from: u64, seeds: u64) -> String {
    let itself = std::env::current_exe().unwrap_or_default();
    let output = Command::new(itself)
        .args([
            "--hashes",
            "--from",
            &from.to_string(),
            "--seeds",
            &seeds.to_string(),
        ])
        .stdin(Stdio::null())
        .output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

/// One seed of ten at the SDK seam.
fn line_of(seed: u64) -> String {
    let wishes = Wishes {
        hash: true,
        seam: seed.is_multiple_of(10).then_some(Seam::Sdk),
        ..Wishes::default()
    };
    format!("{seed} {:016x}", run(seed, &wishes).hash)
}
