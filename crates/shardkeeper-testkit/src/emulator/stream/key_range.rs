//! The part of the ring of partition keys that one shard owns.

/// Positions from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl KeyRange {
    /// The whole ring.
    pub(crate) const ALL: Self = Self {
        first: 0,
        last: u64::MAX,
    };

    /// `parts` ranges that together cover this one, in order; fewer if it has fewer positions.
    pub(crate) fn split(self, parts: usize) -> Vec<Self> {
        let width = u128::from(self.last - self.first) + 1;
        let parts = u128::try_from(parts).unwrap_or(u128::MAX).clamp(1, width);
        // Both bounds lie within the range, so they fit; the fallbacks are unreachable.
        let at = |part: u128| u64::try_from(u128::from(self.first) + width * part / parts);
        (0..parts)
            .map(|part| Self {
                first: at(part).unwrap_or(self.first),
                last: at(part + 1).map_or(self.last, |next| next - 1),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_cover_the_range_without_gap_or_overlap() {
        for (range, parts) in [
            (KeyRange::ALL, 1),
            (KeyRange::ALL, 7),
            (KeyRange { first: 5, last: 6 }, 9),
        ] {
            let split = range.split(parts);
            assert_eq!(split.first().map(|part| part.first), Some(range.first));
            assert_eq!(split.last().map(|part| part.last), Some(range.last));
            assert!(
                split
                    .windows(2)
                    .all(|pair| pair[0].last + 1 == pair[1].first)
            );
            assert!(split.iter().all(|part| part.first <= part.last));
        }
        assert_eq!(KeyRange { first: 5, last: 6 }.split(9).len(), 2);
    }
}
