//! What discovery knows of the leases, so that it need not read the whole table for each listing.
//!
//! A finished lease never changes, and rows go only by discovery's own hand: what is known stays true, or errs on the safe
//! side (an unfinished parent may have ended since). So only what a listing shows beyond the book is read: shards without
//! a known lease, and the unfinished parents that are thought to cover them. Everything is read anew once in a
//! `sweep_interval`, which finds what was deleted or edited by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lease::{Lease, lease_key};
use shardkeeper_core::lineage::{Leases, Shard};
use shardkeeper_core::row::{Row, RowKey};

/// More unknown rows than this are swept with all others, which is cheaper then.
pub(super) const READ_AT_ONCE: usize = 100;

/// The leases of every stream, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// The stream that was listed last.
    pub(super) stream: Option<StreamArn>,
    leases: BTreeMap<StreamArn, Leases>,
    swept_at: Option<Duration>,
}

impl Book {
    /// True when everything was read within `interval`.
    pub(super) fn is_fresh(&self, now: Duration, interval: Duration) -> bool {
        self.swept_at
            .is_some_and(|at| now.saturating_sub(at) < interval)
    }

    /// Everything is to be read anew before the next listing is judged.
    pub(super) fn distrust(&mut self) {
        self.swept_at = None;
    }

    /// Every row, by a sweep that was sent at this time.
    pub(super) fn replace(&mut self, rows: &[Row], sent: Duration) {
        self.leases.clear();
        self.add(rows);
        self.swept_at = Some(sent);
    }

    /// Rows that were read since.
    pub(super) fn add<'a>(&mut self, rows: impl IntoIterator<Item = &'a Row>) {
        for lease in rows.into_iter().filter_map(|row| Lease::parse(row).ok()) {
            let leases = self.leases.entry(lease.stream.clone()).or_default();
            leases.insert(lease.shard.clone(), lease);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// The leases of one stream.
    pub(super) fn of(&self, stream: &StreamArn) -> &Leases {
        static NONE: Leases = Leases::new();
        self.leases.get(stream).unwrap_or(&NONE)
    }

    pub(super) fn forget(&mut self, lease: &Lease) {
        if let Some(leases) = self.leases.get_mut(&lease.stream) {
            leases.remove(&lease.shard);
        }
    }

    /// The oldest stream that is not drained.
    pub(super) fn undrained(&self) -> Option<&StreamArn> {
        let undrained = |(_, leases): &(&StreamArn, &Leases)| leases.values().any(Lease::is_active);
        self.leases.iter().find(undrained).map(|(stream, _)| stream)
    }

    /// The rows that must be read before this listing is judged.
    pub(super) fn unknown(
        &self,
        stream: &StreamArn,
        listed: &BTreeMap<ShardId, Shard>,
    ) -> BTreeSet<RowKey> {
        let known = self.of(stream);
        let unleased = listed.values().filter(|s| !known.contains_key(&s.id));
        let of = |shard: &ShardId| match known.get(shard) {
            Some(lease) if lease.is_finished() => None,
            Some(lease) => Some(lease.key.clone()),
            None => Some(lease_key(stream, shard)),
        };
        unleased
            .flat_map(|shard| [Some(&shard.id), shard.parent.as_ref()])
            .flatten()
            .filter_map(of)
            .collect()
    }
}
