//! What a user writes: a [`RecordProcessor`], and what it returns.
//!
//! The return value of `process` is the checkpoint: there is no checkpointer to call and none to
//! forget. The only type erasure of the crate is at the end of this file.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::event::DataLoss;
use shardkeeper_core::ids::{SequenceNumber, ShardId, StreamArn, WorkerId};
use shardkeeper_core::record::Batch;
use tokio_util::sync::CancellationToken;

use crate::deferred::Deferral;
use crate::error::BoxError;

/// Handles the records of one shard. One instance per shard and time of ownership, made by the
/// factory that was given to [`Worker::run`](crate::Worker::run).
///
/// # Contract
/// - Calls for one shard never overlap, and records come in the order of the shard. A child shard
///   starts only after its parent's `shard_ended` returned `Ok` and that was stored, so the records of
///   one item come in the order of its changes (guarantees G2 and G3).
/// - Delivery is at least once (G1): after a crash or a fail-over some records come again. Recognise them by
///   [`Record::event_id`](shardkeeper_core::record::Record::event_id), or fence what you write with
///   [`ShardContext::fencing_token`].
/// - An error or a panic never loses a record and never disturbs another shard (G5).
/// - The future of `process` is not dropped before it is done, except when the worker's
///   [`shutdown_grace`](crate::Settings::shutdown_grace) is over, on a second signal, or when the lease was
///   lost and [`ShardContext::lease_lost`] has been cancelled for a while.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a processor of records",
    note = "implement `RecordProcessor` for it, or make a processor of a closure: `each_batch(async |batch| {{ .. Ok(()) }})`"
)]
pub trait RecordProcessor: Send + 'static {
    /// What goes wrong in the user's own work; `Infallible` and `anyhow::Error` both fit.
    type Error: Into<BoxError> + Send + Sync + 'static;

    /// Called once before the first batch. An error is retried with back-off.
    fn initialize(
        &mut self,
        cx: &ShardContext,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Handles a batch, which is never empty. `Ok` says how much of it is done.
    fn process(
        &mut self,
        batch: Batch,
        cx: &ShardContext,
    ) -> impl Future<Output = Result<Progress, Self::Error>> + Send;

    /// The shard has ended and everything in it was acknowledged. `Ok` *is* the checkpoint of the
    /// shard's end and lets the children start. An error is retried with back-off.
    fn shard_ended(
        &mut self,
        cx: &ShardContext,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// The lease is gone: somebody else reads the shard now. Nothing more can be acknowledged.
    fn lease_lost(&mut self, cx: &ShardContext) -> impl Future<Output = ()> + Send {
        let _ = cx;
        async {}
    }

    /// The lease is about to be handed over, because the worker shuts down or another one gets its share.
    /// No batch is in hand. Flush now: acknowledgements that were put off are waited for a while longer.
    fn shutdown_requested(&mut self, cx: &ShardContext) -> impl Future<Output = ()> + Send {
        let _ = cx;
        async {}
    }

    /// `process` returned an error. The default retries with back-off for ever and never skips.
    fn on_error(&mut self, failure: Failure<'_, Self::Error>) -> Remedy {
        let _ = failure;
        Remedy::Retry
    }
}

/// How much of a batch is done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// All of it.
    Done,
    /// Everything up to and including this record; the rest is delivered again at once. A position
    /// that does not advance waits like [`Remedy::Retry`].
    Through(SequenceNumber),
    /// Later, in any order, from any task: see [`Defer`](crate::Defer). The next batch is delivered at once;
    /// when too much is out, fetching stops until acknowledgements come in.
    Deferred(Deferral),
}

/// A batch that failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure<'a, E> {
    /// What the processor returned.
    pub error: &'a E,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How long ago the first attempt of this batch began.
    pub since: Duration,
    /// The records of the failed attempt.
    pub batch: &'a Batch,
}

/// What to do with a batch that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Deliver it again, after a pause that grows with every attempt.
    Retry,
    /// Deliver it again after this pause.
    RetryAfter(Duration),
    /// Skip the one record that fails. It is found by delivering halves of the batch; the neighbours are
    /// processed as usual, and the skip is told by an event.
    Skip,
    /// Stop this shard durably: nobody reads it until somebody decides. Other shards go on.
    Stop,
}

/// Where a processor is: its shard, its lease, its worker.
#[derive(Debug, Clone)]
pub struct ShardContext {
    pub(crate) stream: StreamArn,
    pub(crate) shard: ShardId,
    pub(crate) worker: WorkerId,
    pub(crate) epoch: u64,
    pub(crate) started_from: Checkpoint,
    pub(crate) why: Arc<str>,
    pub(crate) lease_lost: CancellationToken,
}

impl ShardContext {
    /// The shard.
    pub fn shard_id(&self) -> &ShardId {
        &self.shard
    }

    /// The stream.
    pub fn stream_arn(&self) -> &StreamArn {
        &self.stream
    }

    /// The incarnation of the worker that reads the shard.
    pub fn worker_id(&self) -> &WorkerId {
        &self.worker
    }

