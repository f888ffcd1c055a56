//! The lease table and the workers that share it.

use std::time::Duration;

use shardkeeper::core::lineage;
use shardkeeper::core::membership::{SCHEMA, WorkerState, group_key};
use shardkeeper::core::ports::{FailureKind, LeaseStore, PortError, TableCreation};
use shardkeeper::core::row::{Condition, Effect, RowKey, Write};
use shardkeeper::{Env, StreamArn};

use super::report::Report;
use crate::book::{Book, State};
use crate::connection::{Door, patiently};
use crate::failure::Failure;
use crate::names;
use crate::shards::Listing;

/// A worker beats every second unless it is told otherwise: two beats and a little.
const LISTEN: Duration = Duration::from_millis(2_500);

/// Examines table, rows and workers.
pub(super) async fn examine(
    door: &Door,
    table: &str,
    listing: Option<&(StreamArn, Listing)>,
    report: &mut Report,
) -> Result<(), Failure> {
    if !there(door, table, report).await? {
        return Ok(());
    }
    writable(door, table, report).await?;
    let before = match Book::read(door, table).await {
        Ok(book) => book,
        Err(failure) => return report.failed("leases", failure),
    };
    application(&before, table, report)?;
    Env::production().sleep(LISTEN).await;
    let book = Book::read(door, table).await?;
    workers(&before, &book, report)?;
    leases(table, &book, report)?;
    coverage(&book, listing, report)
}

async fn there(door: &Door, table: &str, report: &mut Report) -> Result<bool, Failure> {
    let store = door.leases(table);
    match patiently(async || store.open(TableCreation::Forbidden).await).await {
        Ok(()) => {
            report.good("lease table", table)?;
            Ok(true)
        }
        Err(error) if error.kind == FailureKind::NotFound => {
            let advice = "the first worker creates it, if it may: allow dynamodb:CreateTable, or create it by the command above";
            report.odd("lease table", error.to_string(), advice)?;
            Ok(false)
        }
        Err(error) => {
            report.failed("lease table", error)?;
            Ok(false)
        }
    }
}

/// Each kind of write with a condition that never holds: the service looks at the permission first.
async fn writable(door: &Door, table: &str, report: &mut Report) -> Result<(), Failure> {
    let never = || vec![Condition::RowAbsent, Condition::RowExists];
    let update = || {
        let effect = Effect::Set("doctor".into(), "was here".into());
        Write::update(group_key(), never(), vec![effect])
    };
    let delete = Write::delete(RowKey::new("shardkeeper/doctor"), never());
    let store = door.leases(table);
    for writes in [vec![update()], vec![delete.clone()], vec![update(), delete]] {
        let tried: Result<_, PortError> = patiently(async || store.write(&writes).await).await;
        if let Err(error) = tried {
            return report.failed("writing", error);
        }
    }
    report.good("writing", "allowed")
}

fn application(book: &Book, table: &str, report: &mut Report) -> Result<(), Failure> {
    let Some(group) = &book.group else {
        let advice = "start a worker; if one runs, it uses another lease table";
        return report.odd("application", "no worker has used this table yet", advice);
    };
    if group.schema > SCHEMA {
        let what = format!(
            "the table has format {}, this program knows {SCHEMA}",
            group.schema
        );
        return report.bad("application", what, "use a newer version of this program");
    }
    if group.application != table {
        let what = format!("{}, which is not the table's name", group.application);
        let advice = "right only if the workers are built with .lease_table(..)";
        return report.odd("application", what, advice);
    }
    report.good("application", &group.application)
}

/// A worker that beats is alive; one look says nothing, so there were two.
fn workers(before: &Book, now: &Book, report: &mut Report) -> Result<(), Failure> {
    let at_work = || {
        let all = now.workers.values();
        all.filter(|worker| worker.state != WorkerState::Left)
    };
    let is_silent = |id, beat: &String| {
        let earlier = before.workers.get(id);
        earlier.is_some_and(|worker| worker.beat_id == *beat)
    };
    let mut beating = 0;
    for worker in at_work() {
        if is_silent(&worker.id, &worker.beat_id) {
            let what = format!(
                "{} did not beat for {} ms",
                names::worker(&worker.id),
                LISTEN.as_millis()
            );
            let advice = "dead or frozen: living workers take its leases within its lease duration";
            report.odd("workers", what, advice)?;
        } else {
            beating += 1;
        }
    }
    match beating {
        0 => report.bad(
            "workers",
            "no worker is alive",
            "start one: nobody reads the stream",
        ),
        1 => report.good("workers", "one, alive"),
        many => report.good("workers", format!("{many}, alive")),
    }
}

fn leases(table: &str, book: &Book, report: &mut Report) -> Result<(), Failure> {
    for lease in &book.leases {
        match (book.state(lease), &lease.stopped) {
            (State::Stopped, Some(why)) => {
                let tail = names::tail(&lease.shard);
                let advice = format!(
                    "once that is mended: shardkeeper checkpoint --table {table} --clear-stopped {tail}"
                );
                let what = format!("{} is stopped: {why}", lease.shard);
                report.bad("leases", what, &advice)?;
            }
            (state @ (State::Free | State::Orphaned), _) => {
                let what = format!("{}: {}", lease.shard, state.word());
                report.odd("leases", what, "a living worker takes it within seconds")?;
            }
            _ => {}
        }
    }
    for unreadable in &book.unreadable {
        let advice = "left alone; a table that KCL wrote must be adopted first";
        report.odd("leases", unreadable.to_string(), advice)?;
    }
    let of = |state| {
        let all = book.leases.iter();
        all.filter(|lease| book.state(lease) == state).count()
    };
    let what = format!(
        "{} read, {} waiting for their parents, {} finished",
        of(State::Read),
        of(State::Waiting),
        of(State::Finished)
    );
    report.good("leases", what)
}

/// Listed shards that no lease covers.
fn coverage(
    book: &Book,
    listing: Option<&(StreamArn, Listing)>,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some((stream, listing)) = listing else {
        return Ok(());
    };
    let of_stream = book.leases.iter().filter(|lease| lease.stream == *stream);
    let leases: lineage::Leases = of_stream
        .map(|lease| (lease.shard.clone(), lease.clone()))
        .collect();
    // An application may read several tables.
    let mut tables = book.leases.iter().map(|lease| lease.stream.table());
    let read = tables.clone().any(|table| table == stream.table());
    if let Some(other) = tables.next().filter(|_| !read) {
        let what = format!("the lease table is for the stream of table {other}");
        let advice = "one application reads one table: name the right --table, or give this one an application of its own";
        return report.bad("coverage", what, advice);
    }
    if leases.is_empty() && !book.leases.is_empty() {
        let what = "the leases are of an older stream of the table";
        let advice = "right for up to a day after a stream was switched off and on: the older one is drained first";
        return report.odd("coverage", what, advice);
    }
    match lineage::uncovered(&listing.shards, &leases).len() {
        0 => report.good("coverage", "every listed shard is covered"),
        missing => {
            let what = format!("{missing} listed shards without a lease");
            let advice = "right for half a minute after they appeared; else look for failed DescribeStream calls in the workers' logs";
            report.odd("coverage", what, advice)
        }
    }
}
