//! What shards exist? One worker at a time lists the stream and leases what nobody covers.
//!
//! Children of a shard that ends do not wait for this: its owner finds them. Discovery makes the first leases,
//! finds what was listed late, follows a table to its next stream, and forgets what is over.

mod book;
mod creating;
mod early;
mod ending;
mod going_on;
mod proof;
mod starting;
mod stragglers;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shardkeeper_core::event::Event;
use shardkeeper_core::ids::{ShardId, StreamArn, WorkerId};
use shardkeeper_core::lease::Lease;
use shardkeeper_core::lineage::{self, Shard};
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::planted;
use shardkeeper_core::ports::{Answer, FailureKind, LeaseStore, PortError, StreamStatus};
use shardkeeper_core::row::Write;
use shardkeeper_core::succession;
use tokio::sync::{Notify, watch};

use self::book::{Book, Unread};
use self::early::Early;
pub use self::starting::StartPosition;
pub(crate) use self::stragglers::Stragglers;
use crate::env::give_way_after;
use crate::listing::{Listed, Listing};
use crate::memory::Memory;
use crate::processor::OnDataLoss;
use crate::settings::Settings;
use crate::sources::{Sources, StreamChoice};

/// Lists the stream while its worker is the discoverer.
pub(crate) struct ShardDiscovery {
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) listing: Listing,
    pub(crate) settings: Arc<Settings>,
    pub(crate) choice: StreamChoice,
    /// Everything that the worker reads.
    pub(crate) sources: Sources,
    pub(crate) start: StartPosition,
    pub(crate) on_data_loss: OnDataLoss,
    pub(crate) me: WorkerId,
    /// The term in which this worker lists; `None` while another one does.
    pub(crate) term: watch::Receiver<Option<u64>>,
    /// Look now.
    pub(crate) nudge: Arc<Notify>,
    /// Tells this worker's keeper of leases to take, sooner than its next look would.
    pub(crate) found: Arc<Notify>,
    /// The highest epoch that this worker ever saw: a lease that was deleted by hand begins above it again.
    pub(crate) memory: Arc<Memory>,
    pub(crate) stragglers: Stragglers,
}

/// A listing is made so rarely that its pages come to one in so long: a tenth of what the account may ask for (F10). Only
/// streams of many hundred partitions notice: what ends is followed by its owner and waits for no listing. So is one that
/// is asked for in between, because a shard ended without children, after the pages that the latest one had.
const BETWEEN_PAGES: Duration = Duration::from_secs(1);

/// When the next listing is due.
struct Next {
    due: Duration,
    /// Never before this, however often it is asked for.
    rested: Duration,
}

impl Next {
    /// After a round that ended now: in so long, or later when the listing had many pages.
    fn after(now: Duration, wait: Duration, book: &Book) -> Self {
        Self {
            due: now + wait.max(BETWEEN_PAGES * book.pages),
            rested: now + BETWEEN_PAGES * book.asked,
        }
    }

    /// A listing is asked for at this time.
    fn nudge(&mut self, at: Duration) {
        self.due = self.due.min(self.rested.max(at));
    }
}

/// What a look at one or more streams came to.
#[derive(Default)]
struct Tended {
    listed: usize,
    pages: u32,
    /// Pages that were asked for, but those of first listings: a second look confirms what they began.
    asked: u32,
    created: usize,
    forgotten: usize,
    /// The shards of the one that was looked at last, when it is switched off.
    closed: Option<Vec<ShardId>>,
}

impl ShardDiscovery {
    /// Lists again and again. Ends when the worker does: drop it.
    pub(crate) async fn run(mut self) {
        let mut book = Book::default();
        loop {
            let term = *self.term.borrow_and_update();
            if let Some(term) = term
                && let Err(error) = self.round(term, &mut book).await
            {
                self.listing.told(&error);
                if planted!(ThrottledListingEnds) && error.kind == FailureKind::Throttled {
                    return std::future::pending().await;
                }
                // A stream that is gone is not listed again; what became of its leases is only in the table.
                book.distrust();
            }
            if planted!(EverybodyLists)
                && term.is_none()
                && let Ok(stream) = self.listing.source.latest_stream(self.choice.table()).await
            {
                drop(self.listing.complete(&stream).await);
            }
            if !self.rest(term, &mut book).await {
                return;
            }
        }
    }

