//! Makes a failing run smaller: fewer kinds of fault, workers, shards and records, as long as the same judge objects.

use super::run::{Outcome, Wishes, run};
use super::scenario::{Cut, Scenario};

/// Runs that are spent on one seed.
const MOST_RUNS: usize = 150;

/// The smallest run found in which the first judge of `failed` still objects, and how to leave the rest out.
#[must_use]
pub fn minimise(failed: &Outcome) -> (Cut, Outcome) {
    smallest(failed, |cut| {
        run(
            failed.seed,
            &Wishes {
                cut: cut.clone(),
                seam: Some(failed.seam),
                planted: failed.planted,
                ..Wishes::default()
            },
        )
    })
}

fn smallest(failed: &Outcome, again: impl FnMut(&Cut) -> Outcome) -> (Cut, Outcome) {
    let mut search = Search {
        again,
        judge: failed.judge().unwrap_or_default(),
        runs: 0,
        best: (Cut::default(), failed.clone()),
    };
    let whole = Scenario::of(failed.seed);
    search.shrink(whole.workers, |cut, workers| cut.workers = Some(workers));
    search.shrink(whole.lineages, |cut, lineages| {
        cut.lineages = Some(lineages)
    });
    search.shrink(whole.records, |cut, records| cut.records = Some(records));
    let faults: Vec<_> = whole.faults.iter().copied().collect();
    // Halves first: most of what a seed has switched on does not matter.
    for size in [faults.len() / 2, faults.len() / 4, 1] {
        for some in faults.chunks(size.max(1)) {
            search.attempt(|cut| cut.without.extend(some));
        }
    }
    search.best
}

struct Search<Again> {
    again: Again,
    judge: &'static str,
    runs: usize,
    best: (Cut, Outcome),
}

impl<Again: FnMut(&Cut) -> Outcome> Search<Again> {
    /// Keeps a smaller cut if the same judge objects to it.
    fn attempt(&mut self, change: impl FnOnce(&mut Cut)) -> bool {
        let mut cut = self.best.0.clone();
        change(&mut cut);
        if cut == self.best.0 || self.runs >= MOST_RUNS {
            return false;
        }
        self.runs += 1;
        let outcome = (self.again)(&cut);
        let same = outcome.judge() == Some(self.judge);
        if same {
            self.best = (cut, outcome);
        }
        same
    }

    /// Tries one, then doubles.
    fn shrink(&mut self, whole: usize, mut set: impl FnMut(&mut Cut, usize)) {
        let mut size = 1;
        while size < whole {
            if self.attempt(|cut| set(cut, size)) {
                return;
            }
            size *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::chaos::{Fault, Injected};
    use crate::sim::oracle::{Seen, Violation};

    /// A seed with several workers, lineages and many kinds of fault.
    fn large() -> (u64, Scenario) {
        let seeds = (1..).map(|seed| (seed, Scenario::of(seed)));
        let mut large = seeds.filter(|(_, scenario)| {
            scenario.workers > 2 && scenario.lineages > 2 && scenario.faults.len() > 10
        });
        large.next().unwrap()
    }

    fn outcome(seed: u64, judge: Option<&'static str>) -> Outcome {
        let violation = |judge| Violation {
            judge,
            at: 1,
            message: String::new(),
            story: Vec::new(),
        };
        Outcome {
            seed,
            seam: Scenario::of(seed).seam,
            planted: None,
            virtual_millis: 1,
            attended_millis: 1,
            seen: Seen::default(),
            injected: Injected::default(),
            hash: 0,
            violations: judge.map(violation).into_iter().collect(),
        }
    }

    #[test]
    fn what_a_failure_does_not_need_is_left_out_and_what_it_needs_stays() {
        let (seed, whole) = large();
        let needed: Vec<Fault> = whole.faults.iter().copied().step_by(7).collect();
        let fails = |cut: &Cut| {
            let there = |fault| !cut.without.contains(fault);
            cut.workers.is_none_or(|most| most >= 2) && needed.iter().all(there)
        };
        let mut runs = 0;
        let (cut, found) = smallest(&outcome(seed, Some("S1")), |cut| {
            runs += 1;
            outcome(seed, fails(cut).then_some("S1"))
        });
        assert_eq!(found.judge(), Some("S1"));
        assert_eq!(
            (cut.workers, cut.lineages, cut.records),
            (Some(2), Some(1), Some(1))
        );
        let left = whole
            .faults
            .iter()
            .filter(|fault| !cut.without.contains(fault));
        assert_eq!(left.copied().collect::<Vec<_>>(), needed);
        assert!(runs <= MOST_RUNS);
    }

    #[test]
    fn a_smaller_run_to_which_another_judge_objects_is_another_failure() {
        let (seed, whole) = large();
        let (cut, found) = smallest(&outcome(seed, Some("S1")), |_| outcome(seed, Some("L10")));
        assert_eq!(
            (cut, found.judge()),
            (Cut::default(), Some("S1")),
            "{whole:?}"
        );
    }
}
