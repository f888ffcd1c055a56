//! `shardkeeper lag`: how far behind each shard is.

mod measure;

use std::time::Duration;

use anstyle::Style;
use clap::Args;
use serde_json::{Value, json};

use self::measure::{Behind, Lag, Listed};
use crate::book::{LeaseTable, State};
use crate::colours::{BAD, GOOD, ODD, PLAIN, QUIET, STRONG};
use crate::failure::Failure;
use crate::names;
use crate::screen::{Cell, Grid, show, show_json};
use crate::spans;

/// From here on a lag is coloured: most consumers are seconds behind.
const LATE: Duration = Duration::from_secs(60);

/// Show how far each shard is behind: its checkpoint against what the stream has.
///
/// Reads at most one record of each shard that is not finished (and shows nothing of it but its age), so it counts for
/// a moment as a second reader of the shard.
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
    let mut lags = measure::all(&door, &book).await?;
    lags.sort_by_key(|lag| std::cmp::Reverse(lag.behind.rank()));
    if arguments.json {
        return show_json(&as_json(&lags));
    }
    let mut grid = Grid::new(["SHARD", "OWNER", "CHECKPOINT", "LISTED", "BEHIND"]);
    for lag in &lags {
        grid.row(cells(lag));
    }
    let mut text = summary(&lags);
    if !grid.is_empty() {
        text.push('\n');
        text.push_str(&grid.render());
    }
    show(&text)
}

fn cells(lag: &Lag) -> [Cell; 5] {
    let lease = lag.lease.as_ref();
    let owner = lease.and_then(|lease| lease.owner.as_ref());
    let owner = match lag.state {
        Some(State::Stopped) => Cell::new("stopped", BAD),
        Some(State::Orphaned) => Cell::new("gone", ODD),
        Some(State::Free) => Cell::new("free", ODD),
        Some(State::Waiting) => Cell::new("waits for its parent", QUIET),
        Some(_) => Cell::plain(owner.map_or_else(|| "-".to_owned(), names::worker)),
        None if lag.covered => Cell::new("waits for its parent", QUIET),
        None => Cell::new("no lease yet", ODD),
    };
    let checkpoint = lease.map(|lease| names::checkpoint(&lease.checkpoint));
    let (behind, style) = said(&lag.behind);
    [
        Cell::plain(lag.shard.as_str()),
        owner,
        Cell::plain(checkpoint.unwrap_or_else(|| "-".into())),
        match lag.listed {
            Listed::Gone => Cell::new("gone", BAD),
            listed => Cell::plain(listed.word()),
        },
        Cell::new(behind, style),
    ]
}

fn said(behind: &Behind) -> (String, Style) {
    match behind {
        Behind::CaughtUp => ("caught up".into(), GOOD),
        Behind::Late(age) if *age < LATE => (spans::tell(*age), PLAIN),
        Behind::Late(age) => (spans::tell(*age), ODD),
        Behind::Some => ("some, of unknown age".into(), PLAIN),
        Behind::Trimmed => ("DATA LOST: the next record was trimmed".into(), BAD),
        Behind::Unknown(why) => (why.clone(), BAD),
    }
}

fn worst(lags: &[Lag]) -> Option<Duration> {
    let ages = lags.iter().filter_map(|lag| match lag.behind {
        Behind::Late(age) => Some(age),
        _ => None,
    });
    ages.max()
}

fn summary(lags: &[Lag]) -> String {
    let count = |is: fn(&Behind) -> bool| lags.iter().filter(|lag| is(&lag.behind)).count();
    let caught_up = count(|behind| matches!(behind, Behind::CaughtUp));
    let unknown = count(|behind| matches!(behind, Behind::Unknown(_)));
    let lost = count(|behind| matches!(behind, Behind::Trimmed));
    let worst = worst(lags).map_or_else(|| "none".to_owned(), spans::tell);
    let some = |count: usize, what: &str| match count {
        0 => String::new(),
        count => format!(", {BAD}{count} {what}{BAD:#}"),
    };
    format!(
        "{STRONG}worst lag {worst}{STRONG:#}: {} unfinished shards, {caught_up} caught up{}{}\n",
        lags.len(),
        some(lost, "with data lost"),
        some(unknown, "could not be asked"),
    )
}

fn as_json(lags: &[Lag]) -> Value {
    let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let shards = lags.iter().map(|lag| {
        let (age, said) = match &lag.behind {
            Behind::Late(age) => (Some(millis(*age)), "late"),
            Behind::CaughtUp => (Some(0), "caught up"),
            Behind::Some => (None, "some"),
            Behind::Trimmed => (None, "trimmed"),
            Behind::Unknown(why) => (None, why.as_str()),
        };
        let lease = lag.lease.as_ref();
        json!({
            "shard": lag.shard.as_str(),
            "owner": lease.and_then(|lease| lease.owner.as_ref()).map(|id| id.as_str()),
            "state": lag.state.map(State::word),
            "checkpoint": lease.map(|lease| lease.checkpoint.to_string()),
            "listed": lag.listed.word(),
            "behind": said,
            "behind_ms": age,
        })
    });
    json!({"worst_ms": worst(lags).map(millis), "shards": shards.collect::<Vec<_>>()})
}
