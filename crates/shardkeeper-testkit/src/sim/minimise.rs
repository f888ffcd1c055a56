//! Makes a failing run smaller: fewer kinds of fault, workers, shards and records, as long as the same judge objects.

use super::run::{Outcome, Wishes, run};
use super::scenario::{Cut, Scenario, Seam};

/// Runs that are spent on one seed.
const MOST_RUNS: usize = 150;

/// The smallest run found in which the first judge of `failed` still objects, and how to leave the rest out.
#[must_use]
pub fn minimise(failed: &Outcome) -> (Cut, Outcome) {
    let mut search = Search {
        seed: failed.seed,
        seam: failed.seam,
        judge: failed
            .violations
            .first()
            .map_or("", |violation| violation.judge),
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

struct Search {
    seed: u64,
    seam: Seam,
    judge: &'static str,
    runs: usize,
    best: (Cut, Outcome),
}

impl Search {
    /// Keeps a smaller cut if the same judge objects to it.
    fn attempt(&mut self, change: impl FnOnce(&mut Cut)) -> bool {
        let mut cut = self.best.0.clone();
        change(&mut cut);
        if cut == self.best.0 || self.runs >= MOST_RUNS {
            return false;
        }
        self.runs += 1;
        let wishes = Wishes {
            cut: cut.clone(),
            seam: Some(self.seam),
            ..Wishes::default()
        };
        let outcome = run(self.seed, &wishes);
        let same = outcome
            .violations
            .first()
            .is_some_and(|violation| violation.judge == self.judge);
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