    /// Grows with every change of the lease's owner. Store it with what you write and refuse smaller
    /// ones: that fences a paused former owner out of *your* system, as conditional writes fence it out
    /// of the lease table.
    pub fn fencing_token(&self) -> u64 {
        self.epoch
    }

    /// Cancelled when the lease is lost. Work in progress should stop then: what it does can no longer
    /// be acknowledged.
    pub fn lease_lost(&self) -> &CancellationToken {
        &self.lease_lost
    }

    /// Where reading began under this lease.
    pub fn started_from(&self) -> Checkpoint {
        self.started_from
    }

    /// Where reading began and why, in words.
    pub fn explain(&self) -> String {
        let Self {
            shard,
            started_from,
            epoch,
            why,
            ..
        } = self;
        format!("shard {shard} was begun at {started_from} under fencing token {epoch}: {why}")
    }
}

/// What to do when records are gone that were never processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Stop the shard durably until somebody decides. The default.
    Stop,
    /// Go on with the oldest record that is still there.
    GoOn,
}

/// Decides about [`DataLoss`].
pub(crate) type OnDataLoss = Arc<dyn Fn(&DataLoss) -> Decision + Send + Sync>;

/// The longest error text that an event carries, in characters.
const MAX_ERROR: usize = 500;

/// Makes a processor for one shard.
pub(crate) type Factory = Arc<dyn Fn(&ShardContext) -> Box<dyn AnyProcessor> + Send + Sync>;

/// What became of one call of user code.
pub(crate) enum Outcome<T> {
    /// It returned.
    Returned(T),
    /// It panicked; the instance is gone.
    Panicked,
}

/// What became of `process`.
pub(crate) enum Processed {
    Ok(Progress),
    Err { remedy: Remedy, error: String },
}

/// The batch of one attempt and its history.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) batch: Batch,
    pub(crate) number: u32,
    pub(crate) since: Duration,
}

pub(crate) type Boxed = Box<dyn AnyProcessor>;
pub(crate) type Call<T> = Pin<Box<dyn Future<Output = Outcome<(Boxed, T)>> + Send>>;

/// A processor of any type. Each call consumes it and gives it back, so that the future owns
/// everything it needs and a panic leaves nothing half-used behind.
pub(crate) trait AnyProcessor: Send {
    fn initialize(self: Box<Self>, cx: ShardContext) -> Call<Result<(), String>>;
    fn process(self: Box<Self>, attempt: Attempt, cx: ShardContext) -> Call<Processed>;
    fn shard_ended(self: Box<Self>, cx: ShardContext) -> Call<Result<(), String>>;
    fn lease_lost(self: Box<Self>, cx: ShardContext) -> Call<()>;
    fn shutdown_requested(self: Box<Self>, cx: ShardContext) -> Call<()>;
}

impl<P: RecordProcessor> AnyProcessor for P {
    fn initialize(mut self: Box<Self>, cx: ShardContext) -> Call<Result<(), String>> {
        guarded(async move {
            let result = RecordProcessor::initialize(&mut *self, &cx)
                .await
                .map_err(what_it_says);
            (self as Boxed, result)
        })
    }

    fn process(mut self: Box<Self>, attempt: Attempt, cx: ShardContext) -> Call<Processed> {
        guarded(async move {
            let Attempt {
                batch,
                number,
                since,
            } = attempt;
            let result = match RecordProcessor::process(&mut *self, batch.clone(), &cx).await {
                Ok(progress) => Processed::Ok(progress),
                Err(error) => {
                    let failure = Failure {
                        error: &error,
                        attempt: number,
                        since,
                        batch: &batch,
                    };
                    let remedy = self.on_error(failure);
                    Processed::Err {
                        remedy,
                        error: what_it_says(error),
                    }
                }
            };
            (self as Boxed, result)
        })
    }

    fn shard_ended(mut self: Box<Self>, cx: ShardContext) -> Call<Result<(), String>> {
        guarded(async move {
            let result = RecordProcessor::shard_ended(&mut *self, &cx)
                .await
                .map_err(what_it_says);
            (self as Boxed, result)
        })
    }

    fn lease_lost(mut self: Box<Self>, cx: ShardContext) -> Call<()> {
        guarded(async move {
            RecordProcessor::lease_lost(&mut *self, &cx).await;
            (self as Boxed, ())
        })
    }

    fn shutdown_requested(mut self: Box<Self>, cx: ShardContext) -> Call<()> {
        guarded(async move {
            RecordProcessor::shutdown_requested(&mut *self, &cx).await;
            (self as Boxed, ())
        })
    }
}

/// The user's own words about the user's own error, bounded.
fn what_it_says(error: impl Into<BoxError>) -> String {
    error.into().to_string().chars().take(MAX_ERROR).collect()
}

fn guarded<T: 'static>(call: impl Future<Output = (Boxed, T)> + Send + 'static) -> Call<T> {
    Box::pin(
        AssertUnwindSafe(call)
            .catch_unwind()
            .map(|result| match result {
                Ok(returned) => Outcome::Returned(returned),
                Err(_) => Outcome::Panicked,
            }),
    )
}

impl fmt::Debug for dyn AnyProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyProcessor")
    }
}
