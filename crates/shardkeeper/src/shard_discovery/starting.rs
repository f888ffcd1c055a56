//! Where an application begins with a table (design rule 15).

use std::collections::BTreeMap;

use shardkeeper_core::checkpoint::{Checkpoint, Timestamp};
use shardkeeper_core::event::Event;
use shardkeeper_core::headroom::RETENTION;
use shardkeeper_core::ids::{InvalidId, SequenceNumber, ShardId, StreamArn};
use shardkeeper_core::lease::NewLease;
use shardkeeper_core::lineage::{self, Leases, Shard};
use shardkeeper_core::membership::{GroupRow, TableStart};
use shardkeeper_core::planted;
use shardkeeper_core::row::Write;

use super::ShardDiscovery;
use super::book::Book;
use crate::listing::Listed;
use crate::sources::StreamChoice;

/// Where the first shards of an application begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartPosition {
    /// The oldest records that are still there.
    #[default]
    TrimHorizon,
    /// Records written after the application was first started. That moment is stored at once, so that
    /// nothing is lost when the first worker dies before the first record.
    Latest,
    /// Records written at this time or later, as precise as the service's times (a second).
    At(Timestamp),
    /// The record behind this one, shard by shard: where another consumer stopped. Shards that come before one of these
    /// are not read; all others begin at their oldest record. See [`StartPosition::after`].
    After(BTreeMap<ShardId, SequenceNumber>),
}

impl StartPosition {
    /// [`StartPosition::After`] from what a person or a file says.
    ///
    /// # Errors
    /// When a shard id has not 28 to 65 characters, or a sequence number not 21 to 40 digits (F31).
    pub fn after<S, N>(positions: impl IntoIterator<Item = (S, N)>) -> Result<Self, InvalidId>
    where
        S: AsRef<str>,
        N: AsRef<str>,
    {
        let parse = |(shard, number): (S, N)| {
            let number = SequenceNumber::parse(number.as_ref())?;
            Ok((ShardId::parse(shard.as_ref())?, number))
        };
        let positions: Result<_, InvalidId> = positions.into_iter().map(parse).collect();
        Ok(Self::After(positions?))
    }

    /// Why a shard is read from here although the user said something else.
    pub(crate) fn why_ignored(&self, shard: &ShardId, from: &Checkpoint) -> Option<&'static str> {
        let is_used = match (self, from) {
            (Self::TrimHorizon, _) | (Self::At(_) | Self::Latest, Checkpoint::At(_)) => true,
            (Self::After(positions), from) => match (positions.get(shard), from) {
                (Some(number), Checkpoint::After(from)) => number == from,
                (named, from) => named.is_none() && from.is_start(),
            },
            _ => false,
        };
        (!is_used).then_some(
            "the start position counts only where the application has no lease yet, and is not used",
        )
    }
}

impl ShardDiscovery {
    /// Where the application begins with the table of this stream: as it was decided, or as it is decided now. A
    /// table that has leases without that was begun by an older version, or by KCL.
    pub(super) fn start_of(&self, group: &GroupRow, stream: &StreamArn, book: &Book) -> TableStart {
        let unlisted = group.listed.is_empty() && self.start == StartPosition::Latest;
        if planted!(LatestWithoutMoment) && unlisted {
            let now = self.listing.source.service_time();
            return now.map_or(TableStart::Horizon, TableStart::At);
        }
        if let Some(start) = group.starts.get(stream.table()) {
            return *start;
        }
        if is_begun(group, stream.table(), book) {
            return TableStart::Horizon;
        }
        // What `Latest` means for a table that is added later is decided when it is added.
        let latest = || match group.starts.is_empty() && group.listed.is_empty() {
            true => group.started_at,
            false => self.listing.source.service_time(),
        };
        match &self.start {
            StartPosition::TrimHorizon | StartPosition::After(_) => TableStart::Horizon,
            StartPosition::At(time) => TableStart::At(*time),
            StartPosition::Latest => latest().map_or(TableStart::Horizon, TableStart::At),
        }
    }

    /// The first leases of a table say where it begins, and so do all tables that are not begun yet.
    pub(super) fn announce(
        &self,
        group: &GroupRow,
        stream: &StreamArn,
        (start, book): (TableStart, &Book),
    ) -> Write {
        if group.starts.contains_key(stream.table()) {
            return GroupRow::announce_in_term(&self.me, group.term);
        }
        let others = self.sources.iter().map(StreamChoice::table);
        let others = others.filter(|table| {
            *table != stream.table()
                && !group.starts.contains_key(*table)
                && !is_begun(group, table, book)
        });
        let tables: Vec<&str> = std::iter::once(stream.table()).chain(others).collect();
        GroupRow::begin_tables_in_term(&self.me, group.term, &tables, start)
    }

