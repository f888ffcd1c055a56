//! Later listings of a stream leave out the shards that are over ([`lineage::Bookmark`]).
//!
//! They find the shards that nobody covers. Whatever is concluded from a shard that is not listed, that a parent is gone,
//! that a lease may be forgotten, that nothing is left to be read, needs a listing of everything: one is made every few
//! rounds, and at once when one from the bookmark on is not what it should be.

use std::collections::{BTreeMap, BTreeSet};

use shardkeeper_core::ids::StreamArn;
use shardkeeper_core::lineage::{self, Bookmark, Uncovered};
use shardkeeper_core::ports::{PortError, StreamStatus};
use shardkeeper_core::succession;

use super::ShardDiscovery;
use super::book::Book;
use super::early::Early;
use crate::listing::Listed;

/// So many listings from a bookmark on are made between two of everything.
const IN_PART: u32 = 3;

/// Where later listings begin, by stream.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: BTreeMap<StreamArn, Mark>,
    /// Streams whose pages come in another order than shards do.
    unordered: BTreeSet<StreamArn>,
}

#[derive(Debug)]
struct Mark {
    bookmark: Bookmark,
    /// How many pages a listing of everything has.
    pages: u32,
    /// How many listings have begun here or behind it since the last one of everything.
    used: u32,
}

impl Marks {
    /// Everything is listed again.
    pub(super) fn forget(&mut self) {
        self.marks.clear();
    }

    /// After a listing of everything, in which these shards were covered by nobody.
    fn set(
        &mut self,
        stream: &StreamArn,
        listed: &Listed,
        found: &[Uncovered],
        next: Option<Bookmark>,
    ) {
        let found = found.iter().map(|found| &found.shard.id);
        let last = self.marks.remove(stream);
        if last.is_some_and(|last| last.bookmark.has_missed(&listed.order, found)) {
            self.unordered.insert(stream.clone());
        }
        let pages = usize::try_from(listed.pages).unwrap_or(usize::MAX);
        let saves_a_page =
            |mark: &Bookmark| mark.skipped.saturating_mul(pages) >= listed.order.len();
        let next = next.filter(|next| pages > 1 && saves_a_page(next));
        if let Some(bookmark) = next.filter(|_| !self.unordered.contains(stream)) {
            let mark = Mark {
                bookmark,
                pages: listed.pages,
                used: 0,
            };
            self.marks.insert(stream.clone(), mark);
        }
    }
}

impl ShardDiscovery {
    /// What is listed behind the bookmark, with its leases in the book. `None` when everything is to be listed.
    pub(super) async fn go_on(
        &self,
        early: &Early<'_>,
        book: &mut Book,
    ) -> Result<Option<Listed>, PortError> {
        let stream = early.beginning.stream;
        let is_busy = !early.beginning.first_listing && !succession::is_drained(book.of(stream));
        let marks = &mut book.marks.marks;
        let Some(mark) = marks
            .get_mut(stream)
            .filter(|mark| is_busy && mark.used < IN_PART)
        else {
            return Ok(None);
        };
        mark.used += 1;
        let (bookmark, pages_of_all) = (mark.bookmark.clone(), mark.pages);
        let mut pages = self.listing.pages(stream, Some(bookmark.after.clone()));
        while pages.turn().await? {
            if !bookmark.fits(&pages.listed.order) {
                return Ok(None);
            }
        }
        let mut listed = pages.listed;
        let is_alive = listed.complete && listed.status == StreamStatus::Enabled;
        if !is_alive || !bookmark.fits(&listed.order) {
            return Ok(None);
        }
        // Read after the listing: what ended meanwhile has brought its children.
        self.catch_up(stream, &listed.shards, book).await?;
        let found = lineage::uncovered(&listed.shards, book.of(stream));
        if found.iter().any(|found| found.orphan) {
            return Ok(None);
        }
        listed.complete = false;
        listed.pages = pages_of_all;
        listed.skipped = bookmark.skipped;
        let next = lineage::bookmark(&listed.order, &listed.shards, book.of(stream));
        if let (Some(mark), Some(mut next)) = (book.marks.marks.get_mut(stream), next) {
            next.skipped += bookmark.skipped;
            mark.bookmark = next;
        }
        Ok(Some(listed))
    }

    /// Notes after a listing of everything where the next one may begin.
    pub(super) fn remember(
        &self,
        early: &Early<'_>,
        listed: &Listed,
        found: &[Uncovered],
        book: &mut Book,
    ) {
        let stream = early.beginning.stream;
        let is_alive = listed.complete && listed.status == StreamStatus::Enabled;
        let next = match is_alive && !early.beginning.first_listing {
            true => lineage::bookmark(&listed.order, &listed.shards, book.of(stream)),
            false => None,
        };
        book.marks.set(stream, listed, found, next);
    }
}
