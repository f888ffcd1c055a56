//! The numbers that a user may turn. Defaults are safe for production as they stand.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

const MIB: u64 = 1024 * 1024;

/// Numbers only; who, where and what are methods of the builder. Durations deserialise from
/// `{ "secs": .., "nanos": .. }`, serde's own form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// How long a silent worker is believed alive; default 10 s, as KCL. Too low: a pause of the
    /// process or the network loses leases. Too high: a crash pauses its shards for longer. See
    /// [`beat_interval`](Self::beat_interval).
    pub lease_duration: Duration,
    /// How often a worker says that it lives: one small write each; default 1 s. Too low: costs
    /// writes. Too high: one lost beat is missed sooner, and hand-offs are noticed later. At most a
    /// fifth of [`lease_duration`](Self::lease_duration).
    pub beat_interval: Duration,
    /// How much earlier than the others a worker stops believing in itself; default 2 s. Covers
    /// differences in the speed of clocks, late timers, and the time from the last check to the first
    /// line of user code. Too low: two workers may process at once. Too high: fewer beats may be lost.
    pub margin: Duration,
    /// How long a living owner may take to answer a request for a lease before it lapses; default
    /// 30 s. Too low: slow batches never move. Too high: one stuck owner delays balancing.
    pub hand_off_timeout: Duration,
    /// How long a shutdown may take; default 30 s, the grace that most orchestrators give. What is
    /// not handed over by then is left to expire.
    pub shutdown_grace: Duration,
    /// The longest pause between two polls of an idle shard; default 1 s. Too low: each poll is
    /// billed. Too high: the first record after a quiet time waits as long. A worker with more than 3000
    /// shards pauses longer, so that idle shards get 3000 calls a second together.
    pub idle_poll_max: Duration,
    /// The shortest time between two stored checkpoints of one shard; default 1 s. Too low: one write
    /// per batch. Too high: a crash repeats more records. A hand-off always stores.
    pub checkpoint_interval: Duration,
    /// How often the stream is listed for shards that nobody covers; default 30 s. Children of an ended
    /// shard do not wait for this. A stream of many pages is listed more rarely: a second and more for each. Too low:
    /// DescribeStream allows 10 calls a second for the account.
    pub discovery_interval: Duration,
    /// How often every lease row is read although nothing seems to have changed; default 3 minutes.
    pub sweep_interval: Duration,
    /// How long one call to AWS may take; default 5 s. The SDK itself has no limit.
    pub call_timeout: Duration,
    /// Records asked for per call, 1 to 1000; default 1000.
    pub page_limit: u16,
    /// Pages that wait per shard while one is processed, 0 to 16; default 1. Each may be 1 MB. A shard that
    /// has a page gets another one only while half of [`fetched_bytes_max`](Self::fetched_bytes_max) is free.
    pub prefetch_pages: u16,
    /// The most bytes that fetched pages of all shards together take in this worker, until everything in them is
    /// acknowledged; default 256 MiB, at least 2 MiB. It is also how many calls are under way at once, one for each
    /// MiB. Too low: backlogs are read in turns. Too high: memory. See [`prefetch_pages`](Self::prefetch_pages).
    pub fetched_bytes_max: u64,
    /// The most leases that this worker takes; default 10000.
    pub max_leases: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(10),
            beat_interval: Duration::from_secs(1),
            margin: Duration::from_secs(2),
            hand_off_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
            idle_poll_max: Duration::from_secs(1),
            checkpoint_interval: Duration::from_secs(1),
            discovery_interval: Duration::from_secs(30),
            sweep_interval: Duration::from_secs(180),
            call_timeout: Duration::from_secs(5),
            page_limit: 1000,
            prefetch_pages: 1,
            fetched_bytes_max: 256 * MIB,
            max_leases: 10_000,
        }
    }
}

impl Settings {
    /// How often the rows of other workers are read: five times in a lease duration.
    pub(crate) fn watch_interval(&self) -> Duration {
        self.lease_duration / 5
    }

    /// How long a shard's task may go without being polled, and how long a call of a processor may take before
    /// the watchdog first reports it.
    pub(crate) fn patience(&self) -> Duration {
        self.lease_duration * 3
    }

    /// How long one beat may take before it counts as lost.
    pub(crate) fn beat_timeout(&self) -> Duration {
        self.call_timeout.min(self.beat_interval)
    }

    /// Says everything that is wrong, at once.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with one line for each violation.
    pub fn validate(&self) -> Result<(), Error> {
        let violations = self.violations();
        if violations.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the settings contradict each other:\n  - {}",
            violations.join("\n  - ")
        );
        Err(Error::new(ErrorKind::Invalid, message))
    }

    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut require = |holds: bool, otherwise: String| {
            if !holds {
                found.push(otherwise);
            }
        };
        let (lease, beat, margin) = (self.lease_duration, self.beat_interval, self.margin);
        for (name, value) in self.durations() {
            require(!value.is_zero(), format!("{name} must not be zero"));
            let day = Duration::from_secs(24 * 60 * 60);
            require(
                value <= day,
                format!("{name} ({value:?}) is longer than the stream keeps records (24 h)"),
            );
        }
        require(
            beat.saturating_mul(5) <= lease,
            format!(
                "beat_interval ({beat:?}) must be at most a fifth of lease_duration ({lease:?}): several beats may be lost before a worker is given up"
            ),
        );
        let silence = (beat + self.beat_timeout()).saturating_mul(4);
        require(
            lease.saturating_sub(margin) >= silence,
            format!(
                "lease_duration - margin ({:?}) must be at least four beats and their time-outs ({silence:?}): raise lease_duration or lower beat_interval",
                lease.saturating_sub(margin)
            ),
        );
        require(
            (1..=1000).contains(&self.page_limit),
            format!(
                "page_limit ({}) must be 1 to 1000: the service refuses more",
                self.page_limit
            ),
        );
        require(
            self.prefetch_pages <= 16,
            format!(
                "prefetch_pages ({}) must be 0 to 16: each page may be 1 MB for every shard",
                self.prefetch_pages
            ),
        );
        require(
            self.fetched_bytes_max >= 2 * MIB,
            format!(
                "fetched_bytes_max ({}) must be at least {}: a page may be 1 MiB, and one shard that does not get on must not hold up the others",
                self.fetched_bytes_max,
                2 * MIB
            ),
        );
        require(
            self.max_leases > 0,
            "max_leases must not be zero: the worker would never read anything".into(),
        );
        found
    }

    fn durations(&self) -> [(&'static str, Duration); 10] {
        [
            ("lease_duration", self.lease_duration),
            ("beat_interval", self.beat_interval),
            ("margin", self.margin),
            ("hand_off_timeout", self.hand_off_timeout),
            ("shutdown_grace", self.shutdown_grace),
            ("idle_poll_max", self.idle_poll_max),
            ("checkpoint_interval", self.checkpoint_interval),
            ("discovery_interval", self.discovery_interval),
            ("sweep_interval", self.sweep_interval),
            ("call_timeout", self.call_timeout),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Settings::default().validate().unwrap();
    }

    #[test]
    fn every_violation_is_told_at_once_and_explained() {
        let settings = Settings {
            beat_interval: Duration::from_secs(9),
            page_limit: 1001,
            call_timeout: Duration::ZERO,
            max_leases: 0,
            ..Settings::default()
        };
        let message = settings.validate().unwrap_err().to_string();
        for part in [
            "beat_interval",
            "page_limit (1001)",
            "call_timeout must not be zero",
            "max_leases",
        ] {
            assert!(message.contains(part), "{part} is missing in {message}");
        }
    }
}
