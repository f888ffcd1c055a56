//! Consume Amazon DynamoDB Streams with as many workers as you like.
//!
//! Implement [`RecordProcessor`], name a table and an application, and run the program on as many machines
//! as you like. The workers find the shards, share them by leases in one DynamoDB table, read each shard in
//! order, store checkpoints, follow roll-overs and splits, and survive crashes, deploys and throttling.
//!
//! ```no_run
//! use shardkeeper::{Batch, Outcome, Progress, RecordProcessor, ShardContext, Worker};
//!
//! struct Print;
//!
//! impl RecordProcessor for Print {
//!     type Error = std::convert::Infallible;
//!     async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Self::Error> {
//!         for record in &batch {
//!             println!("{} {}", record.kind(), record.keys_json());
//!         }
//!         Ok(Progress::Done) // the return value is the checkpoint
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<Outcome, shardkeeper::Error> {
//!     Worker::builder("orders-printer").table("orders").build().await?.run(|_| Print).await
//! }
//! ```
//!
//! What is promised is numbered in docs/SEMANTICS.md; the lease table is described in docs/PROTOCOL.md.

mod adoption;
mod beater;
mod closures;
mod deferred;
mod ends;
mod env;
mod error;
mod fetch_budget;
mod group_stop;
mod incarnation;
mod lease_keeper;
mod lease_writer;
mod listing;
mod machine;
mod memory;
mod metrics_observer;
mod observer;
mod processor;
mod pulse;
mod retry;
mod settings;
mod shard_consumer;
mod shard_discovery;
mod shard_reader;
mod signals;
mod sources;
mod standing;
mod status;
mod tracing_observer;
mod turns;
mod user_call;
mod worker;

pub mod aws;

pub use shardkeeper_core as core;
pub use shardkeeper_core::checkpoint::{Checkpoint, Timestamp};
pub use shardkeeper_core::event::{Acquired, DataLoss, Event, LossCause};
pub use shardkeeper_core::ids::{InvalidId, SequenceNumber, ShardId, StreamArn, WorkerId};
pub use shardkeeper_core::record::{Batch, Change, ChangeKind, ImageError, Record};

pub use closures::{
    EachBatch, EachChange, each_batch, each_batch_with, each_change, each_change_with,
};
pub use deferred::{Acks, Defer, Deferral};
pub use env::Env;
pub use error::{BoxError, Error, ErrorKind};
pub use machine::{Halt, Machine};
pub use metrics_observer::MetricsObserver;
pub use observer::Observer;
pub use processor::{Decision, Failure, Progress, RecordProcessor, Remedy, ShardContext};
pub use settings::Settings;
pub use shard_discovery::StartPosition;
pub use status::{Health, ShardStatus, WorkerStatus};
pub use tracing_observer::TracingObserver;
pub use worker::{Outcome, Worker, WorkerBuilder, WorkerHandle};
