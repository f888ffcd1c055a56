//! `shardkeeper lag`: how far behind each shard is.
//!
//! A listing says whether a shard is open and where it ends, but not what was written last. So the record right
//! after the checkpoint is asked for: its age is the lag, and if there is none the shard is caught up.

use std::collections::BTreeMap;
use std::time::Duration;

use anstyle::Style;
use clap::Args;
use futures_util::StreamExt;
use serde_json::{Value, json};
use shardkeeper::core::lease::Lease;
use shardkeeper::core::lineage::Shard;
use shardkeeper::core::ports::{FailureKind, PortError, Position, StreamSource};
use shardkeeper::{Checkpoint, StreamArn, Timestamp};

use crate::book::{Book, LeaseTable, State};
use crate::colours::{BAD, GOOD, ODD, PLAIN, QUIET, STRONG};
use crate::connection::{Door, patiently};
use crate::failure::Failure;
use crate::names;
use crate::screen::{Cell, Grid, show, show_json};
use crate::shards::Listing;
use crate::spans;

/// Shards asked at a time.
const AT_ONCE: usize = 8;
/// Pages without records that are looked through for the next one.
const EMPTY_PAGES: usize = 10;
/// From here on a lag is coloured: most consumers are seconds behind.
const LATE: Duration = Duration::from_secs(60);

/// Show how far each shard is behind: its checkpoint against what the stream has.
///
/// Reads at most one record of each unfinished shard (and shows nothing of it but its age), so it counts for a moment
/// as a second reader of the shard.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    table: LeaseTable,
    /// One JSON object with everything.
    #[arg(long)]
    json: bool,
}

/// Asks and shows, the worst first.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (door, book) = arguments.table.read().await?;
    let listings = list(&door, &book).await?;
    let active = book.leases.iter().filter(|lease| !lease.is_finished());
    let asked = active.map(|lease| measure(&door, &book, lease, &listings));
    let mut lags: Vec<Lag<'_>> = futures_util::stream::iter(asked)
        .buffered(AT_ONCE)
        .collect()
        .await;
    lags.extend(unleased(&book, &listings));
    lags.sort_by_key(|lag| std::cmp::Reverse(lag.behind.rank()));
    if arguments.json {
        return show_json(&as_json(&lags));
    }
    let mut grid = Grid::new(["SHARD", "OWNER", "CHECKPOINT", "LISTED", "BEHIND"]);
    for lag in &lags {
        grid.row(lag.cells());
    }
    let mut text = summary(&lags);
    if !grid.is_empty() {
        text.push('\n');
        text.push_str(&grid.render());
    }
    show(&text)
}

type Listings = BTreeMap<StreamArn, Listing>;

/// The listing of every stream that has leases. One that is gone has none.
async fn list(door: &Door, book: &Book) -> Result<Listings, Failure> {
    let mut listings = Listings::new();
    for lease in &book.leases {
        if listings.contains_key(&lease.stream) {
            continue;
        }
        match Listing::read(door, &lease.stream).await {
            Ok(listing) => drop(listings.insert(lease.stream.clone(), listing)),
            Err(error) if error.kind == FailureKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(listings)
}

/// One shard.
struct Lag<'a> {
    shard: &'a shardkeeper::ShardId,
    lease: Option<&'a Lease>,
    state: Option<State>,
    listed: Listed,
    behind: Behind,
}

/// How the service lists a shard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Open,
    Closed,
    Gone,
}

/// How far behind.
enum Behind {
    CaughtUp,
    Late(Duration),
    /// There is a record, but the server does not say when it was made.
    Some,
    /// The record after the checkpoint is gone.
    Trimmed,
    /// Its parent comes first.
    NotBegun,
    Unknown(String),
}

fn listed(shard: Option<&Shard>) -> Listed {
    match shard {
        None => Listed::Gone,
        Some(shard) if shard.ending.is_some() => Listed::Closed,
        Some(_) => Listed::Open,
    }
}

async fn measure<'a>(door: &Door, book: &Book, lease: &'a Lease, listings: &Listings) -> Lag<'a> {
    let listing = listings.get(&lease.stream);
    let state = book.state(lease);
    let behind = match state {
        State::Waiting => Behind::NotBegun,
        _ => behind(door, lease).await,
    };
    Lag {
        shard: &lease.shard,
        lease: Some(lease),
        state: Some(state),
        listed: listed(listing.and_then(|listing| listing.shards.get(&lease.shard))),
        behind,
    }
}

/// Listed shards that no lease covers: neither their own nor an unfinished parent's.
fn unleased<'a>(book: &Book, listings: &'a Listings) -> Vec<Lag<'a>> {
    let mut found = Vec::new();
    for (stream, listing) in listings {
        let of_stream = book.leases.iter().filter(|lease| lease.stream == *stream);
        let leases = of_stream.map(|lease| (lease.shard.clone(), lease.clone()));
        let uncovered = shardkeeper::core::lineage::uncovered(&listing.shards, &leases.collect());
        found.extend(uncovered.iter().filter_map(|missing| {
            let shard = listing.shards.get(&missing.shard.id)?;
            Some(Lag {
                shard: &shard.id,
                lease: None,
                state: None,
                listed: listed(Some(shard)),
                behind: Behind::Unknown("no lease yet".into()),
            })
        }));
    }
    found
}

