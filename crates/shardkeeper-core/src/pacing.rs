//! How long to wait before the next `GetRecords`.
//!
//! A full page is followed at once: there is more. Some records: soon, because a shard answers about
//! five calls a second. None: longer and longer up to `idle_poll_max`, and the first record wakes it.

use std::time::Duration;

/// The pause after a page that was not full; 4 calls a second is Lambda's own base rate.
pub const SOON: Duration = Duration::from_millis(200);

/// A page this large is as good as full: the service also cuts pages at 1 MB (F36).
const FULL_BYTES: usize = 900_000;

/// The recent history of one shard's reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    empty_in_a_row: u32,
}

impl Pace {
    /// Takes in a page and says how long to wait before the next fetch.
    pub fn after_page(
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
        };
        assert_eq!(pace.after_page(0, 0, 1000, MAX), MAX);
    }
}
