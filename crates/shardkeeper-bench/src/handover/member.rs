//! One worker of the fleet, in a process of its own, as a user would run it: default settings, and a processor that
//! says what it got and when.

use std::convert::Infallible;
use std::io::{Read, Write};

use clap::Args;
use serde::Deserialize;
use shardkeeper::{Batch, Event, Progress, Record, RecordProcessor, ShardContext, Worker};

use crate::Outcome;
use crate::account;
use crate::arrivals::Number;
use crate::rig::TABLE;
use crate::stopwatch::wall_clock;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[arg(long)]
    endpoint: String,
    /// The application, and so the lease table
    #[arg(long)]
    application: String,
    #[arg(long)]
    name: String,
}

/// Works until SIGTERM, or until its parent is gone.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    end_with_the_parent()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let worker = Worker::builder(&options.application)
            .table(TABLE)
            .worker_name(&options.name)
            .aws_config(&account::sdk_config(&options.endpoint))
            .observer(tell)
            .build()
            .await?;
        worker.run(|_| Tell).await?;
        Ok(())
    })
}

struct Tell;

#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow)]
    number: Number<'a>,
}

impl RecordProcessor for Tell {
    type Error = Infallible;

    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, Infallible> {
        let lines = batch.iter().map(|record| {
            let (shard, sequence) = (cx.shard_id(), record.sequence_number());
            let number = number_of(record).unwrap_or("none");
            format!("{shard} {sequence} {number}")
        });
        lines.for_each(|line| say("record", &line));
        Ok(Progress::Done)
    }
}

/// The number that the writer gave to a record.
fn number_of(record: &Record) -> Option<&str> {
    let image: Image<'_> = serde_json::from_str(record.new_image_json()?).ok()?;
    Some(image.number.digits)
}

fn tell(event: &Event) {
    match event {
        Event::WorkerJoined { .. } => say("joined", ""),
        Event::DiscoveryTaken { term } => say("discoverer", &term.to_string()),
        Event::LeaseAcquired { shard, how, .. } => say("acquired", &format!("{shard} {how:?}")),
        Event::LeaseReleased { shard, .. } => say("released", shard.as_str()),
        Event::WorkerFoundDead { worker } => say("dead", &worker.to_string()),
        Event::WorkerDemoted { .. } => say("demoted", ""),
        Event::WorkerLeft { abandoned, .. } => say("left", &abandoned.to_string()),
        _ => {}
    }
}

/// A whole line at once, whichever task says it: what it is, when on the clock of all processes, and the rest.
fn say(what: &str, rest: &str) {
    let mut output = std::io::stdout().lock();
    // Nobody listens any more when the parent is gone, and then this process ends.
    let _ = writeln!(output, "{what} {} {rest}", wall_clock().as_nanos());
    let _ = output.flush();
}

/// A parent that was killed leaves no workers behind.
#[expect(
    clippy::disallowed_methods,
    reason = "must not depend on the runtime, which may be what is stuck"
)]
fn end_with_the_parent() -> Outcome<()> {
    std::thread::Builder::new().spawn(|| {
        let mut ignored = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut ignored);
        std::process::exit(1);
    })?;
    Ok(())
}
