//! Complete listings of a stream, and what they say about the end of one shard.
//!
//! A null iterator is only a hint that a shard has ended (S8). The end is confirmed by the listing: a child
//! names the shard as its parent, or the shard has an ending sequence number, or the stream is disabled. A
//! shard that is still open has not ended, whatever the page looked like: it is read on. Children may be listed late, so a confirmed end without children is looked at again for a while;
//! discovery finds what comes even later.

mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::planted;
use shardkeeper_core::ports::{
    FailureKind, PortError, Position, ShardPage, StreamSource, StreamStatus,
};

use self::shared::Flights;
use crate::ends::{Ends, Look, Place};
use crate::env::Env;
use crate::observer::Observers;
use crate::retry::Retry;
use crate::turns::{Caller, Turns};

/// For how long children that are listed late are asked for again before everything is listed.
const LATE_CHILDREN: Duration = Duration::from_secs(1);
/// Between two of these questions, at first and at most.
const SOONEST: Duration = Duration::from_millis(25);
const LATEST: Duration = Duration::from_millis(250);
/// How often an end that the listing does not confirm is looked at again before the shard counts as gone.
const UNLISTED_ATTEMPTS: u32 = 2;
/// A listing has at most so many pages: 400,000 shards, as a table of more than 50,000 partitions has.
const MAX_PAGES: u32 = 4_000;
/// A list of streams has at most so many pages: a table that was switched off and on ten thousand times in a day.
const MAX_STREAM_PAGES: usize = 100;
/// Between two of them: the whole account shares five calls a second (F51).
const BETWEEN_STREAM_PAGES: Duration = Duration::from_millis(250);
/// A page that is refused so often in a row is not waited for any longer: discovery begins again.
const MAX_REFUSALS: u32 = 100;

/// What the listing says about one shard.
enum Verdict {
    Ended(Vec<Shard>),
    /// No child is known yet.
    Childless,
    ClosedWithoutChildren,
    StillOpen,
    Unlisted,
}

/// What became of a hint that a shard has ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It has; these are its children, as far as they are listed.
    Confirmed(Vec<Shard>),
    /// It is still open.
    Denied,
}

/// Looks at the listing of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) source: Arc<dyn StreamSource>,
    pub(crate) env: Env,
    pub(crate) observers: Observers,
    pub(crate) turns: Turns,
    /// The shards whose ends are looked into.
    ends: Ends,
    /// What they list.
    flights: Flights,
}

/// Everything that a listing showed.
#[derive(Debug)]
pub(crate) struct Listed {
    /// False when the listing was cut short because a page showed nothing new, or did not begin at the beginning.
    pub(crate) complete: bool,
    /// How many pages it had, or would have had from the beginning on.
    pub(crate) pages: u32,
    /// How many pages were asked for.
    pub(crate) asked: u32,
    /// How many shards were not asked for.
    pub(crate) skipped: usize,
    /// The shards in the order of the pages.
    pub(crate) order: Vec<ShardId>,
    pub(crate) status: StreamStatus,
    pub(crate) shards: BTreeMap<ShardId, Shard>,
}

impl Listed {
    /// True when nothing of the stream can have been left out but what is always listed late.
    pub(crate) fn is_whole(&self) -> bool {
        self.complete && (self.status == StreamStatus::Disabled || !self.shards.is_empty())
    }
}

impl Listing {
    /// Its clones share their turns and what they show; another one knows nothing of them.
    pub(crate) fn new(source: Arc<dyn StreamSource>, env: Env, observers: Observers) -> Self {
        Self {
            source,
            env,
            observers,
            turns: Turns::default(),
            ends: Ends::default(),
            flights: Flights::default(),
        }
    }

    /// Waits until the end of `shard` is confirmed or denied. `patience` grows with every denial. May be
    /// cancelled by dropping it.
    pub(crate) async fn end_of(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        patience: &mut Retry,
    ) -> End {
        let (place, answered) = self.ends.wait(stream, shard, self.env.now());
        tokio::select! {
            biased;
            Ok(children) = answered, if !planted!(ChildrenForgotten) => End::Confirmed(children),
            end = self.ask_for_the_end(&place, patience) => end,
        }
    }