    /// Waits until the next listing is due. False when the worker is over.
    async fn rest(&mut self, term: Option<u64>, book: &mut Book) -> bool {
        let env = self.listing.env.clone();
        let now = env.now();
        // Spread, so that many applications do not list in step.
        let interval = self.settings.discovery_interval;
        let wait = interval / 2 + env.up_to(interval / 2);
        let mut next = Next::after(now, wait, book);
        loop {
            tokio::select! {
                biased;
                changed = self.term.changed() => {
                    book.begin_term();
                    return changed.is_ok();
                }
                () = self.nudge.notified(), if term.is_some() => {
                    next.nudge(env.now() + self.settings.beat_interval);
                }
                () = env.sleep(next.due.saturating_sub(env.now())) => return true,
            }
        }
    }

    async fn round(&mut self, term: u64, book: &mut Book) -> Result<(), PortError> {
        let Some(mut group) = self.group().await?.filter(|group| group.term == term) else {
            return Ok(());
        };
        if self.choice.is_over(&group) {
            return Ok(());
        }
        let now = self.listing.env.now();
        if !book.is_fresh(now, self.settings.sweep_interval) {
            self.read_everything(book).await?;
        }
        let tended = self.tend_in_turn(&mut group, book).await;
        if let StreamChoice::Pinned(stream) = &self.choice {
            self.look_for_the_end(&group, stream, &tended, book).await?;
        }
        let Tended {
            listed,
            pages,
            asked,
            created,
            forgotten,
            ..
        } = tended?;
        (book.pages, book.asked) = (pages, asked);
        self.listing.observers.emit(&Event::ShardsListed {
            table: self.choice.table().to_owned(),
            listed,
            created,
            forgotten,
        });
        Ok(())
    }

    /// Leases what nobody covers of one stream, and forgets what is over. True when nothing of it is left to be read.
    async fn tend(
        &mut self,
        group: &mut GroupRow,
        stream: &StreamArn,
        book: &mut Book,
        tended: &mut Tended,
    ) -> Result<bool, PortError> {
        let beginning = self.beginning(group, stream, book);
        let is_first = beginning.first_listing;
        let mut early = Early::new(beginning);
        let listed = self.survey(&mut early, book).await?;
        if self.sources.only().is_some() {
            self.adopt_stragglers(group, stream, book).await?;
        }
        let created = self.create(&listed, &early, book).await?;
        if created > 0 {
            book.streams.begun.insert(stream.clone());
        }
        give_way_after(listed.shards.len()).await;
        let forgotten = if listed.complete {
            self.forget(group, stream, &listed, book).await?
        } else {
            0
        };
        tended.listed += listed.shards.len() + listed.skipped;
        tended.pages += listed.pages;
        tended.asked += if is_first { 0 } else { listed.asked };
        tended.created += created;
        tended.forgotten += forgotten;
        let is_closed = listed.complete && listed.status == StreamStatus::Disabled;
        tended.closed = is_closed.then(|| listed.shards.keys().cloned().collect());
        let leases = book.of(stream);
        let is_drained = listed.is_whole()
            && succession::is_drained(leases)
            && lineage::uncovered(&listed.shards, leases).is_empty();
        if !is_drained && listed.status != StreamStatus::Enabled {
            // Its leases finish without being listed again; the next stream waits for that.
            book.distrust();
        }
        Ok(is_drained)
    }

    /// The shards, with their leases in the book. A parent that one listing does not show may be in the next, and
    /// its child must not overtake it: it is gone when two complete listings do not show it (design rule 12). At the
    /// first listing of a stream reading begins on the way.
    async fn survey(&self, early: &mut Early<'_>, book: &mut Book) -> Result<Listed, PortError> {
        let stream = early.beginning.stream;
        if let Some(listed) = self.go_on(early, book).await? {
            return Ok(listed);
        }
        let mut pages = self.listing.pages(stream, None);
        while pages.turn().await? {
            self.begin_early(&pages, early, book).await;
        }
        let mut listed = pages.listed;
        // Read after the listing: what ended meanwhile has brought its children.
        self.catch_up(stream, &listed.shards, book).await?;
        give_way_after(listed.shards.len()).await;
        let found = lineage::uncovered(&listed.shards, book.of(stream));
        give_way_after(listed.shards.len()).await;
        self.remember(early, &listed, &found, book);
        give_way_after(listed.shards.len()).await;
        if found.iter().any(|found| found.orphan) {
            self.listing.env.sleep(self.settings.beat_interval).await;
            let again = self.listing.complete(stream).await?;
            listed.complete &= again.complete;
            listed.pages = again.pages;
            listed.asked += again.asked;
            listed.shards.extend(again.shards);
            self.catch_up(stream, &listed.shards, book).await?;
        }
        Ok(listed)
    }

