//! `shardkeeper shards`: what the service lists.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use shardkeeper::core::lineage::Shard;
use shardkeeper::core::ports::{PortError, StreamSource, StreamStatus};
use shardkeeper::{ShardId, StreamArn};

use crate::colours::{GOOD, QUIET, STRONG};
use crate::connection::{Connection, Door, patiently};
use crate::failure::Failure;
use crate::names;
use crate::screen::{Cell, Grid, show, show_json};

/// Show the shards of a stream as the service lists them.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["table", "stream_arn"])))]
pub(crate) struct Arguments {
    #[command(flatten)]
    stream: Stream,
    #[command(flatten)]
    connection: Connection,
    /// Show only shards that still take records.
    #[arg(long)]
    open: bool,
    /// One JSON object with everything.
    #[arg(long)]
    json: bool,
}

/// A table's newest stream, or any stream.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Stream {
    /// Table whose newest stream to look at.
    #[arg(long)]
    pub(crate) table: Option<String>,
    /// Stream to look at.
    #[arg(long, value_name = "ARN")]
    pub(crate) stream_arn: Option<String>,
}

impl Stream {
    /// True when one was named.
    pub(crate) fn is_given(&self) -> bool {
        self.table.is_some() || self.stream_arn.is_some()
    }

    /// The stream's ARN.
    pub(crate) async fn arn(&self, door: &Door) -> Result<StreamArn, Failure> {
        match (&self.stream_arn, &self.table) {
            (Some(arn), _) => Ok(StreamArn::parse(arn)?),
            (None, table) => {
                let table = table.as_deref().unwrap_or_default();
                Ok(patiently(async || door.streams.latest_stream(table).await).await?)
            }
        }
    }
}

/// Lists and shows.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let door = arguments.connection.open().await?;
    let stream = arguments.stream.arn(&door).await?;
    let listing = Listing::read(&door, &stream).await?;
    if arguments.json {
        return show_json(&as_json(&stream, &listing));
    }
    let open = listing.shards.values().filter(|s| s.ending.is_none());
    let mut text = format!("{STRONG}{stream}{STRONG:#}\n");
    let _ = writeln!(
        text,
        "{}, {} shards, {} of them open, view type {}",
        word(listing.status),
        listing.shards.len(),
        open.count(),
        listing.view_type.as_deref().unwrap_or("not stated"),
    );
    let grid = grid(&listing, arguments.open);
    if !grid.is_empty() {
        text.push('\n');
        text.push_str(&grid.render());
    }
    show(&text)
}

/// Everything a stream lists.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) status: StreamStatus,
    pub(crate) view_type: Option<String>,
    pub(crate) shards: BTreeMap<ShardId, Shard>,
}

impl Listing {
    /// Page by page, until the service says that it was all, or a page shows nothing new.
    pub(crate) async fn read(door: &Door, stream: &StreamArn) -> Result<Self, PortError> {
        let mut shards = BTreeMap::new();
        let mut after: Option<ShardId> = None;
        loop {
            let page =
                patiently(async || door.streams.list_shards(stream, after.as_ref()).await).await?;
            let before = shards.len();
            let is_empty = page.shards.is_empty();
            shards.extend(
                page.shards
                    .into_iter()
                    .map(|shard| (shard.id.clone(), shard)),
            );
            let is_new = is_empty || shards.len() > before;
            match page.next {
                Some(next) if is_new && after.as_ref() != Some(&next) => after = Some(next),
                _ => {
                    return Ok(Self {
                        status: page.status,
                        view_type: page.view_type,
                        shards,
                    });
                }
            }
        }
    }
}

fn grid(listing: &Listing, only_open: bool) -> Grid<5> {
    let mut grid = Grid::new(["SHARD", "STATE", "PARENT", "FIRST", "LAST"]);
    for shard in listing.shards.values() {
        let is_open = shard.ending.is_none();
        if only_open && !is_open {
            continue;
        }
        let number = |number: Option<shardkeeper::SequenceNumber>| {
            Cell::plain(number.map_or_else(|| "-".to_owned(), |n| n.to_string()))
        };
        let parent = shard.parent.as_ref().map_or("-", names::tail);
        grid.row([
            Cell::plain(shard.id.as_str()),
            match is_open {
                true => Cell::new("open", GOOD),
                false => Cell::new("closed", QUIET),
            },
            Cell::plain(parent),
            number(shard.starting),
            number(shard.ending),
        ]);
    }
    grid
}

/// A stream's state in one word.
pub(crate) fn word(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Enabling => "enabling",
        StreamStatus::Enabled => "enabled",
        StreamStatus::Disabling => "disabling",
        StreamStatus::Disabled => "disabled",
        _ => "in an unknown state",
    }
}

fn as_json(stream: &StreamArn, listing: &Listing) -> Value {
    let shards = listing.shards.values().map(|shard| {
        json!({
            "shard": shard.id.as_str(),
            "open": shard.ending.is_none(),
            "parent": shard.parent.as_ref().map(ShardId::as_str),
            "first": shard.starting.map(|number| number.to_string()),
            "last": shard.ending.map(|number| number.to_string()),
        })
    });
    json!({
        "stream_arn": stream.as_str(),
        "status": word(listing.status),
        "view_type": listing.view_type,
        "shards": shards.collect::<Vec<_>>(),
    })
}
