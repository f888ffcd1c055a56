//! The same changes in a quiet world and in hostile ones must leave the same behind.

use std::fmt::Debug;

use shardkeeper::{RecordProcessor, ShardContext};

use super::builder::WorldBuilder;
use super::run::Run;

/// Lines of the story in the message of a failure.
const TOLD: usize = 30;

impl WorldBuilder {
    /// Runs the changes in a quiet world and in [`worlds`](Self::worlds) hostile ones, each with a processor and a sink
    /// made anew, and compares what is left in the sinks.
    ///
    /// `make` returns the factory of the processors, and a function that shows the sink once the world is over: a map, a
    /// sum, a list of rows. A processor that counts deliveries, acknowledges before its sink has the data, keeps what
    /// matters in memory or takes equal timestamps for repetitions leaves something else.
    ///
    /// # Panics
    /// When a world leaves something else than the quiet one, with both by their own `Debug` and the story of the
    /// world; and when anything was lost, as [`Run::assert_nothing_lost`].
    #[track_caller]
    pub fn assert_idempotent<P, F, O, S>(self, mut make: impl FnMut() -> (F, O))
    where
        P: RecordProcessor,
        F: Fn(&ShardContext) -> P + Send + Sync + 'static,
        O: FnOnce() -> S,
        S: PartialEq + Debug,
    {
        let mut once = |world: Self| -> (S, Run) {
            let (factory, show) = make();
            let run = world.run(factory);
            (show(), run)
        };
        let (expected, run) = once(self.clone().quiet());
        run.assert_nothing_lost();
        for seed in (self.seed..).take(usize::try_from(self.worlds).unwrap_or(usize::MAX)) {
            let (found, run) = once(self.clone().seed(seed));
            run.assert_nothing_lost();
            assert!(
                found == expected,
                "seed {seed}: the sink is not as in a quiet world: {} of {} deliveries were repetitions.\n  quiet:   {expected:?}\n  hostile: {found:?}\nWhat happened to the workers:\n{}",
                run.redelivered(),
                run.deliveries().len(),
                run.upheavals(TOLD)
            );
        }
    }
}
