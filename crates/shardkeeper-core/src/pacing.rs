//! How long to wait before the next `GetRecords`.
//!
//! A full page is followed at once: there is more. Some records: soon, because a shard answers about
//! five calls a second. None: longer and longer up to `idle_poll_max`, and the first record wakes it.
//!
//! How many calls a second a shard answers is nowhere promised, so there is no fixed cap: a shard that is refused spaces
//! its calls, tries a little less space with every page, and so stays close to what it is given, each shard by itself.

use std::time::Duration;

/// The pause after a page that was not full; 4 calls a second is Lambda's own base rate.
pub const SOON: Duration = Duration::from_millis(200);

/// A page this large is as good as full: the service also cuts pages at 1 MB (F36).
const FULL_BYTES: usize = 900_000;

/// The space that the first refusal makes, and the most: a call a second is always left.
const FIRST_SPACE: Duration = Duration::from_millis(50);
const LONGEST_SPACE: Duration = Duration::from_secs(1);

/// How many polls a second a worker spends on shards that have nothing: what a core does besides other work (4,000 took
/// 1.1 of one).
const IDLE_POLLS_A_SECOND: u32 = 3_000;

/// The longest pause between two polls of an idle shard, in a worker that reads so many: `idle_poll_max`, or longer where
/// there are so many shards that polling them would be all that the worker does.
pub fn idle_poll(idle_poll_max: Duration, shards: u32) -> Duration {
    idle_poll_max.max(Duration::from_secs(1) * shards / IDLE_POLLS_A_SECOND)
}

/// The recent history of one shard's reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    empty_in_a_row: u32,
    /// The least time between two calls; zero for a shard that was not refused lately.
    space: Duration,
}

impl Pace {
    /// A call was refused: there were too many of them. Half as much space again.
    pub fn refused(&mut self) {
        self.space = (self.space * 3 / 2).clamp(FIRST_SPACE, LONGEST_SPACE);
    }

    /// Takes in a page and says how long to wait before the next fetch.
    pub fn after_page(
        &mut self,
        records: usize,
        bytes: usize,
        limit: u16,
        idle_poll_max: Duration,
    ) -> Duration {
        self.space = match self.space - self.space / 50 {
            less if less < FIRST_SPACE / 2 => Duration::ZERO,
            less => less,
        };
        self.wait(records, bytes, limit, idle_poll_max)
            .max(self.space)
    }

    fn wait(
        &mut self,
        records: usize,
        bytes: usize,
        limit: u16,
        idle_poll_max: Duration,
    ) -> Duration {
        if records == 0 {
            self.empty_in_a_row = self.empty_in_a_row.saturating_add(1);
            let doubled = SOON.saturating_mul(1 << self.empty_in_a_row.saturating_sub(1).min(16));
            return doubled.min(idle_poll_max);
        }
        self.empty_in_a_row = 0;
        if records >= usize::from(limit) || bytes >= FULL_BYTES {
            return Duration::ZERO;
        }
        SOON.min(idle_poll_max)
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_page_is_followed_at_once_by_count_or_by_size() {
        let mut pace = Pace::default();
        assert_eq!(pace.after_page(1000, 300_000, 1000, MAX), Duration::ZERO);
        assert_eq!(pace.after_page(3, 950_000, 1000, MAX), Duration::ZERO);
    }

    #[test]
    fn empty_pages_back_off_to_the_maximum_and_one_record_wakes_the_shard() {
        let mut pace = Pace::default();
        let waits: Vec<u128> = (0..5)
            .map(|_| pace.after_page(0, 0, 1000, MAX).as_millis())
            .collect();
        assert_eq!(waits, [200, 400, 800, 1000, 1000]);
        assert_eq!(pace.after_page(1, 300, 1000, MAX), SOON);
        assert_eq!(pace.after_page(0, 0, 1000, MAX), SOON);
    }

    #[test]
    fn a_life_of_empty_pages_never_overflows() {
        let mut pace = Pace {
            empty_in_a_row: u32::MAX,
            ..Pace::default()
        };
        assert_eq!(pace.after_page(0, 0, 1000, MAX), MAX);
    }

    #[test]
    fn thousands_of_idle_shards_are_polled_more_rarely_and_few_are_not() {
        assert_eq!(idle_poll(MAX, 3_000), MAX);
        assert_eq!(idle_poll(MAX, 7_500), Duration::from_millis(2_500));
        assert_eq!(idle_poll(MAX * 8, 10_000), MAX * 8);
    }

    /// A backlog of full pages in a shard that answers `allowed` calls a second: how many calls it took and how many
    /// of them were refused, in so many seconds. A call takes 5 ms.
    fn backlog(allowed: f64, seconds: u64) -> (u32, u32) {
        let (mut pace, mut now, mut last) = (Pace::default(), Duration::ZERO, None::<Duration>);
        let (mut pages, mut refusals) = (0, 0);
        while now < Duration::from_secs(seconds) {
            now += Duration::from_millis(5);
            let gap = Duration::from_secs_f64(1.0 / allowed);
            if last.is_none_or(|last| now - last >= gap) {
                last = Some(now);
                pages += 1;
                now += pace.after_page(1000, 300_000, 1000, MAX);
            } else {
                refusals += 1;
                pace.refused();
                // What a caller pauses after a first refusal.
                now += Duration::from_millis(40);
            }
        }
        (pages, refusals)
    }

    #[test]
    fn l7_a_shard_stays_close_to_what_it_is_given_without_a_cap_of_its_own() {
        for allowed in [2.0, 5.0, 20.0] {
            let (pages, refusals) = backlog(allowed, 300);
            let share = f64::from(pages) / (allowed * 300.0);
            assert!(share > 0.75, "{allowed} a second: {share} of it used");
            let refused = f64::from(refusals) / f64::from(pages);
            assert!(
                refused < 0.25,
                "{allowed} a second: {refused} refused for each page"
            );
        }
        let (pages, refusals) = backlog(1e9, 10);
        assert_eq!((pages, refusals), (2000, 0), "as fast as it answers");
    }

    #[test]
    fn l7_a_shard_that_is_refused_for_ever_still_gets_a_call_a_second_and_forgets_it_afterwards() {
        let mut pace = Pace::default();
        for _ in 0..1000 {
            pace.refused();
        }
        let first = pace.after_page(1000, 0, 1000, MAX);
        assert!(first > Duration::from_millis(900) && first <= Duration::from_secs(1));
        let pages = (0..).take_while(|_| !pace.after_page(1000, 0, 1000, MAX).is_zero());
        assert!(pages.count() < 200);
    }
}
