//! The same seed, the same story: here and in another process.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::process::{Child, Command, ExitCode, Stdio};

use shardkeeper_testkit::sim::{Seam, Wishes, run};

use crate::line::Line;

/// Of so many seeds one is at the SDK seam, if there are as many and the command line names no seam.
const SDK_SHARE: usize = 10;

/// The seeds that run twice: the first of both seams, as many as were asked for. Says so when there are fewer.
pub(crate) fn seeds(line: &Line) -> Result<BTreeSet<u64>, String> {
    let asked = line.twice.unwrap_or(0);
    let most = usize::try_from(asked).unwrap_or(usize::MAX);
    let seeds = if line.seam.is_some() {
        line.seeds().take(most).collect()
    } else {
        of_both_seams(line.seeds(), most)
    };
    if seeds.len() < most {
        let there = seeds.len();
        return Err(format!(
            "--twice {asked} asks for more stories than there are: {there}"
        ));
    }
    Ok(seeds)
}

fn of_both_seams(seeds: Range<u64>, most: usize) -> BTreeSet<u64> {
    let at = |seam| seeds.clone().filter(move |seed| Seam::of(*seed) == seam);
    let share = most.div_ceil(SDK_SHARE);
    let sdk = at(Seam::Sdk).take(share);
    let others = at(Seam::Port).chain(at(Seam::Sdk).skip(share));
    sdk.chain(others).take(most).collect()
}

/// What the other process does: one line for each seed.
pub(crate) fn print_hashes(line: &Line, seeds: &BTreeSet<u64>) -> ExitCode {
    for &seed in seeds {
        let wishes = Wishes {
            hash: true,
            seam: line.seam,
            ..Wishes::default()
        };
        println!("{}", hash_line(seed, run(seed, &wishes).hash));
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

    /// True when each of these stories was told here and there, and was the same.
    pub(crate) fn agrees(self, asked: &BTreeSet<u64>, ours: &BTreeMap<u64, u64>) -> bool {
        let output = self.0.and_then(|child| child.wait_with_output().ok());
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let differ = differing(asked, ours, &said.unwrap_or_default());
        for seed in &differ {
            println!("not the same story twice: seed {seed}");
        }
        let same = asked.len() - differ.len();
        println!(
            "{same} of {} seeds had the same story in two processes",
            asked.len()
        );
        differ.is_empty()
    }
}

/// Of the seeds that were asked for, those whose story was another one in the other process, or was not told in both.
fn differing(asked: &BTreeSet<u64>, ours: &BTreeMap<u64, u64>, said: &str) -> Vec<u64> {
    let theirs: BTreeSet<&str> = said.lines().collect();
    let is_same = |seed: &u64| {
        let ours = ours.get(seed).map(|hash| hash_line(*seed, *hash));
        ours.is_some_and(|line| theirs.contains(line.as_str()))
    };
    let differ = asked.iter().filter(|seed| !is_same(seed));
    differ.copied().collect()
}

fn hash_line(seed: u64, hash: u64) -> String {
    format!("{seed} {hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn asked(words: &str) -> Result<BTreeSet<u64>, String> {
        let words = std::iter::once("sim").chain(words.split(' '));
        seeds(&Line::try_parse_from(words).map_err(|error| error.to_string())?)
    }

    fn at_sdk(seeds: &BTreeSet<u64>) -> usize {
        let at_sdk = |seed: &&u64| Seam::of(**seed) == Seam::Sdk;
        seeds.iter().filter(at_sdk).count()
    }

    #[test]
    fn one_story_of_ten_is_of_the_sdk_seam_and_all_are_where_a_seam_is_named() {
        let both = asked("--seeds 2000 --twice 50").unwrap();
        assert_eq!((both.len(), at_sdk(&both)), (50, 5));
        for seam in ["sdk", "port"] {
            let named = asked(&format!("--seam {seam} --seeds 2000 --twice 50"));
            assert_eq!(named.unwrap(), (1..=50).collect());
        }
    }

    #[test]
    fn as_many_stories_run_twice_as_were_asked_for_or_none() {
        assert_eq!(asked("--seeds 300 --twice 300").unwrap().len(), 300);
        for words in [
            "--seeds 49 --twice 50",
            "--seeds 0 --twice 1",
            "--seam sdk --seeds 49 --twice 50",
            "--twice 0",
            "--seed 1 --twice 1",
            "--planted --twice 1",
        ] {
            assert!(asked(words).is_err(), "{words}");
        }
        assert!(asked("--seeds 10").unwrap().is_empty());
    }

    #[test]
    fn a_story_that_was_not_told_in_both_processes_is_not_the_same() {
        let both = [1, 2].into();
        let ours = [(1, 10), (2, 20)].into();
        let told = format!("{}\n{}\n", hash_line(1, 10), hash_line(2, 20));
        assert!(differing(&both, &ours, &told).is_empty());
        assert_eq!(differing(&both, &ours, &hash_line(2, 20)), [1]);
        assert_eq!(differing(&both, &[(1, 10)].into(), &told), [2]);
        assert_eq!(differing(&both, &[(1, 11), (2, 20)].into(), &told), [1]);
        assert_eq!(differing(&both, &ours, ""), [1, 2]);
    }
}