    async fn ask_for_the_end(&self, place: &Place, patience: &mut Retry) -> End {
        let mut late = Retry::bounded(&self.env, SOONEST, LATEST);
        let mut unlisted = 0;
        let since = self.env.now();
        loop {
            let is_patient = late.attempts() == 0 || self.env.now() < since + LATE_CHILDREN;
            match self.verdict(place, is_patient).await {
                Ok(Verdict::Ended(_)) if planted!(ChildrenForgotten) => {
                    return End::Confirmed(Vec::new());
                }
                Ok(Verdict::Ended(children)) => return End::Confirmed(children),
                Ok(Verdict::Childless) => late.pause().await,
                Ok(Verdict::ClosedWithoutChildren) => {
                    assert!(
                        !planted!(ClosedLeafPanics),
                        "a closed shard has no children"
                    );
                    if planted!(LateChildLost) || !is_patient {
                        return End::Confirmed(Vec::new());
                    }
                    late.pause().await;
                }
                Ok(Verdict::Unlisted) if unlisted >= UNLISTED_ATTEMPTS => {
                    return End::Confirmed(Vec::new());
                }
                Ok(Verdict::Unlisted) => {
                    unlisted += 1;
                    patience.pause().await;
                }
                Ok(Verdict::StillOpen) => {
                    patience.pause().await;
                    return End::Denied;
                }
                Err(error) => {
                    self.told(&error);
                    patience.pause().await;
                }
            }
        }
    }

    /// Asks for the children, alone or for everybody who waits, and for everything only when there are none and patience has
    /// an end: a large stream has hundreds of pages.
    async fn verdict(&self, place: &Place, is_patient: bool) -> Result<Verdict, PortError> {
        if !is_patient || planted!(OpenParentPanics) {
            return self.by_everything(place).await;
        }
        self.turns.take(&self.env, Caller::End).await;
        if let Some(look) = place.look() {
            self.look(&place.stream, look).await?;
            if place.is_answered() {
                return Ok(Verdict::Childless);
            }
            // Some servers list in another order than that of shard ids: a look shows nothing there.
            self.turns.take(&self.env, Caller::End).await;
        }
        let answer = self.source.children_of(&place.stream, &place.shard).await;
        self.turns.learn(&answer);
        match answer {
            Ok(ShardPage { status, shards, .. }) => Ok(match status {
                StreamStatus::Disabled => Verdict::Ended(shards),
                _ if !shards.is_empty() => Verdict::Ended(shards),
                _ => Verdict::Childless,
            }),
            // Some servers do not know the question, and none knows a shard that is gone.
            Err(error) if matches!(error.kind, FailureKind::Invalid | FailureKind::NotFound) => {
                self.by_everything(place).await
            }
            Err(error) => Err(error),
        }
    }

