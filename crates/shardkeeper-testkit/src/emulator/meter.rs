//! Rates: so many calls in each second.

use std::time::Duration;

/// Counts the calls of the current second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    second: u64,
    calls: u32,
}

impl Meter {
    /// Counts a call at `now` and says whether it is within the limit; no limit admits everything.
    pub(crate) fn admits(&mut self, now: Duration, per_second: Option<u32>) -> bool {
        let Some(limit) = per_second else {
            return true;
        };
        if self.second != now.as_secs() {
            *self = Self {
                second: now.as_secs(),
                calls: 0,
            };
        }
        self.calls = self.calls.saturating_add(1);
        self.calls <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_admits_its_calls_and_the_next_second_starts_anew() {
        let mut meter = Meter::default();
        let mut admitted = |millis| meter.admits(Duration::from_millis(millis), Some(2));
        assert_eq!(
            [admitted(0), admitted(10), admitted(999)],
            [true, true, false]
        );
        assert!(admitted(1000));
        assert!((0..100).all(|_| meter.admits(Duration::ZERO, None)));
    }
}
