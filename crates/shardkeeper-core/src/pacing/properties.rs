//! The pause is bounded, whatever the pages are like.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn l3_l10_a_shard_is_asked_again_within_the_maximum_and_at_once_only_after_a_full_page(
        pages in prop::collection::vec((prop_oneof![Just(0usize), 0usize..2000], 0usize..2_000_000), 1..60),
        limit in 1u16..=1000,
        max_millis in 1u64..60_000,
    ) {
        let max = Duration::from_millis(max_millis);
        let (mut pace, mut last_empty) = (Pace::default(), Duration::ZERO);
        for (records, bytes) in pages {
            let pause = pace.after_page(records, bytes, limit, max);
            prop_assert!(pause <= max);
            let full = records > 0 && (records >= usize::from(limit) || bytes >= 900_000);
            prop_assert_eq!(pause.is_zero(), full);
            prop_assert!(records > 0 || pause >= last_empty, "it backs off");
            prop_assert!(full || pause >= SOON.min(max));
            last_empty = if records == 0 { pause } else { Duration::ZERO };
        }
    }
}
