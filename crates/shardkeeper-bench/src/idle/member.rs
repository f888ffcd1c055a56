//! The process with the worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use shardkeeper::{Event, Worker, WorkerHandle, each_batch};

use crate::Outcome;
use crate::account;
use crate::child::say_measured;
use crate::rig::{TABLE, resident};
use crate::stopwatch::{Moment, pause};

/// A worker that takes longer than this for its leases is stuck.
const PATIENCE: Duration = Duration::from_secs(600);
/// After the last lease, until every shard has backed off to its longest pause.
const SETTLING: Duration = Duration::from_secs(10);
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[arg(long)]
    endpoint: String,
    #[arg(long)]
    shards: usize,
    #[arg(long)]
    seconds: u64,
}

/// What the process used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) rss_bytes: u64,
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    pub(super) polls: u64,
    pub(super) until_owned: Duration,
}

impl Sample {
    pub(super) fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    pub(super) fn polls_per_second(&self) -> f64 {
        self.polls as f64 / self.wall.as_secs_f64()
    }
}

pub(crate) fn run(options: &Options) -> Outcome<()> {
    say_measured(measure(options))
}

async fn measure(options: &Options) -> Outcome<Sample> {
    let polls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&polls);
    let begun = Moment::now();
    let worker = Worker::builder("bench-idle")
        .table(TABLE)
        .aws_config(&account::sdk_config(&options.endpoint))
        .observer(move |event: &Event| {
            if matches!(event, Event::PageFetched { .. }) {
                counted.fetch_add(1, Relaxed);
            }
        })
        .build()
        .await?
        .spawn(|_| each_batch(async |_| Ok(())));
    let until_owned = all_owned(&worker, options.shards, begun).await?;
    pause(SETTLING).await;
    let (before, start) = (polls.load(Relaxed), Moment::now());
    pause(Duration::from_secs(options.seconds)).await;
    let span = start.until_now();
    Ok(Sample {
        rss_bytes: resident()?,
        cpu: span.cpu,
        wall: span.wall,
        polls: polls.load(Relaxed) - before,
        until_owned,
    })
}

async fn all_owned(worker: &WorkerHandle, shards: usize, begun: Moment) -> Outcome<Duration> {
    let mut told = 0;
    loop {
        let status = worker.status();
        let ours = status.shards.iter().filter(|shard| shard.ours).count();
        let passed = begun.until_now().wall;
        if ours >= shards {
            return Ok(passed);
        }
        if passed > PATIENCE {
            let troubles = status.troubles.join("; ");
            return Err(
                format!("only {ours} of {shards} leases after {passed:?}: {troubles}").into(),
            );
        }
        if ours / 1000 > told {
            told = ours / 1000;
            eprintln!("{ours} of {shards} shards are read");
        }
        pause(Duration::from_millis(250)).await;
    }
}
