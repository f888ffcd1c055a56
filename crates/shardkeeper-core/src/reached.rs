//! What a lease table is known to have reached, and what has fallen since.
//!
//! Epochs and the counters of the group row only grow. One that is seen to fall means that the table was set back in
//! time, and that fencing tokens would be given out a second time (design rule 13, hole 18).

use std::collections::BTreeMap;

use crate::lease::Lease;
use crate::membership::GroupRow;
use crate::row::RowKey;

/// What whoever read a table last knows of it. A row that is missing says nothing: it may have been deleted by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// The group row.
    pub group: Option<GroupRow>,
    /// The epoch of each lease.
    pub epochs: BTreeMap<RowKey, u64>,
}

impl Reached {
    /// A table that shows these rows.
    pub fn of<'a>(group: &GroupRow, leases: impl IntoIterator<Item = &'a Lease>) -> Self {
        let leases = leases.into_iter();
        Self {
            group: Some(group.clone()),
            epochs: leases
                .map(|lease| (lease.key.clone(), lease.epoch))
                .collect(),
        }
    }

    /// The highest epoch of all.
    pub fn highest_epoch(&self) -> u64 {
        self.epochs.values().copied().max().unwrap_or(0)
    }

    /// What has fallen where the table shows this now.
    pub fn fell(&self, now: &Self) -> Option<String> {
        let groups = self.group.as_ref().zip(now.group.as_ref());
        let group = groups.and_then(|(known, now)| group_fell(known, now));
        group.or_else(|| {
            let mut now = now.epochs.iter();
            now.find_map(|(key, now)| epoch_fell(key, *self.epochs.get(key)?, *now))
        })
    }
}

/// What has fallen in the group row.
pub fn group_fell(known: &GroupRow, now: &GroupRow) -> Option<String> {
    now.is_behind(known)
        .then(|| "the counters of the group row fell".to_owned())
}

/// What has fallen in the row of a lease.
pub fn epoch_fell(key: &RowKey, known: u64, now: u64) -> Option<String> {
    (now < known).then(|| format!("the epoch of lease {key} fell from {known} to {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(changes: u64, leases: &[(&str, u64)]) -> Reached {
        let founded = GroupRow::found("orders", None).apply(None);
        let group = (0..changes).fold(founded, |row, _| GroupRow::announce().apply(row.as_ref()));
        let leases = leases.iter();
        Reached {
            group: group.as_ref().and_then(GroupRow::parse),
            epochs: leases
                .map(|(key, epoch)| (RowKey::new(*key), *epoch))
                .collect(),
        }
    }

    #[test]
    fn hole_18_a_table_was_set_back_when_an_epoch_or_a_counter_fell() {
        let known = reached(3, &[("a", 5), ("b", 2)]);
        let fell = |changes, leases: &[_]| known.fell(&reached(changes, leases)).is_some();
        assert!(!fell(3, &[("a", 5), ("b", 2)]), "nothing happened");
        assert!(!fell(4, &[("a", 6), ("b", 2), ("c", 1)]), "it went on");
        assert!(!fell(3, &[("a", 5)]), "a row was deleted by hand");
        assert!(fell(3, &[("a", 4), ("b", 3)]));
        assert!(fell(2, &[("a", 5), ("b", 2)]));
        assert!(fell(0, &[]), "founded anew on an empty table");
    }

    #[test]
    fn hole_18_who_knows_nothing_sees_nothing_fall() {
        assert_eq!(Reached::default().fell(&reached(0, &[("a", 1)])), None);
        let (known, gone) = (reached(3, &[("a", 5)]), Reached::default());
        assert_eq!(known.fell(&gone), None, "the table shows nothing at all");
    }
}
