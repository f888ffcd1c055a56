//! Many seeds, on every core.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use shardkeeper_testkit::sim::{Injected, Outcome, Seam, Seen, Wishes, run};

/// What many runs came to.
#[derive(Default)]
pub(crate) struct Total {
    pub(crate) seeds: u64,
    /// Those of them whose workers spoke through the SDK.
    pub(crate) sdk_seeds: u64,
    pub(crate) virtual_millis: u64,
    /// The part of it in which a worker was at work.
    pub(crate) attended_millis: u64,
    pub(crate) seen: Seen,
    pub(crate) injected: Injected,
    /// Runs in which something was wrong.
    pub(crate) failed: Vec<Outcome>,
    pub(crate) violations: u64,
    pub(crate) took: Duration,
    /// Of the stories that were to be hashed, by seed.
    pub(crate) hashes: BTreeMap<u64, u64>,
}

impl Total {
    pub(crate) fn take_in(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.sdk_seeds += u64::from(outcome.seam == Seam::Sdk);
        self.virtual_millis += outcome.virtual_millis;
        self.attended_millis += outcome.attended_millis;
        self.seen.add(outcome.seen);
        self.injected.add(&outcome.injected);
        self.violations += outcome.violations.len() as u64;
        if !outcome.violations.is_empty() {
            self.failed.push(outcome);
        }
    }

    /// Hours in which a worker was at work: others prove nothing.
    pub(crate) fn virtual_hours(&self) -> f64 {
        self.attended_millis as f64 / 3_600_000.0
    }

    /// Those without one as well.
    pub(crate) fn hours_in_all(&self) -> f64 {
        self.virtual_millis as f64 / 3_600_000.0
    }
}

/// What is to be run, and how.
pub(crate) struct Plan {
    pub(crate) seeds: Range<u64>,
    /// How many worlds run at once.
    pub(crate) threads: usize,
    /// Hash the stories of these.
    pub(crate) hashed: BTreeSet<u64>,
    /// Where the workers meet the world, if not where the seed says.
    pub(crate) seam: Option<Seam>,
}

/// Runs all of these seeds.
#[expect(
    clippy::disallowed_methods,
    reason = "it measures real time and uses every core"
)]
pub(crate) fn run_all(plan: &Plan) -> Total {
    let began = Instant::now();
    let next = Mutex::new(longest_first(plan));
    let total = Mutex::new(Total::default());
    let take = || next.lock().ok().and_then(|mut next| next.next());
    let work = || {
        while let Some(seed) = take() {
            run_one(plan, seed, &total);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.threads {
            scope.spawn(work);
        }
    });
    let mut total = total.into_inner().unwrap_or_default();
    total.failed.sort_by_key(|outcome| outcome.seed);
    total.took = began.elapsed();
    total
}

/// All seeds, those at the SDK seam before the others: one of them takes as long as ten, and a core that begins one at
/// the end would be the last to go home.
fn longest_first(plan: &Plan) -> impl Iterator<Item = u64> + Send + use<> {
    let seam = plan.seam;
    let at = move |wanted| move |seed: &u64| seam.unwrap_or_else(|| Seam::of(*seed)) == wanted;
    let sdk = plan.seeds.clone().filter(at(Seam::Sdk));
    sdk.chain(plan.seeds.clone().filter(at(Seam::Port)))
}

fn run_one(plan: &Plan, seed: u64, total: &Mutex<Total>) {
    let wishes = Wishes {
        hash: plan.hashed.contains(&seed),
        seam: plan.seam,
        ..Wishes::default()
    };
    let outcome = run(seed, &wishes);
    for violation in outcome.violations.iter().take(1) {
        println!("seed {seed}: {} {}", violation.judge, violation.message);
    }
    if let Ok(mut total) = total.lock() {
        if wishes.hash {
            total.hashes.insert(seed, outcome.hash);
        }
        total.take_in(outcome);
    }
}
