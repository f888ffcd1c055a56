//! How long to wait between two attempts: the only place that knows.
//!
//! The intervals come from the `backoff` crate, which the project's owner named and nobody maintains any
//! more (docs/adr/0002): only its arithmetic is used, with its own jitter off and without its clock. The
//! jitter is ours, from the worker's dice.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use shardkeeper_core::planted;

use crate::env::Env;

/// The first interval.
const FIRST: Duration = Duration::from_millis(50);
/// The longest interval.
const LONGEST: Duration = Duration::from_secs(20);

/// A series of attempts at one thing.
#[derive(Debug)]
pub(crate) struct Retry {
    env: Env,
    intervals: ExponentialBackoff,
    attempts: u32,
}

impl Retry {
    /// Intervals that double from 50 ms to 20 s.
    pub(crate) fn new(env: &Env) -> Self {
        Self::bounded(env, FIRST, LONGEST)
    }

    /// Intervals that double from `first` to `longest`.
    pub(crate) fn bounded(env: &Env, first: Duration, longest: Duration) -> Self {
        let intervals = ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: longest,
            // Its clock is the real one, so it must never decide when to give up; the callers do.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self {
            env: env.clone(),
            intervals,
            attempts: 0,
        }
    }

    /// How many pauses there were since the last success.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next pause: between half and all of the interval, so that a fleet spreads.
    pub(crate) fn next_pause(&mut self) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        let interval = self.intervals.next_backoff().unwrap_or(LONGEST);
        if planted!(NoBackoff) {
            return Duration::ZERO;
        }
        if planted!(NoJitter) {
            return interval;
        }
        interval / 2 + self.env.up_to(interval / 2)
    }

    /// Waits for the next pause. May be cancelled by dropping it.
    pub(crate) async fn pause(&mut self) {
        let pause = self.next_pause();
        self.env.sleep(pause).await;
    }

    /// It worked: begin with the first interval again.
    pub(crate) fn succeeded(&mut self) {
        if self.attempts > 0 {
            self.attempts = 0;
            self.intervals.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn intervals_double_up_to_the_longest_and_begin_again_after_a_success() {
        let mut retry = Retry::bounded(
            &Env::simulated(1),
            Duration::from_secs(1),
            Duration::from_secs(8),
        );
        for interval in [1, 2, 4, 8, 8].map(Duration::from_secs) {
            let pause = retry.next_pause();
            assert!(
                pause >= interval / 2 && pause <= interval,
                "{pause:?} of {interval:?}"
            );
        }
        retry.succeeded();
        assert!(retry.next_pause() <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_gives_the_same_pauses() {
        let pauses = |seed| {
            let mut retry = Retry::new(&Env::simulated(seed));
            (0..20).map(|_| retry.next_pause()).collect::<Vec<_>>()
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
    }
}
