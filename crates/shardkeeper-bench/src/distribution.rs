//! Percentiles of samples.

use std::time::Duration;

/// The fractional part of the golden ratio: its multiples fill an interval evenly however many there are.
const GOLDEN: f64 = 0.618_033_988_75;

/// Where in an interval of length 1 the `nth` of any number of moments is, so that they fill it evenly.
pub(crate) fn evenly(nth: f64) -> f64 {
    (nth * GOLDEN).fract()
}

/// Samples in order.
#[derive(Clone, Debug)]
pub(crate) struct Distribution(Vec<Duration>);

impl Distribution {
    pub(crate) fn of(samples: &[Duration]) -> Self {
        let mut samples = samples.to_vec();
        samples.sort();
        Self(samples)
    }

    pub(crate) fn samples(&self) -> &[Duration] {
        &self.0
    }

    /// The smallest sample that at least so many percent of all do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn max(&self) -> Duration {
        self.percentile(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample_that_was_seen() {
        let millis = |many: std::ops::RangeInclusive<u64>| {
            let samples: Vec<Duration> = many.rev().map(Duration::from_millis).collect();
            Distribution::of(&samples)
        };
        let hundred = millis(1..=100);
        let at = |percent| hundred.percentile(percent).as_millis();
        assert_eq!([at(50), at(99), hundred.max().as_millis()], [50, 99, 100]);
        assert_eq!(millis(1..=12).percentile(99), Duration::from_millis(12));
        assert_eq!(Distribution::of(&[]).max(), Duration::ZERO);
    }
}
