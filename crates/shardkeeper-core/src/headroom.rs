//! How long until records are trimmed that nobody has processed, and when to warn of it.
//!
//! The service keeps a record for a day (F29). A shard that is far behind and catching up needs nobody; one that is far
//! behind and comes no closer does. The warning comes when half of the day is used up, and again each time what is left
//! has halved.

use std::time::Duration;

/// For how long the service keeps a record at least (F29).
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long a shard must have come no closer before that is told.
const STANDSTILL: Duration = Duration::from_secs(60);
/// Less than this is progress of nobody's.
const CLOSER: Duration = Duration::from_secs(1);
/// So many halvings of half a day are five minutes.
const LAST_LEVEL: u32 = 8;

/// What was said of one shard so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headroom {
    /// The least that the oldest unprocessed record was old, and when that was.
    closest: Option<(Duration, Duration)>,
    warned: u32,
}

impl Headroom {
    /// The oldest record that is not processed is `age` old, at `now` on the worker's clock. `Some` is how long it will
    /// still be there, when that is to be told.
    pub fn look(&mut self, age: Duration, now: Duration) -> Option<Duration> {
        let (closest, since) = *self.closest.get_or_insert((age, now));
        if age + CLOSER <= closest {
            self.closest = Some((age, now));
        }
        let left = RETENTION.saturating_sub(age);
        let level = level(left);
        // One level back is no recovery: it would be told again and again.
        if level + 1 < self.warned {
            self.warned = level;
        }
        let stands_still = age + CLOSER > closest && now.saturating_sub(since) >= STANDSTILL;
        if level <= self.warned || !stands_still {
            return None;
        }
        self.warned = level;
        Some(left)
    }
}

/// 0 while more than half of the retention is left, then 1 more for each halving.
fn level(left: Duration) -> u32 {
    (0..LAST_LEVEL)
        .find(|level| left > RETENTION / 2u32.pow(level + 1))
        .unwrap_or(LAST_LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A shard whose oldest record was `hours` old at first and that stands still from then on, looked at every ten
    /// minutes for as long: what is told.
    fn standing_still(hours: u32, looked: u32) -> Vec<u64> {
        let mut headroom = Headroom::default();
        let looks = (0..looked * 6).map(|look| HOUR / 6 * look);
        looks
            .filter_map(|now| headroom.look(HOUR * hours + now, now))
            .map(|left| left.as_secs() / 60)
            .collect()
    }

    #[test]
    fn s2_a_shard_that_comes_no_closer_is_told_at_half_a_day_and_each_time_what_is_left_has_halved()
    {
        assert_eq!(standing_still(0, 12), Vec::<u64>::new());
        assert_eq!(
            standing_still(0, 30),
            [720, 360, 180, 90, 40, 20, 10, 0],
            "minutes left"
        );
        assert_eq!(
            standing_still(23, 1),
            [50, 40, 20, 10],
            "the first look is no standstill"
        );
    }

    #[test]
    fn s2_a_shard_that_catches_up_is_not_told_however_far_it_is_behind() {
        let mut headroom = Headroom::default();
        for minute in 0..600u32 {
            let now = Duration::from_secs(60) * minute;
            let age = HOUR * 23 - Duration::from_secs(120) * minute;
            assert_eq!(headroom.look(age, now), None, "minute {minute}");
        }
    }

    #[test]
    fn s2_a_shard_that_recovers_and_falls_behind_again_is_told_again() {
        let mut headroom = Headroom::default();
        let mut told = |hours: u32, at: u32| headroom.look(HOUR * hours, HOUR * at).is_some();
        assert!(!told(13, 0));
        assert!(told(13, 1));
        assert!(!told(14, 2), "once");
        assert!(told(19, 3));
        assert!(!told(2, 4));
        assert!(told(13, 15), "it was near again");
    }
}
