//! How to test a processor: real workers, the stream in memory, and a clock that only moves when everybody waits. No
//! server, no network, no sleeps; minutes of virtual time take milliseconds.
//!
//!     cargo test --example test_your_processor

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use shardkeeper::{Batch, Change, ImageError, Outcome, Progress};
use shardkeeper::{RecordProcessor, ShardContext, Worker};

#[derive(Deserialize)]
struct Order {
    total: u64,
}

/// The processor to test: adds up what is ordered and takes off what is cancelled.
struct AddUp {
    sum: Arc<AtomicU64>,
}

impl RecordProcessor for AddUp {
    type Error = ImageError;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, ImageError> {
        for record in &batch {
            match record.change::<Order>()? {
                Change::Inserted { new } => self.sum.fetch_add(new.total, Ordering::Relaxed),
                Change::Removed { old: Some(old) } => {
                    self.sum.fetch_sub(old.total, Ordering::Relaxed)
                }
                _ => continue,
            };
        }
        Ok(Progress::Done)
    }
}

#[tokio::main]
async fn main() -> Result<Outcome, shardkeeper::Error> {
    let sum = Arc::new(AtomicU64::new(0));
    let worker = Worker::builder("orders-sum").table("orders");
    let make = move |_: &ShardContext| AddUp { sum: sum.clone() };
    worker.build().await?.run(make).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::time::Duration;

    use serde_json::json;
    use shardkeeper::Env;
    use shardkeeper::{BoxError, each_batch_with};
    use shardkeeper_testkit::World;
    use shardkeeper_testkit::memory::{ItemChange, MemoryLeases, MemoryStreams};
    use shardkeeper_testkit::world::Changes;

    use super::*;

    type Sink = Arc<Mutex<BTreeMap<String, Option<String>>>>;

    /// A sink with keys is written as often as you like.
    async fn copy(sink: Sink, batch: Batch) -> Result<(), BoxError> {
        for record in &batch {
            let image = record.new_image_json().map(str::to_owned);
            let key = record.keys_json().to_owned();
            sink.lock().unwrap().insert(key, image);
        }
        Ok(())
    }

    /// The ten lines: under roll-overs, crashes, take-overs and redelivery the sink ends up as in a quiet world.
    #[test]
    fn the_copy_is_the_same_whatever_happens() {
        World::builder().seed(7).shards(4).assert_idempotent(|| {
            let sink = Sink::default();
            let shown = sink.clone();
            (
                move |_: &_| each_batch_with(sink.clone(), copy),
                move || shown.lock().unwrap().clone(),
            )
        });
    }

    /// A sum without keys is not: what comes twice is added twice. That is why `AddUp` needs a place that remembers
    /// which records it has added (see `record.event_id()`) before it is used for money.
    #[test]
    #[should_panic(expected = "the sink is not as in a quiet world")]
    fn a_sum_counts_redelivered_orders_twice() {
        #[derive(serde::Serialize)]
        struct Row {
            id: u64,
            total: u64,
        }
        let mut changes = Changes::keyed_by("id");
        for id in 1..40 {
            changes = changes.put(&Row { id, total: 10 + id }).unwrap();
        }
        World::builder().changes(changes).assert_idempotent(|| {
            let sum = Arc::new(AtomicU64::new(0));
            let shown = sum.clone();
            (
                move |_: &_| AddUp { sum: sum.clone() },
                move || shown.load(Ordering::Relaxed),
            )
        });
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_order_does_not_count() {
        let stream = MemoryStreams::new("orders");
        let shard = stream.add_shard("shardId-00000000000000000001-aaaaaaaa", None);
        let (key, cheap) = (json!({"id": {"S": "1"}}), json!({"total": {"N": "5"}}));
        let (other, dear) = (json!({"id": {"S": "2"}}), json!({"total": {"N": "70"}}));
        for change in [
            ItemChange::insert(key.clone(), cheap.clone()),
            ItemChange::insert(other, dear),
            ItemChange::remove(key, cheap),
        ] {
            stream.push(&shard, &change).unwrap();
        }

        let env = Env::simulated(7);
        let sum = Arc::new(AtomicU64::new(0));
        let seen = sum.clone();
        let worker = Worker::builder("orders-sum")
            .table("orders")
            .ports(Arc::new(stream), Arc::new(MemoryLeases::new()))
            .env(env.clone());
        let handle = worker.build().await.unwrap();
        let handle = handle.spawn(move |_| AddUp { sum: seen.clone() });
        env.sleep(Duration::from_secs(20)).await;
        handle.shutdown().await.unwrap();
        assert_eq!(sum.load(Ordering::Relaxed), 70);
    }
}
