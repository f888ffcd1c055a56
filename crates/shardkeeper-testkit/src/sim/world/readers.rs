//! Who reads a shard: the service serves two at a time.

use crate::sim::ground::{SECOND, Time};

/// As many may read a shard at the same time.
const MOST: usize = 2;

/// Who has read a shard within the last second, and when last.
#[derive(Debug, Default)]
pub(crate) struct Readers(Vec<(usize, Time)>);

impl Readers {
    /// Is it served? Whoever is refused does not count as a reader.
    pub(crate) fn admit(&mut self, seat: usize, now: Time) -> bool {
        self.0
            .retain(|(other, at)| *other != seat && at + SECOND > now);
        let admitted = self.0.len() < MOST;
        if admitted {
            self.0.push((seat, now));
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_reader_within_a_second_is_refused() {
        let mut readers = Readers::default();
        assert!(readers.admit(0, 100));
        assert!(readers.admit(1, 200));
        assert!(readers.admit(0, 300), "one of the two");
        assert!(!readers.admit(2, 400));
        assert!(!readers.admit(2, 1_199), "the others are there still");
        assert!(readers.admit(2, 1_200), "the second has not read for long");
        assert!(!readers.admit(1, 1_250));
    }
}
