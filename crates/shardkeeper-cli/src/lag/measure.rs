//! Asks the stream what comes next.
//!
//! A listing says whether a shard is open and where it ends, but not what was written last. So the record right
//! after the checkpoint is asked for: its age is the lag, and if there is none the shard is caught up. Shards that
//! wait for their parents count too, leased or not: what is in them is not processed either.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use shardkeeper::core::lease::Lease;
use shardkeeper::core::lineage::{Leases, Shard, uncovered};
use shardkeeper::core::ports::{FailureKind, PortError, Position, StreamSource};
use shardkeeper::{Checkpoint, ShardId, StreamArn, Timestamp};

use crate::book::{Book, State};
use crate::connection::{Door, patiently};
use crate::failure::Failure;
use crate::shards::Listing;

/// Shards asked at a time.
const AT_ONCE: usize = 8;
/// Pages without records that are looked through for the next one.
const EMPTY_PAGES: usize = 10;

/// One shard that is not finished.
pub(super) struct Lag {
    stream: StreamArn,
    pub(super) shard: ShardId,
    pub(super) lease: Option<Lease>,
    pub(super) state: Option<State>,
    /// A lease of its own or an ancestor's will bring it.
    pub(super) covered: bool,
    pub(super) listed: Listed,
    pub(super) behind: Behind,
}

/// How the service lists a shard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Open,
    Closed,
    Gone,
}

/// How far behind.
pub(super) enum Behind {
    CaughtUp,
    Late(Duration),
    /// There is a record, but the server does not say when it was made.
    Some,
    /// The record after the checkpoint is gone.
    Trimmed,
    Unknown(String),
}

/// Every shard that has something to be read, or may get it.
pub(super) async fn all(door: &Door, book: &Book) -> Result<Vec<Lag>, Failure> {
    let mut lags = Vec::new();
    for (stream, leases) in by_stream(book) {
        let listed = match Listing::read(door, &stream).await {
            Ok(listing) => listing.shards,
            Err(error) if error.kind == FailureKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        lags.extend(unfinished(book, &stream, &leases, &listed));
    }
    let asked = lags.into_iter().map(|lag| async {
        let behind = behind(door, &lag).await;
        Lag { behind, ..lag }
    });
    let lags = futures_util::stream::iter(asked).buffered(AT_ONCE);
    Ok(lags.collect().await)
}

fn by_stream(book: &Book) -> BTreeMap<StreamArn, Leases> {
    let mut streams: BTreeMap<StreamArn, Leases> = BTreeMap::new();
    for lease in &book.leases {
        let leases = streams.entry(lease.stream.clone()).or_default();
        leases.insert(lease.shard.clone(), lease.clone());
    }
    streams
}

fn unfinished(
    book: &Book,
    stream: &StreamArn,
    leases: &Leases,
    listed: &BTreeMap<ShardId, Shard>,
) -> Vec<Lag> {
    let lag = |shard: &ShardId, lease: Option<&Lease>, covered| Lag {
        stream: stream.clone(),
        shard: shard.clone(),
        lease: lease.cloned(),
        state: lease.map(|lease| book.state(lease)),
        covered,
        listed: how_listed(listed.get(shard)),
        behind: Behind::CaughtUp,
    };
    let uncovered: Vec<ShardId> = uncovered(listed, leases)
        .into_iter()
        .map(|found| found.shard.id)
        .collect();
    let leased = leases.values().filter(|lease| !lease.is_finished());
    let leased = leased.map(|lease| lag(&lease.shard, Some(lease), true));
    let others = listed.keys().filter(|shard| !leases.contains_key(*shard));
    let others = others.map(|shard| lag(shard, None, !uncovered.contains(shard)));
    leased.chain(others).collect()
}

fn how_listed(shard: Option<&Shard>) -> Listed {
    match shard {
        None => Listed::Gone,
        Some(shard) if shard.ending.is_some() => Listed::Closed,
        Some(_) => Listed::Open,
    }
}

async fn behind(door: &Door, lag: &Lag) -> Behind {
    let next = match lag.lease.as_ref().map(|lease| lease.checkpoint) {
        Some(Checkpoint::After(number)) => oldest(door, lag, Position::After(number)).await,
        Some(Checkpoint::At(time)) => match oldest(door, lag, Position::At(time)).await {
            // Not every server knows positions in time.
            Err(error) if error.kind == FailureKind::Invalid => {
                oldest(door, lag, Position::TrimHorizon).await
            }
            answer => answer,
        },
        _ => oldest(door, lag, Position::TrimHorizon).await,
    };
    match next {
        Ok(Some(Some(created))) => Behind::Late(age(created, door.streams.service_time())),
        Ok(Some(None)) => Behind::Some,
        Ok(None) => Behind::CaughtUp,
        Err(error) if error.kind == FailureKind::Trimmed => Behind::Trimmed,
        Err(error) => Behind::Unknown(error.to_string()),
    }
}

/// By the service's clock alone.
fn age(created: Timestamp, now: Option<Timestamp>) -> Duration {
    let now = now.unwrap_or(created).millis();
    Duration::from_millis(now.saturating_sub(created.millis()))
}

/// When the first record at a position was made: `None` when there is none, `Some(None)` when it does not say.
async fn oldest(
    door: &Door,
    lag: &Lag,
    at: Position,
) -> Result<Option<Option<Timestamp>>, PortError> {
    let streams = &door.streams;
    let mut from = patiently(async || streams.open(&lag.stream, &lag.shard, at).await).await?;
    for _ in 0..EMPTY_PAGES {
        let fetched = patiently(async || streams.fetch(&from, 1).await).await?;
        if let Some(record) = fetched.page.records.first() {
            return Ok(Some(record.created_at()));
        }
        if !fetched.page.undecodable.is_empty() {
            return Ok(Some(None));
        }
        match fetched.next {
            Some(next) => from = next,
            None => break,
        }
    }
    Ok(None)
}

impl Behind {
    /// The worst last.
    pub(super) fn rank(&self) -> (u8, Duration) {
        match self {
            Self::Trimmed => (4, Duration::ZERO),
            Self::Unknown(_) => (3, Duration::ZERO),
            Self::Late(age) => (2, *age),
            Self::Some => (1, Duration::ZERO),
            Self::CaughtUp => (0, Duration::ZERO),
        }
    }
}

impl Listed {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Gone => "gone",
        }
    }
}
