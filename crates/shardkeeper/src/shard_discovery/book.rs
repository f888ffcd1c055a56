//! What discovery knows of the leases, so that it need not read the whole table for each listing.
//!
//! A finished lease never changes, and rows go only by discovery's own hand: what is known stays true, or errs on the safe
//! side (an unfinished parent may have ended since). So only what a listing shows beyond the book is read: shards without
//! a known lease, and the unfinished parents that are thought to cover them. Everything is read anew once in a
//! `sweep_interval`, which finds what was deleted or edited by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::kcl::{self, KclLease};
use shardkeeper_core::lease::{LEASE_ENTITY, Lease, column, lease_keys};
use shardkeeper_core::lineage::{Leases, Shard};
use shardkeeper_core::row::{Row, RowKey};

use super::ending::Ending;
use super::going_on::Marks;
use super::streams::Streams;
use crate::env::in_parts;

/// Rows that one read may name.
pub(super) const READ_AT_ONCE: usize = 100;
/// A sweep reads so many rows for what one of them costs by its key: a row is half a kilobyte, and a read counts as four.
const SWEPT_FOR_ONE: usize = 8;

/// What a listing shows and the book does not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// So much that all rows are swept.
    Everything,
    /// These rows, as many at a time as one read may name.
    Rows(Vec<Vec<RowKey>>),
}

/// The leases of every stream, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// The streams of the table.
    pub(super) streams: Streams,
    /// Of a stream that is read by its ARN.
    pub(super) ending: Ending,
    leases: BTreeMap<StreamArn, Leases>,
    /// Leases that KCL made and nobody adopted yet.
    of_kcl: BTreeMap<RowKey, Row>,
    /// Leases of which nobody knows what they say.
    unreadable: BTreeSet<RowKey>,
    swept_at: Option<Duration>,
    /// How many pages the last listing of everything had.
    pub(super) pages: u32,
    /// How many of them the last listing asked for.
    pub(super) asked: u32,
    /// Where later listings begin.
    pub(super) marks: Marks,
}

impl Book {
    /// True when everything was read within `interval`.
    pub(super) fn is_fresh(&self, now: Duration, interval: Duration) -> bool {
        self.swept_at
            .is_some_and(|at| now.saturating_sub(at) < interval)
    }

    /// Another discoverer may have listed meanwhile.
    pub(super) fn begin_term(&mut self) {
        self.marks = Marks::default();
        self.distrust();
        self.streams.distrust();
        self.ending = Ending::default();
    }

    /// Everything is to be read anew before the next listing is judged.
    pub(super) fn distrust(&mut self) {
        self.swept_at = None;
        self.marks.forget();
    }

    /// Every row, by a sweep that was sent at this time.
    pub(super) async fn replace(&mut self, rows: Vec<Row>, sent: Duration) {
        self.leases.clear();
        self.of_kcl.clear();
        self.unreadable.clear();
        in_parts(rows, |row| self.add([&row])).await;
        self.swept_at = Some(sent);
    }

    /// More unknown rows of this stream than these are swept with all others, which is cheaper then.
    fn few(&self, stream: &StreamArn) -> usize {
        READ_AT_ONCE.max(self.of(stream).len() / SWEPT_FOR_ONE)
    }

