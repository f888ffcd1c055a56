//! What a scene gives.

pub(super) mod crash;
pub(super) mod deploy;
pub(super) mod join;
pub(super) mod rolling;

use std::time::Duration;

use super::journal::{Counts, Delivery, Journal};

/// How much of the time before and after what happened is drawn.
const AROUND: Duration = Duration::from_secs(2);
/// A shard is read a few times a second.
const BEYOND: Duration = Duration::from_secs(1);
/// Long enough for everything that is drawn to have been seen.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// What was seen in one scene.
#[derive(Debug)]
pub(super) struct Seen {
    /// One for each shard that moved, in each round.
    pub(super) samples: Vec<Duration>,
    pub(super) rounds: u32,
    /// Records that came once more.
    pub(super) again: usize,
    pub(super) timeline: Timeline,
}

/// A stretch of a scene, to be drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    pub(super) shards: usize,
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) marks: Vec<Mark>,
}

/// Something that was done to a worker.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) at: Duration,
    pub(super) what: String,
}

impl Timeline {
    /// What happened from `from` until `to`, and a little before and after it.
    fn of(journal: &Journal, from: Duration, to: Duration, marks: Vec<Mark>) -> Self {
        let (from, to) = (from.saturating_sub(AROUND), to + AROUND);
        // What goes on beyond an edge must not seem to end before it.
        let deliveries = journal.between(from.saturating_sub(BEYOND), to + BEYOND);
        Self {
            shards: journal.shards(),
            from,
            to,
            deliveries,
            marks,
        }
    }
}

impl Mark {
    fn new(at: Duration, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
        }
    }
}

fn longest(samples: &[Duration]) -> Duration {
    samples.iter().max().copied().unwrap_or_default()
}

/// Shows that something is going on.
fn tell(scene: &str, (round, rounds): (u32, u32), samples: &[Duration], counts: Counts) {
    let (shards, longest) = (samples.len(), longest(samples).as_secs_f64());
    let Counts {
        again,
        freed,
        demotions,
    } = counts;
    eprintln!(
        "{scene} {round}/{rounds}: {shards} shards, longest pause {longest:.2} s, {again} records came again, \
         {freed} leases were freed, {demotions} workers gave themselves up"
    );
}