async fn behind(door: &Door, lease: &Lease) -> Behind {
    let next = match lease.checkpoint {
        Checkpoint::After(number) => oldest(door, lease, Position::After(number)).await,
        Checkpoint::At(time) => match oldest(door, lease, Position::At(time)).await {
            // Not every server knows positions in time.
            Err(error) if error.kind == FailureKind::Invalid => {
                oldest(door, lease, Position::TrimHorizon).await
            }
            answer => answer,
        },
        _ => oldest(door, lease, Position::TrimHorizon).await,
    };
    match next {
        Ok(Some(Some(created))) => Behind::Late(age(created, door.streams.service_time())),
        Ok(Some(None)) => Behind::Some,
        Ok(None) => Behind::CaughtUp,
        Err(error) if error.kind == FailureKind::Trimmed => Behind::Trimmed,
        Err(error) => Behind::Unknown(error.to_string()),
    }
}

fn age(created: Timestamp, now: Option<Timestamp>) -> Duration {
    let now = now.unwrap_or(created).millis();
    Duration::from_millis(now.saturating_sub(created.millis()))
}

/// When the first record at a position was made: `None` when there is none, `Some(None)` when it does not say.
async fn oldest(
    door: &Door,
    lease: &Lease,
    at: Position,
) -> Result<Option<Option<Timestamp>>, PortError> {
    let streams = &door.streams;
    let mut from = patiently(async || streams.open(&lease.stream, &lease.shard, at).await).await?;
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
    /// The worst first.
    fn rank(&self) -> (u8, Duration) {
        match self {
            Self::Trimmed => (5, Duration::ZERO),
            Self::Unknown(_) => (4, Duration::ZERO),
            Self::Late(age) => (3, *age),
            Self::Some => (2, Duration::ZERO),
            Self::NotBegun => (1, Duration::ZERO),
            Self::CaughtUp => (0, Duration::ZERO),
        }
    }

    fn said(&self) -> (String, Style) {
        match self {
            Self::CaughtUp => ("caught up".into(), GOOD),
            Self::Late(age) if *age < LATE => (spans::tell(*age), PLAIN),
            Self::Late(age) => (spans::tell(*age), ODD),
            Self::Some => ("some, of unknown age".into(), PLAIN),
            Self::Trimmed => ("DATA LOST: the next record was trimmed".into(), BAD),
            Self::NotBegun => ("waits for its parent".into(), QUIET),
            Self::Unknown(why) => (why.clone(), BAD),
        }
    }
}

impl Lag<'_> {
    fn cells(&self) -> [Cell; 5] {
        let owner = self.lease.and_then(|lease| lease.owner.as_ref());
        let owner = match self.state {
            Some(State::Stopped) => Cell::new("stopped", BAD),
            Some(State::Orphaned) => Cell::new("gone", ODD),
            _ => Cell::plain(owner.map_or_else(|| "-".to_owned(), names::worker)),
        };
        let checkpoint = self.lease.map(|lease| names::checkpoint(&lease.checkpoint));
        let (behind, style) = self.behind.said();
        [
            Cell::plain(self.shard.as_str()),
            owner,
            Cell::plain(checkpoint.unwrap_or_else(|| "-".into())),
            match self.listed {
                Listed::Gone => Cell::new("gone", BAD),
                listed => Cell::plain(listed.word()),
            },
            Cell::new(behind, style),
        ]
    }
}

impl Listed {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Gone => "gone",
        }
    }
}

fn worst(lags: &[Lag<'_>]) -> Option<Duration> {
    let ages = lags.iter().filter_map(|lag| match lag.behind {
        Behind::Late(age) => Some(age),
        _ => None,
    });
    ages.max()
}

fn summary(lags: &[Lag<'_>]) -> String {
    let count = |is: fn(&Behind) -> bool| lags.iter().filter(|lag| is(&lag.behind)).count();
    let caught_up = count(|behind| matches!(behind, Behind::CaughtUp));
    let lost = count(|behind| matches!(behind, Behind::Trimmed));
    let worst = worst(lags).map_or_else(|| "none".to_owned(), spans::tell);
    let shards = lags.len();
    let lost = match lost {
        0 => String::new(),
        lost => format!(", {BAD}{lost} with data lost{BAD:#}"),
    };
    format!(
        "{STRONG}worst lag {worst}{STRONG:#}: {shards} unfinished shards, {caught_up} caught up{lost}\n"
    )
}

fn as_json(lags: &[Lag<'_>]) -> Value {
    let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let shards = lags.iter().map(|lag| {
        let (age, said) = match &lag.behind {
            Behind::Late(age) => (Some(millis(*age)), "late"),
            Behind::CaughtUp => (Some(0), "caught up"),
            Behind::Some => (None, "some"),
            Behind::Trimmed => (None, "trimmed"),
            Behind::NotBegun => (None, "not begun"),
            Behind::Unknown(why) => (None, why.as_str()),
        };
        json!({
            "shard": lag.shard.as_str(),
            "owner": lag.lease.and_then(|lease| lease.owner.as_ref()).map(|id| id.as_str()),
            "state": lag.state.map(State::word),
            "checkpoint": lag.lease.map(|lease| lease.checkpoint.to_string()),
            "listed": lag.listed.word(),
            "behind": said,
            "behind_ms": age,
        })
    });
    json!({"worst_ms": worst(lags).map(millis), "shards": shards.collect::<Vec<_>>()})
}