    /// Only the first listing of a stream begins where the user said; everything found later is newer than that and
    /// begins at its oldest record. So is everything that is still kept, a day after the start.
    pub(super) fn first_checkpoint(
        &self,
        group: &GroupRow,
        stream: &StreamArn,
        start: TableStart,
    ) -> Checkpoint {
        let now = self.listing.source.service_time();
        let first_of_all = group.listed.is_empty();
        let is_old = |start: Timestamp| {
            now.is_some_and(|now| now.since(start) >= RETENTION) && !first_of_all
        };
        match start {
            TableStart::At(time) if !group.listed.contains(stream.as_str()) && !is_old(time) => {
                Checkpoint::At(time)
            }
            _ => Checkpoint::TrimHorizon,
        }
    }

    /// The table had leases before this worker began to list it.
    pub(super) fn tell_that_checkpoints_count(&self, group: &GroupRow, book: &Book) {
        let table = self.choice.table();
        if self.start != StartPosition::TrimHorizon && is_begun(group, table, book) {
            self.ignored(&format!(
                "the application has leases of table {table} already: reading goes on at their stored checkpoints"
            ));
        }
    }

    pub(super) fn tell_that_latest_has_no_time(&self, group: &GroupRow) {
        if self.start == StartPosition::Latest && group.started_at.is_none() {
            self.ignored(
                "the source tells no time, and only the service's own clock can say what `Latest` means: reading begins at the oldest records, so that nothing is lost",
            );
        }
    }

    fn ignored(&self, why: &str) {
        let why = why.to_owned();
        self.listing.observers.emit(&Event::StartIgnored { why });
    }

    /// The leases of the shards for which the user gave a position, and finished ones of what comes before them.
    pub(super) fn named(
        &self,
        group: &GroupRow,
        stream: &StreamArn,
        listed: &Listed,
        leases: &Leases,
    ) -> Vec<NewLease> {
        let known = |(shard, number): &(&ShardId, &SequenceNumber)| {
            listed
                .shards
                .get(*shard)
                .is_some_and(|shard| holds(shard, number))
        };
        let positions = self.positions(group, stream);
        let named: BTreeMap<_, _> = positions.into_iter().flatten().filter(known).collect();
        let over = lineage::ancestors_of(&listed.shards, named.keys().copied());
        let begin = |shard: &Shard| {
            let checkpoint = match named.get(&shard.id) {
                _ if over.contains(&shard.id) => Checkpoint::ShardEnd,
                Some(number) => Checkpoint::After(**number),
                None => return None,
            };
            Some(NewLease {
                stream: stream.clone(),
                shard: shard.id.clone(),
                parent: shard.parent.clone(),
                checkpoint,
                epoch: self.first_epoch(group),
                stopped: None,
            })
        };
        let unleased = listed
            .shards
            .values()
            .filter(|shard| !leases.contains_key(&shard.id));
        unleased.filter_map(begin).collect()
    }

    /// The positions that count: those of a table that was not begun yet.
    pub(super) fn positions<'a>(
        &'a self,
        group: &GroupRow,
        stream: &StreamArn,
    ) -> Option<&'a BTreeMap<ShardId, SequenceNumber>> {
        let of_table = |listed: &String| {
            StreamArn::parse(listed).is_ok_and(|listed| listed.table() == stream.table())
        };
        match &self.start {
            StartPosition::After(positions) if !group.listed.iter().any(of_table) => {
                Some(positions)
            }
            _ => None,
        }
    }

    pub(super) fn tell_unknown(&self, group: &GroupRow, stream: &StreamArn, listed: &Listed) {
        let unknown = |(shard, number): &(&ShardId, &SequenceNumber)| {
            let listed = listed.shards.get(*shard);
            listed.is_none_or(|shard| !holds(shard, number))
        };
        let positions = self.positions(group, stream).into_iter().flatten();
        let unknown: Vec<_> = positions
            .filter(unknown)
            .map(|(shard, _)| shard.as_str())
            .collect();
        if let Some(first) = unknown.first() {
            let more = unknown.len() - 1;
            self.ignored(&format!(
                "shard {first}, and {more} more with a position of their own, are not in stream {stream} or do not reach to there: reading begins without these positions"
            ));
        }
    }
}

/// True when the application has, or had, leases of the table.
fn is_begun(group: &GroupRow, table: &str, book: &Book) -> bool {
    let listed = group.listed.iter();
    let mut listed = listed.filter_map(|listed| StreamArn::parse(listed).ok());
    listed.any(|listed| listed.table() == table)
        || book.leased().any(|leased| leased.table() == table)
}

/// True when the position may lie in the shard, as far as the listing says where it begins and ends.
fn holds(shard: &Shard, number: &SequenceNumber) -> bool {
    shard.starting.is_none_or(|starting| starting <= *number)
        && shard.ending.is_none_or(|ending| *number <= ending)
}
