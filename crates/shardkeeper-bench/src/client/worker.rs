//! A whole worker, as a user would run it, with a processor that only counts.

use std::time::Duration;

use shardkeeper::{Batch, Env, Progress, RecordProcessor, ShardContext, Worker};
use tokio::sync::mpsc;

use super::tally::Tally;
use super::{Options, Sample, process_for};
use crate::account;
use crate::{Outcome, backlog};

/// Runs until the processor has seen the whole backlog.
pub(super) async fn read(options: &Options) -> Outcome<Sample> {
    let (tell, mut told) = mpsc::channel(1);
    let (expected, wait) = (options.expected_records(), options.wait());
    let worker = Worker::builder(fresh_application())
        .table(backlog::Size::table(options.size))
        .aws_config(&account::sdk_config(&options.endpoint))
        .env(Env::production())
        .build()
        .await?;
    let handle = worker.spawn(move |_| Count {
        tally: Tally::of(expected),
        wait,
        tell: tell.clone(),
    });
    tokio::select! {
        biased;
        Some(sample) = told.recv() => Ok(sample),
        ended = handle.join() => Err(format!("the worker ended early: {ended:?}").into()),
    }
}

/// An application, and so a lease table, that nobody used before.
fn fresh_application() -> String {
    format!("bench-read-{}", std::process::id())
}

struct Count {
    tally: Tally,
    wait: Duration,
    tell: mpsc::Sender<Sample>,
}

impl RecordProcessor for Count {
    type Error = shardkeeper::BoxError;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Self::Error> {
        self.tally.page(batch.len())?;
        process_for(self.wait).await;
        if let Some(sample) = self.tally.complete() {
            self.tell.send(sample).await?;
        }
        Ok(Progress::Done)
    }
}
