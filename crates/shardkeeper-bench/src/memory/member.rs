//! The process with the worker.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use shardkeeper::{Batch, Event, Progress, RecordProcessor, ShardContext, ShardId, Worker};

use crate::Outcome;
use crate::account;
use crate::child::say_measured;
use crate::rig::{TABLE, resident};
use crate::stopwatch::{Moment, pause};

/// A worker that takes longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a processor takes for a batch: long enough for all of them to be at it at once.
const WORK: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[arg(long)]
    endpoint: String,
    #[arg(long)]
    records: usize,
}

/// What the process used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) most_fetched: u64,
    pub(super) most_resident: u64,
    pub(super) idle_resident: u64,
    pub(super) took: Duration,
}

/// Pages that were fetched and not acknowledged.
#[derive(Clone, Debug, Default)]
struct Pages(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    of: BTreeMap<ShardId, VecDeque<u64>>,
    now: u64,
    most: u64,
    processed: usize,
}

impl Pages {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, event: &Event) {
        let mut held = self.lock();
        match event {
            Event::PageFetched {
                shard,
                records,
                bytes,
                ..
            } if *records > 0 => {
                let bytes = u64::try_from(*bytes).unwrap_or(0);
                held.of.entry(shard.clone()).or_default().push_back(bytes);
                held.now += bytes;
                held.most = held.most.max(held.now);
            }
            // A batch is a page here.
            Event::BatchProcessed { shard, records, .. } => {
                let page = held.of.get_mut(shard).and_then(VecDeque::pop_front);
                held.now = held.now.saturating_sub(page.unwrap_or(0));
                held.processed += records;
            }
            _ => {}
        }
    }
}

struct Slow;

impl RecordProcessor for Slow {
    type Error = Infallible;

    async fn process(&mut self, _: Batch, _: &ShardContext) -> Result<Progress, Infallible> {
        pause(WORK).await;
        Ok(Progress::Done)
    }
}

pub(crate) fn run(options: &Options) -> Outcome<()> {
    say_measured(measure(options))
}

async fn measure(options: &Options) -> Outcome<Sample> {
    let (pages, begun) = (Pages::default(), Moment::now());
    let idle_resident = resident()?;
    let seen = pages.clone();
    let worker = Worker::builder("bench-memory")
        .table(TABLE)
        .aws_config(&account::sdk_config(&options.endpoint))
        .observer(move |event: &Event| seen.observe(event))
        .build()
        .await?;
    let _worker = worker.spawn(|_| Slow);
    let (mut most_resident, mut told) = (0, 0);
    loop {
        most_resident = most_resident.max(resident()?);
        let processed = pages.lock().processed;
        if processed >= options.records {
            break;
        }
        if begun.until_now().wall > PATIENCE {
            return Err(format!("only {processed} of {} records", options.records).into());
        }
        if processed / 2_000 > told {
            told = processed / 2_000;
            eprintln!("{processed} of {} records are processed", options.records);
        }
        pause(LOOK_EVERY).await;
    }
    let most_fetched = pages.lock().most;
    Ok(Sample {
        most_fetched,
        most_resident,
        idle_resident,
        took: begun.until_now().wall,
    })
}
