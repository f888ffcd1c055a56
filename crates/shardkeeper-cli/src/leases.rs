//! `shardkeeper leases`: who reads what, and how far.

mod give_back;
mod resume;

use std::fmt::Write as _;

use anstyle::Style;
use clap::Args;
use serde_json::{Value, json};
use shardkeeper::core::lease::Lease;
use shardkeeper::core::membership::{WorkerRow, WorkerState};

use crate::book::{Book, LeaseTable, State};
use crate::colours::{BAD, GOOD, ODD, PLAIN, QUIET, STRONG};
use crate::failure::Failure;
use crate::names;
use crate::screen::{Cell, Grid, show, show_json};

/// Show the leases of an application: shard, owner, epoch, checkpoint, family, and what stands still.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    table: LeaseTable,
    /// Show finished leases too.
    #[arg(long)]
    all: bool,
    /// Let an application go on that stopped because its lease table was set back in time: every lease is raised above
    /// every fencing token that was ever used. Stop all workers first.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    giving_back: give_back::Options,
    /// One JSON object with everything.
    #[arg(long)]
    json: bool,
}

/// Reads and shows.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.giving_back.give_back {
        return give_back::run(&arguments.table, &arguments.giving_back).await;
    }
    let (door, mut book) = arguments.table.read().await?;
    if arguments.resume {
        book = resume::resume(&door, &arguments.table.table, book).await?;
    }
    if arguments.json {
        return show_json(&as_json(&book));
    }
    let shown = |lease: &&Lease| arguments.all || !lease.is_finished();
    let shown: Vec<&Lease> = book.leases.iter().filter(shown).collect();
    let mut text = heading(&arguments.table.table, &book);
    let hidden = book.leases.len() - shown.len();
    if !shown.is_empty() {
        text.push('\n');
        text.push_str(&grid(&book, &shown).render());
    }
    if hidden > 0 {
        let _ = writeln!(text, "{QUIET}{hidden} finished, not shown: --all{QUIET:#}");
    }
    text.push_str(&workers(&book));
    text.push_str(&troubles(&arguments.table.table, &book));
    show(&text)
}

fn heading(table: &str, book: &Book) -> String {
    let mut text = String::new();
    match &book.group {
        Some(group) => {
            let _ = writeln!(
                text,
                "{STRONG}{}{STRONG:#} in table {table}",
                group.application
            );
            if let Some(why) = &group.stopped {
                let _ = writeln!(text, "{BAD}stopped:{BAD:#} {why}");
            }
        }
        None => {
            let _ = writeln!(
                text,
                "{ODD}table {table} has no group row: no worker has used it yet, or another program owns it{ODD:#}"
            );
        }
    }
    let mut streams: Vec<_> = book.leases.iter().map(|lease| &lease.stream).collect();
    streams.dedup();
    for stream in streams {
        let _ = writeln!(text, "{QUIET}{stream}{QUIET:#}");
    }
    if book.leases.is_empty() {
        let _ = writeln!(text, "no leases");
    }
    text
}

fn grid(book: &Book, leases: &[&Lease]) -> Grid<6> {
    let mut grid = Grid::new(["SHARD", "OWNER", ">EPOCH", "CHECKPOINT", "STATE", "FAMILY"]);
    for lease in leases {
        let state = book.state(lease);
        let owner = lease.owner.as_ref().map(names::worker);
        grid.row([
            Cell::plain(lease.shard.as_str()),
            Cell::plain(owner.unwrap_or_else(|| "-".into())),
            Cell::plain(lease.epoch.to_string()),
            Cell::plain(names::checkpoint(&lease.checkpoint)),
            Cell::new(said(lease, state), style(state)),
            Cell::new(family(lease), QUIET),
        ]);
    }
    grid
}

fn said(lease: &Lease, state: State) -> String {
    match &lease.next_owner {
        Some(next) => format!("{}, for {}", state.word(), names::worker(next)),
        None => state.word().to_owned(),
    }
}

fn family(lease: &Lease) -> String {
    let (parents, children) = (names::tails(&lease.parents), names::tails(&lease.children));
    let child_of = (!parents.is_empty()).then(|| format!("child of {parents}"));
    let followed_by = (!children.is_empty()).then(|| format!("parent of {children}"));
    let said: Vec<String> = child_of.into_iter().chain(followed_by).collect();
    said.join(", ")
}