    /// Rows that were read since.
    pub(super) fn add<'a>(&mut self, rows: impl IntoIterator<Item = &'a Row>) {
        for row in rows {
            if kcl::is_lease(row) {
                self.of_kcl.insert(row.key.clone(), row.clone());
            } else if let Ok(lease) = Lease::parse(row) {
                self.of_kcl.remove(&row.key);
                let leases = self.leases.entry(lease.stream.clone()).or_default();
                leases.insert(lease.shard.clone(), lease);
            } else if row.text(column::ENTITY) == Some(LEASE_ENTITY) {
                self.unreadable.insert(row.key.clone());
            }
        }
    }

    /// True when every lease of the table is one of ours and says what it means.
    pub(super) fn is_plain(&self) -> bool {
        self.of_kcl.is_empty() && self.unreadable.is_empty()
    }

    /// The rows of KCL.
    pub(super) fn of_kcl(&self) -> impl Iterator<Item = &RowKey> {
        self.of_kcl.keys()
    }

    /// The shards of KCL's leases count as covered, by leases that nobody may take.
    pub(super) fn cover(&mut self, stream: &StreamArn) {
        let found = self.of_kcl.values();
        let found = found.filter_map(|row| KclLease::parse(row, stream)?.ok());
        for lease in found.filter(|lease| lease.stream == *stream) {
            let leases = self.leases.entry(stream.clone()).or_default();
            let shard = lease.shard.clone();
            leases
                .entry(shard)
                .or_insert_with(|| lease.standing_still());
        }
    }

    /// True when the shard of KCL's lease has one of ours.
    pub(super) fn supersedes(&self, lease: &KclLease) -> bool {
        let known = self.of(&lease.stream).get(&lease.shard);
        known.is_some_and(|known| known.key != lease.key)
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

    /// The streams with leases.
    pub(super) fn leased(&self) -> impl Iterator<Item = &StreamArn> {
        let leased = |(_, leases): &(&StreamArn, &Leases)| !leases.is_empty();
        self.leases.iter().filter(leased).map(|(stream, _)| stream)
    }

    /// What must be read before this listing is judged.
    pub(super) fn unread(&self, stream: &StreamArn, listed: &BTreeMap<ShardId, Shard>) -> Unread {
        let unknown = self.unknown(stream, listed);
        if unknown.len() > self.few(stream) {
            return Unread::Everything;
        }
        let unknown: Vec<RowKey> = unknown.into_iter().collect();
        Unread::Rows(unknown.chunks(READ_AT_ONCE).map(<[_]>::to_vec).collect())
    }

    fn unknown(&self, stream: &StreamArn, listed: &BTreeMap<ShardId, Shard>) -> BTreeSet<RowKey> {
        let known = self.of(stream);
        let unleased = listed.values().filter(|s| !known.contains_key(&s.id));
        let of = |shard: &ShardId| match known.get(shard) {
            Some(lease) if lease.is_finished() => Vec::new(),
            Some(lease) => vec![lease.key.clone()],
            None => lease_keys(stream, shard).into(),
        };
        unleased
            .flat_map(|shard| [Some(&shard.id), shard.parent.as_ref()])
            .flatten()
            .flat_map(of)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use shardkeeper_core::checkpoint::Checkpoint;
    use shardkeeper_core::lease::NewLease;

    use super::*;

    fn stream() -> StreamArn {
        let arn = "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
        StreamArn::parse(arn).unwrap()
    }

    fn shard(number: usize) -> ShardId {
        ShardId::from_service(format!("s{number:05}"))
    }

    /// Rows of leases of so many shards, none of them finished.
    fn rows(count: usize) -> Vec<Row> {
        let row = |number| {
            let lease = NewLease {
                stream: stream(),
                shard: shard(number),
                epoch: 1,
                checkpoint: Checkpoint::TrimHorizon,
                parent: None,
                stopped: None,
            };
            lease.create(None, "first").apply(None).unwrap()
        };
        (0..count).map(row).collect()
    }

    /// A child of each of so many leased shards: its parent and what may be its own row are to be read.
    fn children(count: usize) -> BTreeMap<ShardId, Shard> {
        let child = |number| Shard {
            id: ShardId::from_service(format!("t{number:05}")),
            parent: Some(shard(number)),
            starting: None,
            ending: None,
        };
        let children = (0..count).map(child);
        children.map(|shard| (shard.id.clone(), shard)).collect()
    }

    fn unread(leased: usize, born: usize) -> Unread {
        let mut book = Book::default();
        book.add(&rows(leased));
        book.unread(&stream(), &children(born))
    }

    fn parts(unread: Unread) -> Vec<usize> {
        let Unread::Rows(parts) = unread else {
            return Vec::new();
        };
        parts.iter().map(Vec::len).collect()
    }

    #[tokio::test]
    async fn a_sweep_of_many_rows_replaces_what_was_known() {
        let (mut book, mut at_once) = (Book::default(), Book::default());
        book.add(&rows(1_800));
        book.replace(rows(1_700), Duration::from_secs(7)).await;
        at_once.add(&rows(1_700));
        assert_eq!(book.of(&stream()).len(), 1_700);
        assert_eq!(book.of(&stream()), at_once.of(&stream()));
        let is_fresh = |at| book.is_fresh(Duration::from_secs(at), Duration::from_secs(10));
        assert!(is_fresh(16) && !is_fresh(17));
    }

    #[test]
    fn l7_unknown_rows_are_read_by_their_keys_a_hundred_at_a_time() {
        assert_eq!(parts(unread(500, 0)), [0; 0]);
        assert_eq!(parts(unread(500, 10)), [30]);
        assert_eq!(parts(unread(2_400, 80)), [100, 100, 40]);
        assert_eq!(parts(unread(2_400, 100)), [100, 100, 100]);
        // Every key once, and those of no other shard.
        let Unread::Rows(read) = unread(2_400, 80) else {
            unreachable!("they are few")
        };
        let read: BTreeSet<RowKey> = read.into_iter().flatten().collect();
        let own = |shard: &Shard| lease_keys(&stream(), &shard.id);
        let mut expected: BTreeSet<RowKey> = children(80).values().flat_map(own).collect();
        expected.extend(rows(80).into_iter().map(|row| row.key));
        assert_eq!(read, expected);
    }

    #[test]
    fn l7_what_is_more_than_a_hundred_rows_and_an_eighth_of_the_leases_is_swept() {
        assert_eq!(parts(unread(40, 33)), [99]);
        assert_eq!(unread(40, 34), Unread::Everything);
        assert_eq!(parts(unread(2_392, 99)), [100, 100, 97]);
        assert_eq!(unread(2_392, 100), Unread::Everything, "299 are few");
    }
}
