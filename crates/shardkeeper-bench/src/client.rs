//! The clients that are compared, each in a process of its own that reads the backlog once.

mod bare;
mod bytes_only;
mod tally;
mod worker;

use std::time::Duration;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::backlog::{PAGE_RECORDS, Size};
use crate::child::say_measured;
use crate::stopwatch::pause;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Reads the bytes of the answers and nothing in them
    BytesOnly,
    /// A loop around the SDK's GetRecords: send, count, drop
    Bare,
    /// A worker with a processor that only counts
    Worker,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    pub(crate) kind: Kind,
    #[arg(long)]
    pub(crate) endpoint: String,
    #[arg(long)]
    pub(crate) size: Size,
    #[arg(long)]
    pub(crate) pages: u32,
    /// How long each page is processed
    #[arg(long, default_value_t = 0)]
    pub(crate) wait_micros: u64,
    /// The process ends itself when it has no result by then
    #[arg(long, default_value_t = 60)]
    pub(crate) deadline_seconds: u64,
}

/// What reading cost, from the first page to the last: connecting and leases lie before it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) records: u64,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// How long one fetch took, of clients that know.
    pub(crate) fetch: Option<Duration>,
    /// How large a page is, of the client that knows.
    pub(crate) page_bytes: Option<u64>,
}

impl Options {
    fn expected_records(&self) -> u64 {
        u64::from(self.pages) * u64::from(PAGE_RECORDS)
    }

    fn wait(&self) -> Duration {
        Duration::from_micros(self.wait_micros)
    }
}

/// Reads the backlog and prints the sample.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    watch(options)?;
    say_measured(sample(options.clone()))
}

/// Loops run where the tasks of a worker run, not on the thread that waits for them.
#[expect(
    clippy::disallowed_methods,
    reason = "the only task of this process, awaited at once"
)]
async fn sample(options: Options) -> Outcome<Sample> {
    match options.kind {
        Kind::BytesOnly => tokio::spawn(async move { bytes_only::read(&options).await }).await?,
        Kind::Bare => tokio::spawn(async move { bare::read(&options).await }).await?,
        Kind::Worker => worker::read(&options).await,
    }
}

/// Also ends a process whose runtime is stuck.
#[expect(
    clippy::disallowed_methods,
    reason = "must not depend on the runtime that it watches"
)]
fn watch(options: &Options) -> Outcome<()> {
    let (kind, deadline) = (options.kind, Duration::from_secs(options.deadline_seconds));
    std::thread::Builder::new().spawn(move || {
        std::thread::sleep(deadline);
        eprintln!("error: {kind:?} has not read the backlog within {deadline:?}");
        std::process::exit(1);
    })?;
    Ok(())
}

/// What a processor that is not the subject of the measure would do.
async fn process_for(time: Duration) {
    if !time.is_zero() {
        pause(time).await;
    }
}

/// Where reading begins: at the oldest record of the only shard.
async fn first_iterator(client: &Client, size: Size) -> Outcome<String> {
    let streams = client
        .list_streams()
        .table_name(size.table())
        .send()
        .await?;
    let stream = streams
        .streams()
        .first()
        .and_then(|stream| stream.stream_arn())
        .ok_or("the table has no stream")?;
    let described = client.describe_stream().stream_arn(stream).send().await?;
    let shard = described
        .stream_description()
        .and_then(|stream| stream.shards().first())
        .and_then(|shard| shard.shard_id())
        .ok_or("the stream has no shard")?;
    let opened = client
        .get_shard_iterator()
        .stream_arn(stream)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await?;
    Ok(opened.shard_iterator.ok_or("there is no iterator")?)
}