    /// Lists what comes behind a shard that waits; whoever's children are shown is answered by that. The turn for the first
    /// page is ours.
    async fn look(&self, stream: &StreamArn, look: Look<'_>) -> Result<(), PortError> {
        let mut pages = self.pages(stream, Some(look.after.clone()));
        pages.has_turn = true;
        let mut read = 0;
        let mut turned = Ok(true);
        while matches!(turned, Ok(true)) && read < look.most_pages {
            turned = pages.turn().await;
            read += 1;
        }
        look.read(read, matches!(turned, Ok(false)));
        match turned {
            // It may be the first one alone that the server does not know any more.
            Err(error) if error.kind != FailureKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What a listing of everything says, which all share that ask at the same time.
    async fn by_everything(&self, place: &Place) -> Result<Verdict, PortError> {
        let listed = match self.complete_for_all(&place.stream).await {
            Err(error) if error.kind == FailureKind::NotFound => return Ok(Verdict::Unlisted),
            listed => listed?,
        };
        let (status, shards, shard) = (listed.status, &listed.shards, &place.shard);
        let children = listed.children.get(shard).cloned().unwrap_or_default();
        if planted!(OpenParentPanics) && !children.is_empty() {
            let parent = shards.get(shard);
            assert!(
                parent.is_none_or(|parent| parent.ending.is_some()),
                "the parent is open"
            );
        }
        if !children.is_empty() || status == StreamStatus::Disabled {
            return Ok(Verdict::Ended(children));
        }
        Ok(match shards.get(shard) {
            Some(listed) if listed.ending.is_some() => Verdict::ClosedWithoutChildren,
            Some(_) => Verdict::StillOpen,
            // A listing may leave a shard out, or have been cut short.
            None if self.is_gone(&place.stream, shard).await? => Verdict::Unlisted,
            None => Verdict::StillOpen,
        })
    }

    /// True when the service no longer knows the shard. It knows each by its name, and is asked before anything is
    /// concluded from a shard that no listing shows.
    pub(crate) async fn is_gone(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
    ) -> Result<bool, PortError> {
        match self.source.open(stream, shard, Position::TrimHorizon).await {
            Ok(_) => Ok(false),
            Err(error) if error.kind == FailureKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Every stream that the service keeps of tables with this name (F51, F52).
    pub(crate) async fn streams_of(&self, table: &str) -> Result<BTreeSet<StreamArn>, PortError> {
        let mut streams = BTreeSet::new();
        let mut after: Option<StreamArn> = None;
        for page in 0..MAX_STREAM_PAGES {
            if page > 0 {
                self.env.sleep(BETWEEN_STREAM_PAGES).await;
            }
            let page = self.source.list_streams(table, after.as_ref()).await?;
            let before = streams.len();
            streams.extend(page.streams);
            match page.next {
                None => return Ok(streams),
                // Some servers ignore where to go on.
                Some(next) if streams.len() == before && after.as_ref() == Some(&next) => {
                    return Ok(streams);
                }
                next => after = next,
            }
        }
        let message = format!("the list did not end after {MAX_STREAM_PAGES} pages");
        Err(PortError::new(
            FailureKind::Protocol,
            "ListStreams",
            message,
        ))
    }

    /// Every page of the listing (F17).
    pub(crate) async fn complete(&self, stream: &StreamArn) -> Result<Listed, PortError> {
        let mut pages = self.pages(stream, None);
        while pages.turn().await? {}
        Ok(pages.listed)
    }

    /// A listing, page by page: of everything, or of what is listed behind a shard.
    pub(crate) fn pages<'a>(&'a self, stream: &'a StreamArn, after: Option<ShardId>) -> Pages<'a> {
        let (first, longest) = (Duration::from_millis(200), Duration::from_secs(10));
        Pages {
            listing: self,
            stream,
            after,
            retry: Retry::bounded(&self.env, first, longest),
            began: self.env.now(),
            has_turn: false,
            before: 0,
            listed: Listed {
                complete: false,
                pages: 0,
                asked: 0,
                skipped: 0,
                order: Vec::new(),
                status: StreamStatus::Enabled,
                shards: BTreeMap::new(),
            },
        }
    }

    pub(crate) fn told(&self, error: &PortError) {
        self.observers.call_failed(error);
    }
}

/// The children of each parent, of which there are some.
pub(crate) fn by_parent<'a>(
    shards: impl IntoIterator<Item = &'a Shard>,
) -> BTreeMap<ShardId, Vec<Shard>> {
    let mut children: BTreeMap<ShardId, Vec<Shard>> = BTreeMap::new();
    for shard in shards {
        if let Some(parent) = &shard.parent {
            let siblings = children.entry(parent.clone()).or_default();
            siblings.push(shard.clone());
        }
    }
    children
}

/// A listing that goes on.
pub(crate) struct Pages<'a> {
    listing: &'a Listing,
    stream: &'a StreamArn,
    after: Option<ShardId>,
    retry: Retry,
    began: Duration,
    /// The next page may be asked for at once.
    has_turn: bool,
    /// How many shards there were before the latest page.
    before: usize,
    /// What the pages so far have shown.
    pub(crate) listed: Listed,
}

impl Pages<'_> {
    /// Turns to the next page. False when it was the last one: the service says so, or the page shows nothing new, because
    /// some servers ignore where to go on. May be cancelled by dropping it.
    pub(crate) async fn turn(&mut self) -> Result<bool, PortError> {
        let ShardPage {
            status,
            shards: found,
            next,
            ..
        } = self.ask().await?;
        let listed = &mut self.listed;
        listed.pages += 1;
        listed.asked += 1;
        listed.status = status;
        self.before = listed.order.len();
        let none_found = found.is_empty();
        for shard in found {
            let id = shard.id.clone();
            if listed.shards.insert(id.clone(), shard).is_none() {
                listed.order.push(id);
            }
        }
        let progress = listed.order.len() > self.before || none_found;
        match next {
            Some(next)
                if !planted!(FirstPageOnly) && progress && self.after.as_ref() != Some(&next) =>
            {
                self.after = Some(next);
            }
            next => {
                listed.complete = next.is_none() || planted!(FirstPageOnly);
                if listed.complete {
                    self.listing
                        .ends
                        .show(self.stream, self.began, &listed.shards);
                }
                return Ok(false);
            }
        }
        if listed.pages >= MAX_PAGES {
            let message = format!("the listing did not end after {MAX_PAGES} pages");
            return Err(PortError::new(
                FailureKind::Protocol,
                "DescribeStream",
                message,
            ));
        }
        Ok(true)
    }

    /// The shards that the latest page showed first.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = &Shard> {
        let fresh = self.listed.order.iter().skip(self.before);
        fresh.filter_map(|id| self.listed.shards.get(id))
    }

    /// The next page, asked for until it is not refused for want of quota.
    async fn ask(&mut self) -> Result<ShardPage, PortError> {
        let Listing {
            source, env, turns, ..
        } = self.listing;
        loop {
            if !std::mem::take(&mut self.has_turn) {
                turns.take(env, Caller::Page).await;
            }
            let answer = source.list_shards(self.stream, self.after.as_ref()).await;
            turns.learn(&answer);
            match answer {
                Err(error)
                    if error.kind == FailureKind::Throttled
                        && self.retry.attempts() < MAX_REFUSALS
                        && !planted!(ThrottledListingEnds) =>
                {
                    self.listing.told(&error);
                    self.retry.pause().await;
                }
                answer => {
                    self.retry.succeeded();
                    return answer;
                }
            }
        }
    }
}
