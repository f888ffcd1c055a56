//! Every public path is there, and handles and futures may cross threads.

#![allow(unused_imports, reason = "to import them is the test")]

use shardkeeper::aws::{AwsLeases, AwsStreams, Clients, Timeouts, clients, sdk_record};
use shardkeeper::core::acks::Acks as CoreAcks;
use shardkeeper::core::balance::{Claim, Limits, View, plan};
use shardkeeper::core::checkpoint::{Checkpoint as CoreCheckpoint, Timestamp as CoreTimestamp};
use shardkeeper::core::consumer::{Action, Consumer, Leave, Outcome as CoreOutcome, Stage};
use shardkeeper::core::event::Event as CoreEvent;
use shardkeeper::core::hand::{Acknowledged, Hand};
use shardkeeper::core::ids::WorkerId as CoreWorkerId;
use shardkeeper::core::lease::{
    Departure, Held, Lease, NewLease, Resolved, Sighting, UnreadableLease, lease_key,
};
use shardkeeper::core::lineage::{Leases, Shard, Uncovered, forgettable, may_start, uncovered};
use shardkeeper::core::membership::{Fate, GroupRow, ReadAt, Watch, WorkerRow, WorkerState};
use shardkeeper::core::pacing::Pace;
use shardkeeper::core::page::{PageBody, Undecodable};
use shardkeeper::core::ports::{
    Answer, FailureKind, Fetched, LeaseStore, PortError, Position, ShardIterator, ShardPage,
    StreamSource, StreamStatus, TableCreation,
};
use shardkeeper::core::record::{Page, PageError};
use shardkeeper::core::row::{Column, Condition, Effect, Row, RowKey, Value, Verb, Write};
use shardkeeper::{
    Acks, Acquired, Batch, BoxError, Change, ChangeKind, Checkpoint, DataLoss, Decision, Defer,
    Deferral, EachBatch, EachChange, Env, Error, ErrorKind, Event, Failure, Health, ImageError,
    InvalidId, LossCause, MetricsObserver, Observer, Outcome, Progress, Record, RecordProcessor,
    Remedy, SequenceNumber, Settings, ShardContext, ShardId, ShardStatus, StartPosition, StreamArn,
    Timestamp, TracingObserver, Worker, WorkerBuilder, WorkerHandle, WorkerId, WorkerStatus,
    each_batch, each_batch_with, each_change, each_change_with,
};
use shardkeeper_testkit::conformance::{lease_store, stream_source};
use shardkeeper_testkit::emulator::{
    Call, Clock, Emulator, EmulatorBuilder, EmulatorSettings, Interceptor, Response, Server,
    ServerError, ShardSnapshot, UnknownTarget, system_clock, tokio_clock,
};
use shardkeeper_testkit::faults::{Effect as FaultEffect, Fault, Faults};
use shardkeeper_testkit::memory::{ItemChange, MemoryLeases, MemoryStreams, UnknownShard};
use shardkeeper_testkit::processor::{Delivery, Recorder, Recording};

fn send<T: Send>() {}
fn shared<T: Send + Sync + 'static>() {}
fn cloned<T: Clone + Send + Sync + 'static>() {}
fn failed<T: std::error::Error + Send + Sync + 'static>() {}
fn shown<T: std::fmt::Debug>() {}
fn sendable<F: Future + Send>(_: &F) {}

#[test]
fn handles_may_be_shared_between_threads() {
    shared::<WorkerHandle>();
    shared::<Worker>();
    send::<WorkerBuilder>();
    cloned::<Env>();
    cloned::<ShardContext>();
    cloned::<Batch>();
    cloned::<Record>();
    cloned::<Event>();
    cloned::<Settings>();
    cloned::<WorkerStatus>();
    cloned::<Health>();
    cloned::<Clients>();
    cloned::<Emulator>();
    cloned::<Faults>();
    cloned::<Recorder>();
    shared::<Acks>();
    shared::<Deferral>();
    cloned::<StreamArn>();
    cloned::<ShardId>();
    cloned::<SequenceNumber>();
    cloned::<WorkerId>();
    shared::<TracingObserver>();
    shared::<MetricsObserver>();
}

#[test]
fn errors_are_errors_that_anyhow_and_box_take() {
    failed::<Error>();
    failed::<ImageError>();
    failed::<InvalidId>();
    failed::<PortError>();
    failed::<PageError>();
    failed::<UnreadableLease>();
    failed::<ServerError>();
    failed::<UnknownTarget>();
}

#[test]
fn everything_can_be_debugged() {
    shown::<Worker>();
    shown::<WorkerBuilder>();
    shown::<WorkerHandle>();
    shown::<WorkerStatus>();
    shown::<ShardContext>();
    shown::<Env>();
    shown::<Clients>();
    shown::<AwsStreams>();
    shown::<AwsLeases>();
    shown::<Failure<'_, BoxError>>();
    shown::<Progress>();
    shown::<Remedy>();
    shown::<Change<u8>>();
}

/// Never runs: that it compiles is the test.
#[expect(dead_code, reason = "that it compiles is the test")]
fn futures_may_be_sent(builder: WorkerBuilder, worker: Worker, handle: WorkerHandle) {
    sendable(&builder.build());
    sendable(&worker.run(|_| each_batch(async |_| Ok(()))));
    sendable(&handle.shutdown());
}

#[test]
fn ports_are_object_safe() {
    shared::<std::sync::Arc<dyn StreamSource>>();
    shared::<std::sync::Arc<dyn LeaseStore>>();
    shared::<std::sync::Arc<dyn Observer>>();
}
