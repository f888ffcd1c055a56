//! Processors with the classic mistakes: each fails the right assertion.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shardkeeper::{Batch, Progress, Record, RecordProcessor, ShardContext, Timestamp};
use shardkeeper_testkit::World;
use shardkeeper_testkit::world::{Adversity, WorldBuilder};

use crate::Sink;

/// Why a processor was found not to be idempotent in worlds with only this in them.
fn found<P: RecordProcessor>(
    only: &[Adversity],
    make: impl Fn(Sink) -> P + Clone + Send + Sync + 'static,
) -> String {
    let world = World::builder().seed(7).shards(2).worlds(20);
    let world = world.only(only.iter().copied());
    let judged = catch_unwind(AssertUnwindSafe(|| judge(world, make)));
    let why = judged.expect_err("the mistake was not found");
    why.downcast_ref::<String>().expect("a message").clone()
}

fn judge<P: RecordProcessor>(
    world: WorldBuilder,
    make: impl Fn(Sink) -> P + Clone + Send + Sync + 'static,
) {
    world.assert_idempotent(|| {
        let (sink, make) = (Sink::default(), make.clone());
        let shown = sink.clone();
        (
            move |_: &ShardContext| make(sink.clone()),
            move || shown.rows(),
        )
    });
}

fn is_another_sink(why: &str) {
    assert!(why.contains("the sink is not as in a quiet world"), "{why}");
    assert!(why.contains("w0 starts"), "the story is missing in {why}");
}

struct Copies(Sink);

impl RecordProcessor for Copies {
    type Error = Infallible;
    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Infallible> {
        self.0.put_all(&batch);
        Ok(Progress::Done)
    }
}

#[test]
fn a_processor_without_a_mistake_passes() {
    judge(World::builder().seed(7).shards(2).worlds(20), Copies);
}

/// Says that it is done when the records are in its buffer.
struct BuffersUnsaved(Sink, Vec<Record>);

impl RecordProcessor for BuffersUnsaved {
    type Error = Infallible;
    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Infallible> {
        self.1.extend(batch.iter().cloned());
        if self.1.len() >= 3 {
            self.1.drain(..).for_each(|record| self.0.put(&record));
        }
        Ok(Progress::Done)
    }
    async fn shard_ended(&mut self, _: &ShardContext) -> Result<(), Infallible> {
        self.1.drain(..).for_each(|record| self.0.put(&record));
        Ok(())
    }
    async fn shutdown_requested(&mut self, _: &ShardContext) {
        self.1.drain(..).for_each(|record| self.0.put(&record));
    }
}

#[test]
fn who_acknowledges_before_the_sink_has_written_is_found() {
    is_another_sink(&found(&[Adversity::Crash, Adversity::Redelivery], |sink| {
        BuffersUnsaved(sink, Vec::new())
    }));
}

/// Keeps its total in memory and forgets it at a take-over.
struct RemembersInMemory(Sink, u64);

impl RecordProcessor for RemembersInMemory {
    type Error = Infallible;
    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, Infallible> {
        self.1 += batch.len() as u64;
        self.0.set(cx.shard_id().as_str(), self.1);
        Ok(Progress::Done)
    }
}

#[test]
fn who_keeps_state_in_memory_and_forgets_it_at_a_take_over_is_found() {
    is_another_sink(&found(&[Adversity::TakeOver], |sink| {
        RemembersInMemory(sink, 0)
    }));
}

/// Counts deliveries.
struct Counts(Sink);

impl RecordProcessor for Counts {
    type Error = Infallible;
    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Infallible> {
        self.0.add("records", batch.len() as u64);
        Ok(Progress::Done)
    }
}

#[test]
fn who_counts_deliveries_is_found() {
    is_another_sink(&found(&[Adversity::Redelivery], Counts));
}

/// Takes records of one moment for repetitions.
struct ComparesTimestamps(Sink, Option<Timestamp>);

impl RecordProcessor for ComparesTimestamps {
    type Error = Infallible;
    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Infallible> {
        for record in &batch {
            if record.created_at() > self.1 {
                self.0.put(record);
                self.1 = record.created_at();
            }
        }
        Ok(Progress::Done)
    }
}

#[test]
fn who_takes_equal_timestamps_for_repetitions_is_found() {
    is_another_sink(&found(&[Adversity::Burst], |sink| {
        ComparesTimestamps(sink, None)
    }));
}