    async fn group(&self) -> Result<Option<GroupRow>, PortError> {
        let rows = self.store.read(&[group_key()]).await?;
        Ok(rows.values().next().and_then(GroupRow::parse))
    }

    async fn read_everything(&self, book: &mut Book) -> Result<(), PortError> {
        let sent = self.listing.env.now();
        let rows = self.store.sweep().await?;
        book.replace(rows, sent).await;
        Ok(())
    }

    /// Reads what a listing shows and the book does not.
    async fn catch_up(
        &self,
        stream: &StreamArn,
        listed: &BTreeMap<ShardId, Shard>,
        book: &mut Book,
    ) -> Result<(), PortError> {
        match book.unread(stream, listed) {
            Unread::Everything => self.read_everything(book).await?,
            Unread::Rows(parts) => {
                for part in parts {
                    let rows = self.store.read(&part).await?;
                    book.add(rows.values());
                }
            }
        }
        book.cover(stream);
        Ok(())
    }

    async fn forget(
        &self,
        group: &mut GroupRow,
        stream: &StreamArn,
        listed: &Listed,
        book: &mut Book,
    ) -> Result<usize, PortError> {
        let is_over = listed.status == StreamStatus::Disabled;
        let over = lineage::forgettable(&listed.shards, book.of(stream), is_over);
        let over: Vec<Lease> = over.into_iter().cloned().collect();
        let mut forgotten = 0;
        for lease in &over {
            let believed = planted!(ForgetsAtTheEnd) || planted!(ForgetsUnlisted);
            if !believed && !self.listing.is_gone(stream, &lease.shard).await? {
                continue;
            }
            // Rises from lease to lease: the floor must never fall.
            group.epoch_floor = group.epoch_floor.max(lease.epoch);
            let writes = [group.raise_floor(&self.me, lease.epoch), lease.forget()];
            if !self.write(&writes).await? {
                if planted!(CleanerStops) {
                    return std::future::pending().await;
                }
                book.distrust();
                break;
            }
            book.forget(lease);
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// False when it was refused: another discoverer is in office, or a row is not as we read it. The next
    /// round sees.
    async fn write(&self, writes: &[Write]) -> Result<bool, PortError> {
        Ok(matches!(
            self.store.write(writes).await?,
            Answer::Applied(_)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The next listing after one of so many pages, of which so many were asked for.
    fn next(pages: u32, asked: u32) -> Next {
        let mut book = Book::default();
        (book.pages, book.asked) = (pages, asked);
        Next::after(SECOND * 1_000, SECOND * 20, &book)
    }

    #[test]
    fn l7_f10_a_listing_is_due_after_as_many_seconds_as_it_has_pages() {
        assert_eq!(next(1, 1).due, SECOND * 1_020);
        assert_eq!(next(20, 20).due, SECOND * 1_020);
        assert_eq!(next(600, 150).due, SECOND * 1_600);
    }

    #[test]
    fn l7_f10_a_listing_that_is_asked_for_waits_a_second_for_each_page_that_the_latest_asked_for() {
        for (at, due) in [
            (1_001, 1_150),
            (1_149, 1_150),
            (1_200, 1_200),
            (2_000, 1_600),
        ] {
            let mut next = next(600, 150);
            next.nudge(SECOND * at);
            assert_eq!(next.due, SECOND * due, "asked for at {at}");
        }
        let mut next = next(600, 0);
        next.nudge(SECOND * 1_500);
        next.nudge(SECOND * 1_001);
        next.nudge(SECOND * 1_400);
        assert_eq!(next.due, SECOND * 1_001, "a later nudge puts nothing off");
    }
}
