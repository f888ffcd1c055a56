//! The same seed, the same story: here and in another process.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::process::{Child, Command, ExitCode, Stdio};

use shardkeeper_testkit::sim::{Seam, Wishes, run};

use crate::line::Line;

/// Of so many seeds one is at the SDK seam, if there are as many.
const SDK_SHARE: usize = 10;

/// The seeds that run twice: the first of both seams.
pub(crate) fn seeds(line: &Line) -> BTreeSet<u64> {
    let most = usize::try_from(line.twice.unwrap_or(0)).unwrap_or(usize::MAX);
    let seam_of = |seed: u64| line.seam.unwrap_or_else(|| Seam::of(seed));
    let at = |seam| line.seeds().filter(move |seed| seam_of(*seed) == seam);
    let sdk: BTreeSet<u64> = at(Seam::Sdk).take(most.div_ceil(SDK_SHARE)).collect();
    let others = most - sdk.len();
    sdk.into_iter().chain(at(Seam::Port).take(others)).collect()
}

/// What the other process does: one line for each seed.
pub(crate) fn print_hashes(line: &Line) -> ExitCode {
    for seed in seeds(line) {
        let wishes = Wishes {
            hash: true,
            seam: line.seam,
            ..Wishes::default()
        };
        println!("{seed} {:016x}", run(seed, &wishes).hash);
    }
    ExitCode::SUCCESS
}

/// Another process that runs the same seeds at the same time.
pub(crate) struct Other(Option<Child>);

impl Other {
    pub(crate) fn start(line: &Line) -> Self {
        let Range { start, end } = line.seeds();
        let (seeds, twice) = (end - start, line.twice.unwrap_or(0));
        let itself = std::env::current_exe().unwrap_or_default();
        let mut command = Command::new(itself);
        command
            .arg("--hashes")
            .args(["--from", &start.to_string(), "--seeds", &seeds.to_string()])
            .args(["--twice", &twice.to_string()])
            .args(line.seam.iter().flat_map(|seam| ["--seam", seam.name()]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Self(command.spawn().ok())
    }

    /// How many of these stories were others there.
    pub(crate) fn differ(self, ours: &BTreeMap<u64, u64>) -> usize {
        let output = self.0.and_then(|child| child.wait_with_output().ok());
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let theirs: BTreeSet<&str> = said.iter().flat_map(|said| said.lines()).collect();
        let ours = ours
            .iter()
            .map(|(seed, hash)| format!("{seed} {hash:016x}"));
        let (same, differ): (Vec<String>, Vec<String>) =
            ours.partition(|line| theirs.contains(line.as_str()));
        for line in &differ {
            println!("not the same story twice: {line} here, and not there");
        }
        println!(
            "{} of {} seeds had the same story in two processes",
            same.len(),
            same.len() + differ.len()
        );
        differ.len()
    }
}
