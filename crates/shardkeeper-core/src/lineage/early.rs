//! What may be begun while a listing goes on: on what its pages have shown so far, nothing may rest that a later page can
//! still change.

use std::collections::BTreeMap;

use super::{Leases, Shard};
use crate::ids::ShardId;
use crate::planted;

/// What follows for a shard from the pages so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Early<'a> {
    /// It needs a lease of its own, whatever the other pages show: it continues nothing, or its parent is finished.
    Begins,
    /// It continues a shard that no page has shown yet and that has no lease. Whether that one is gone only the service
    /// can say, asked by name.
    Asks(&'a ShardId),
    /// It has a lease, or its parent brings it.
    Waits,
}

/// Judges a shard of a listing of which `seen` is what its pages have shown so far. `leases` are those that a
/// consistent read showed after that.
///
/// What is not among the pages so far may be on the next, so absence says nothing here (S4). Everything else is as in
/// [`uncovered`](super::uncovered); rings are left to it.
#[must_use]
pub fn early<'a>(shard: &'a Shard, seen: &BTreeMap<ShardId, Shard>, leases: &Leases) -> Early<'a> {
    if leases.contains_key(&shard.id) {
        return Early::Waits;
    }
    let Some(parent) = &shard.parent else {
        return Early::Begins;
    };
    match leases.get(parent) {
        Some(lease) if lease.is_finished() => Early::Begins,
        Some(_) => Early::Waits,
        None if seen.contains_key(parent) => Early::Waits,
        None if planted!(UnseenIsGone) => Early::Begins,
        None => Early::Asks(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::super::properties::{graph, lease, leased_of, listing, name};
    use super::super::uncovered;
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    proptest! {
        /// Pages in any order, with shards that come twice or are left out; leases as they may be at any time.
        #[test]
        fn s4_what_is_begun_on_some_pages_would_be_begun_on_all_of_them(
            graph in graph(30),
            pages in prop::collection::vec(prop::collection::vec(any::<Index>(), 0..6), 0..12),
            leased in prop::collection::vec(prop::option::weighted(0.3, any::<bool>()), 30),
        ) {
            let all = listing(&graph);
            let leases = leased_of(&all, leased);
            let whole = uncovered(&all, &leases);
            let begins = |shard: &Shard| whole.iter().any(|found| !found.orphan && found.shard == *shard);
            let mut seen = BTreeMap::new();
            for page in pages {
                for index in page {
                    let shard = &all[&name(index.index(all.len()))];
                    seen.insert(shard.id.clone(), shard.clone());
                }
                for shard in seen.values() {
                    match early(shard, &seen, &leases) {
                        Early::Begins => prop_assert!(begins(shard), "{} begins too early", shard.id),
                        Early::Asks(parent) => {
                            prop_assert!(!seen.contains_key(parent) && !leases.contains_key(parent));
                            prop_assert_eq!(Some(parent), shard.parent.as_ref());
                        }
                        Early::Waits => {}
                    }
                }
            }
            // Once everything was seen only what is really gone is asked for.
            for shard in all.values() {
                if let Early::Asks(parent) = early(shard, &all, &leases) {
                    prop_assert!(!all.contains_key(parent));
                }
            }
        }

        /// A whole listing, begun page by page: no shard is begun beside a parent that is there.
        #[test]
        fn s4_no_child_is_begun_before_a_parent_that_comes_on_a_later_page(
            graph in graph(30), order in Just((0..30usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let all = listing(&graph);
            let (mut seen, mut leases) = (BTreeMap::new(), Leases::new());
            for number in order.into_iter().filter(|number| *number < all.len()) {
                let shard = &all[&name(number)];
                seen.insert(shard.id.clone(), shard.clone());
                let begun: Vec<&Shard> = seen.values().filter(|shard| match early(shard, &seen, &leases) {
                    Early::Begins => true,
                    // The service answers for what it still has.
                    Early::Asks(parent) => !all.contains_key(parent),
                    Early::Waits => false,
                }).collect();
                let begun: Vec<_> = begun.into_iter().map(|shard| (shard.id.clone(), shard.parent.clone())).collect();
                for (id, parent) in begun {
                    let parent = parent.filter(|parent| all.contains_key(parent));
                    prop_assert!(parent.is_none(), "{} before {:?}", id, parent);
                    leases.insert(id.clone(), lease(&id, None));
                }
            }
            // What is left to the end of the listing is what waits for a parent, and rings.
            for found in uncovered(&all, &leases) {
                let parent = found.shard.parent.as_ref();
                prop_assert!(parent.is_some_and(|parent| all.contains_key(parent)), "{} was left", found.shard.id);
            }
        }
    }
}
