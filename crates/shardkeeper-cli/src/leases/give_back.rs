//! `shardkeeper leases --give-back`: our rows and columns leave a lease table, so that KCL can go on with it.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use shardkeeper::Env;
use shardkeeper::core::kcl::giving_back::{Form, GiveBack, plan};
use shardkeeper::core::membership::{WorkerRow, WorkerState};
use shardkeeper::core::ports::{Answer, LeaseStore};
use shardkeeper::core::row::{Row, Write};

use crate::book::LeaseTable;
use crate::colours::{BAD, GOOD, ODD, PLAIN, QUIET, STRONG};
use crate::connection::patiently;
use crate::failure::Failure;
use crate::names;
use crate::screen::{Cell, Grid, show};

/// A worker that lives is seen to beat within two or three of them.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Giving a table back to KCL.
#[derive(Debug, Args)]
#[command(next_help_heading = "Giving the table back to KCL")]
pub(super) struct Options {
    /// Show what giving the table back to KCL would change: shardkeeper's rows and columns go, checkpoints and lineage
    /// stay. Refused while a worker lives.
    #[arg(long, conflicts_with_all = ["resume", "json", "all"])]
    pub(super) give_back: bool,
    /// Do it.
    #[arg(long, requires = "give_back")]
    yes: bool,
    /// Name the leases as KCL's multi-stream mode does [default: as KCL left the table, else by the shard alone].
    #[arg(long, requires = "give_back")]
    multi_stream: bool,
}

/// Shows, and does it with `--yes`.
pub(super) async fn run(table: &LeaseTable, options: &Options) -> Result<(), Failure> {
    let door = table.connection.open().await?;
    let store = door.leases(&table.table);
    let rows = when_nobody_lives(&store).await?;
    let form = match options.multi_stream {
        true => Form::MultiStream,
        false => Form::of(&rows).unwrap_or(Form::SingleStream),
    };
    let plan = plan(&rows, form);
    if plan.leases.is_empty() && plan.workers.is_empty() && plan.group.is_none() {
        let what = format!("table {} has nothing of shardkeeper's", table.table);
        return Err(Failure::new(what));
    }
    if options.yes {
        carry_out(&store, &plan).await?;
    }
    show(&told(&table.table, &plan, form, options.yes))
}

/// The rows, when no worker beat for as long as others would wait for it.
async fn when_nobody_lives(store: &dyn LeaseStore) -> Result<Vec<Row>, Failure> {
    let mut rows = patiently(async || store.sweep().await).await?;
    let silent = workers(&rows);
    let longest = silent.iter().map(|worker| worker.lease_duration).max();
    let mut left = longest.unwrap_or_default();
    while !left.is_zero() {
        let pause = left.min(BETWEEN_LOOKS);
        Env::production().sleep(pause).await;
        left -= pause;
        rows = patiently(async || store.sweep().await).await?;
        let known = |worker: &WorkerRow| silent.iter().any(|then| then.beat_id == worker.beat_id);
        if let Some(worker) = workers(&rows).iter().find(|worker| !known(worker)) {
            let what = format!("worker {} is alive: nothing was changed", worker.id);
            return Err(Failure::new(what)
                .advice("stop all workers of the application, then do this again"));
        }
    }
    Ok(rows)
}

fn workers(rows: &[Row]) -> Vec<WorkerRow> {
    let workers = rows.iter().filter_map(WorkerRow::parse);
    workers
        .filter(|worker| worker.state != WorkerState::Left)
        .collect()
}

/// Lease by lease; what was done stays done when it breaks off.
async fn carry_out(store: &dyn LeaseStore, plan: &GiveBack) -> Result<(), Failure> {
    for lease in &plan.leases {
        apply(store, &lease.writes).await?;
    }
    for (_, write) in &plan.workers {
        apply(store, std::slice::from_ref(write)).await?;
    }
    match &plan.group {
        // A row that stays needs its group, until somebody has decided about it.
        Some(write) if plan.left.is_empty() => apply(store, std::slice::from_ref(write)).await,
        _ => Ok(()),
    }
}

async fn apply(store: &dyn LeaseStore, writes: &[Write]) -> Result<(), Failure> {
    match store.write(writes).await? {
        Answer::Applied(_) => Ok(()),
        Answer::Refused(_) | Answer::Conflict => {
            let key = writes.first().map_or("", |write| write.key.as_str());
            let what = format!("row {key} changed meanwhile: not everything was given back");
            Err(Failure::new(what)
                .advice("is a worker running? Stop all of them, then do this again"))
        }
    }
}

fn told(table: &str, plan: &GiveBack, form: Form, done: bool) -> String {
    let mut grid = Grid::new(["SHARD", "CHECKPOINT", "ROW", "NOTE"]);
    for lease in &plan.leases {
        let row = match lease.key == lease.lease.key {
            true => Cell::new("stays", QUIET),
            false => Cell::new("gets KCL's key", PLAIN),
        };
        let note = match &lease.lease.stopped {
            Some(_) => Cell::new("stopped here: KCL reads on", ODD),
            None => Cell::plain(""),
        };
        grid.row([
            Cell::plain(names::tail(&lease.lease.shard)),
            Cell::plain(lease.checkpoint.as_str()),
            row,
            note,
        ]);
    }
    let named = match form {
        Form::SingleStream => "by their shard",
        Form::MultiStream => "by stream and shard",
    };
    let mut text = format!(
        "{STRONG}{}{STRONG:#} in table {table}, named {named}; rows of workers: {}, of the group: {}\n",
        match plan.leases.len() {
            1 => "1 lease".to_owned(),
            leases => format!("{leases} leases"),
        },
        plan.workers.len(),
        usize::from(plan.group.is_some()),
    );
    if !grid.is_empty() {
        let _ = write!(text, "\n{}", grid.render());
    }
    for (key, why) in &plan.left {
        let _ = writeln!(text, "\n{BAD}left as it is:{BAD:#} {key}: {why}");
    }
    let _ = match done {
        true => writeln!(
            text,
            "\n{GOOD}given back:{GOOD:#} KCL goes on at these checkpoints"
        ),
        false => writeln!(
            text,
            "\n{ODD}nothing was changed:{ODD:#} --yes gives the table back"
        ),
    };
    text
}
