//! `shardkeeper checkpoint`: one lease in full, and the way out of a durable stop.

use std::fmt::Write as _;

use clap::Args;
use shardkeeper::core::lease::{Lease, column};
use shardkeeper::core::membership::GroupRow;
use shardkeeper::core::ports::{Answer, LeaseStore};
use shardkeeper::core::row::{Condition, Effect, Write};

use crate::book::{Book, LeaseTable};
use crate::colours::{BAD, GOOD, STRONG};
use crate::failure::Failure;
use crate::leases::lease_json;
use crate::names;
use crate::screen::{show, show_json};

/// Show how far a shard has been processed, or let a stopped shard go on.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    table: LeaseTable,
    #[command(flatten)]
    what: What,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Shard to show: its id, or the end of it.
    shard: Option<String>,
    /// Let this stopped shard go on from its checkpoint: a worker takes it at once.
    #[arg(long, value_name = "SHARD")]
    clear_stopped: Option<String>,
}

/// Shows or clears.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (door, book) = arguments.table.read().await?;
    let shown = match (&arguments.what.clear_stopped, &arguments.what.shard) {
        (Some(shard), _) => {
            let lease = book.find(shard)?;
            clear(&door.leases(&arguments.table.table), lease).await?;
            // Told by a fresh look, not by what we believe to have written.
            let after = Book::read(&door, &arguments.table.table).await?;
            return tell_cleared(&after, lease, arguments.json);
        }
        (None, Some(shard)) => book.find(shard)?,
        (None, None) => return Err(Failure::new("no shard was named")),
    };
    match arguments.json {
        true => show_json(&lease_json(&book, shown)),
        false => show(&in_full(&book, shown)),
    }
}

/// Lifts a durable stop: only if the lease still stands as it was read. Everybody is told to look, in the same
/// transaction.
async fn clear(store: &dyn LeaseStore, lease: &Lease) -> Result<(), Failure> {
    let Some(why) = &lease.stopped else {
        let what = format!("shard {} is not stopped: nothing was changed", lease.shard);
        return Err(Failure::new(what));
    };
    let conditions = vec![
        Condition::RowExists,
        // A KCL worker may have put its name there again; workers see that it does not live.
        match &lease.owner {
            Some(owner) => Condition::Equals(column::OWNER.into(), owner.as_str().into()),
            None => Condition::Missing(column::OWNER.into()),
        },
        Condition::Equals(column::EPOCH.into(), lease.epoch.into()),
        Condition::Equals(column::STOPPED_WHY.into(), why.as_str().into()),
    ];
    let effects = vec![
        Effect::Remove(column::STOPPED_WHY.into()),
        Effect::Remove(column::STOPPED_BY.into()),
        Effect::Remove(column::STOPPED_AT.into()),
    ];
    let lift = Write::update(lease.key.clone(), conditions, effects);
    match store.write(&[lift, GroupRow::announce()]).await? {
        Answer::Applied(_) => Ok(()),
        Answer::Refused(_) => {
            let what = "the lease has changed since it was read: nothing was written";
            Err(Failure::new(what).advice("look again with `shardkeeper leases`"))
        }
        Answer::Conflict => {
            let what = "a worker was writing at the same moment: nothing was written";
            Err(Failure::new(what).advice("try again"))
        }
    }
}

fn tell_cleared(book: &Book, before: &Lease, json: bool) -> Result<(), Failure> {
    let lease = book.find(before.shard.as_str())?;
    if json {
        return show_json(&lease_json(book, lease));
    }
    let mut text = format!(
        "{GOOD}cleared:{GOOD:#} {} goes on at {}\n",
        lease.shard,
        names::checkpoint(&lease.checkpoint)
    );
    if let Some(why) = &before.stopped {
        let _ = writeln!(text, "  it had stopped because: {why}");
        let _ = writeln!(text, "  if that is still so, it stops again");
    }
    show(&text)
}

fn in_full(book: &Book, lease: &Lease) -> String {
    let mut text = format!("{STRONG}{}{STRONG:#}\n", lease.shard);
    let mut line = |name: &str, said: &str| {
        let _ = writeln!(text, "  {name:<11} {said}");
    };
    line("stream", lease.stream.as_str());
    line("state", book.state(lease).word());
    line("checkpoint", &names::checkpoint(&lease.checkpoint));
    line("owner", lease.owner.as_ref().map_or("-", |id| id.as_str()));
    line("epoch", &lease.epoch.to_string());
    line("version", &lease.version.to_string());
    if let Some(next) = &lease.next_owner {
        line("wanted by", next.as_str());
    }
    for parent in &lease.parents {
        line("parent", parent.as_str());
    }
    for child in &lease.children {
        line("child", child.as_str());
    }
    if let Some(why) = &lease.stopped {
        let _ = writeln!(text, "  {BAD}stopped{BAD:#}     {why}");
    }
    text
}
