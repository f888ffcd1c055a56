//! A crash at every await: one small world without any other fault, lived through again and again, and each time the
//! first worker is gone one poll later, from its first poll to its last before the world heals.

use std::time::Duration;

use super::chaos::Fault;
use super::ground::{MINUTE, SECOND};
use super::run::{Wishes, run_through};
use super::scenario::{Beginning, Scenario, Seam};

/// More polls than a worker has in that time.
const MANY: u64 = 20_000;
/// Fewer than that: the sweep goes through a life, not through its beginning.
const SOME: u64 = 200;

/// Two workers go on with a stream that was read before; a shard rolls over while they read.
fn small(fuse: u64) -> Scenario {
    let mut scenario = Scenario::of(3).at(Seam::Port);
    scenario.faults.clear();
    (scenario.workers, scenario.lineages) = (2, 3);
    (scenario.keys, scenario.records, scenario.page) = (6, 150, 3);
    scenario.trouble = MINUTE + 40 * SECOND;
    scenario.beginning = Beginning::MidLife;
    scenario.slow_table = false;
    scenario.settings.idle_poll_max = Duration::from_secs(5);
    scenario.settings.checkpoint_interval = Duration::from_secs(1);
    scenario.fuse = Some(fuse);
    scenario
}

#[test]
fn s1_s10_a_crash_at_any_poll_of_a_life_breaks_no_promise() {
    for poll in 0..MANY {
        let outcome = run_through(small(poll), &Wishes::default());
        assert_eq!(outcome.violations, [], "crashed at poll {poll}");
        if outcome.injected.of(Fault::Crash) == 0 {
            assert!(poll > SOME, "it lived for {poll} polls");
            return;
        }
    }
    panic!("it lives longer than {MANY} polls");
}