fn style(state: State) -> Style {
    match state {
        State::Finished | State::Waiting => QUIET,
        State::Stopped => BAD,
        State::Free | State::Orphaned => ODD,
        State::Read => GOOD,
    }
}

fn workers(book: &Book) -> String {
    let mut grid = Grid::new(["WORKER", ">LEASES", "STATE"]);
    for worker in book.workers.values() {
        let style = match worker.state {
            WorkerState::Living => PLAIN,
            WorkerState::Leaving => ODD,
            WorkerState::Left => QUIET,
        };
        let owned = owned_by(book, worker);
        grid.row([
            Cell::plain(names::worker(&worker.id)),
            Cell::plain(owned.to_string()),
            Cell::new(stands(book, worker), style),
        ]);
    }
    if grid.is_empty() {
        return String::new();
    }
    format!("\n{}", grid.render())
}

fn owned_by(book: &Book, worker: &WorkerRow) -> usize {
    let ours = |lease: &&Lease| lease.owner.as_ref() == Some(&worker.id);
    book.leases.iter().filter(ours).count()
}

fn stands(book: &Book, worker: &WorkerRow) -> String {
    let lists = |group: &shardkeeper::core::membership::GroupRow| {
        group.discoverer.as_ref() == Some(&worker.id) && worker.state == WorkerState::Living
    };
    match book.group.as_ref().is_some_and(lists) {
        true => format!("{}, lists the stream", word(worker.state)),
        false => word(worker.state).to_owned(),
    }
}

fn word(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Living => "living",
        WorkerState::Leaving => "leaving",
        WorkerState::Left => "left",
    }
}

/// What needs somebody, in full and with the way out.
fn troubles(table: &str, book: &Book) -> String {
    let mut text = String::new();
    for lease in &book.leases {
        if let Some(why) = &lease.stopped {
            let tail = names::tail(&lease.shard);
            let _ = writeln!(text, "\n{BAD}stopped:{BAD:#} {}: {why}", lease.shard);
            let _ = writeln!(
                text,
                "  once that is mended: shardkeeper checkpoint --table {table} --clear-stopped {tail}"
            );
        }
    }
    for unreadable in &book.unreadable {
        let _ = writeln!(text, "\n{ODD}left alone:{ODD:#} {unreadable}");
    }
    text
}

fn as_json(book: &Book) -> Value {
    let leases: Vec<Value> = book
        .leases
        .iter()
        .map(|lease| lease_json(book, lease))
        .collect();
    let workers = book.workers.values().map(|worker| {
        json!({
            "worker": worker.id.as_str(),
            "state": word(worker.state),
            "leases": owned_by(book, worker),
            "lease_duration_ms": u64::try_from(worker.lease_duration.as_millis()).unwrap_or(u64::MAX),
        })
    });
    let unreadable = book.unreadable.iter();
    json!({
        "application": book.group.as_ref().map(|group| &group.application),
        "discoverer": book.group.as_ref().and_then(|g| g.discoverer.as_ref()).map(|id| id.as_str()),
        "leases": leases,
        "workers": workers.collect::<Vec<_>>(),
        "unreadable": unreadable.map(|row| json!({"key": row.key.as_str(), "why": row.why})).collect::<Vec<_>>(),
    })
}

/// One lease for programs.
pub(crate) fn lease_json(book: &Book, lease: &Lease) -> Value {
    let ids = |shards: &std::collections::BTreeSet<shardkeeper::ShardId>| {
        shards.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    json!({
        "shard": lease.shard.as_str(),
        "stream_arn": lease.stream.as_str(),
        "state": book.state(lease).word(),
        "owner": lease.owner.as_ref().map(|id| id.as_str()),
        "epoch": lease.epoch,
        "version": lease.version,
        "checkpoint": lease.checkpoint.to_string(),
        "parents": ids(&lease.parents),
        "children": ids(&lease.children),
        "next_owner": lease.next_owner.as_ref().map(|id| id.as_str()),
        "stopped": lease.stopped,
    })
}
