//! Two tables whose shards have the same ids, as on servers that number them: nothing that a worker says mixes them up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;
use shardkeeper::core::ports::{
    Fetched, PortError, Position, ShardIterator, ShardPage, StreamSource, StreamsPage,
};
use shardkeeper::{
    Env, Event, MetricsObserver, ShardId, StreamArn, Timestamp, Worker, WorkerHandle,
};
use shardkeeper_testkit::memory::{ItemChange, MemoryLeases, MemoryStreams};
use shardkeeper_testkit::processor::Recorder as Processor;

const SHARD: &str = "shard-1";

#[derive(Debug, Clone)]
struct Twins([MemoryStreams; 2]);

impl Twins {
    fn of(&self, table: &str) -> &MemoryStreams {
        let mut tables = self.0.iter();
        tables.find(|twin| twin.arn().table() == table).unwrap()
    }

    /// Writes so many records.
    fn write(&self, table: &str, records: usize) {
        let shard = ShardId::from_service(SHARD);
        for n in 0..records {
            let key = json!({ "id": { "S": n.to_string() } });
            let change = ItemChange::insert(key.clone(), key);
            self.of(table).push(&shard, &change).unwrap();
        }
    }
}

#[async_trait]
impl StreamSource for Twins {
    async fn latest_stream(&self, table: &str) -> Result<StreamArn, PortError> {
        self.of(table).latest_stream(table).await
    }

    async fn list_streams(
        &self,
        table: &str,
        after: Option<&StreamArn>,
    ) -> Result<StreamsPage, PortError> {
        self.of(table).list_streams(table, after).await
    }

    async fn list_shards(
        &self,
        stream: &StreamArn,
        after: Option<&ShardId>,
    ) -> Result<ShardPage, PortError> {
        self.of(stream.table()).list_shards(stream, after).await
    }

    async fn children_of(
        &self,
        stream: &StreamArn,
        parent: &ShardId,
    ) -> Result<ShardPage, PortError> {
        self.of(stream.table()).children_of(stream, parent).await
    }

    async fn open(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        at: Position,
    ) -> Result<ShardIterator, PortError> {
        let iterator = self.of(stream.table()).open(stream, shard, at).await?;
        Ok(marked(stream.table(), &iterator))
    }

    async fn fetch(&self, from: &ShardIterator, limit: u16) -> Result<Fetched, PortError> {
        let (table, iterator) = from.expose().split_once('/').unwrap();
        let iterator = ShardIterator::from_service(iterator).unwrap();
        let fetched = self.of(table).fetch(&iterator, limit).await?;
        let next = fetched.next.map(|next| marked(table, &next));
        Ok(Fetched { next, ..fetched })
    }

    fn service_time(&self) -> Option<Timestamp> {
        None
    }
}

fn marked(table: &str, iterator: &ShardIterator) -> ShardIterator {
    ShardIterator::from_service(format!("{table}/{}", iterator.expose())).unwrap()
}

/// The value of each metric, by its name and its table.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<(String, String), Value>>>);

type Value = Arc<AtomicU64>;

impl Values {
    fn of(&self, key: &Key) -> Value {
        let table = key.labels().find(|label| label.key() == "table");
        let table = table.map_or("", |label| label.value()).to_owned();
        let mut values = self.0.lock().unwrap();
        Arc::clone(values.entry((key.name().to_owned(), table)).or_default())
    }

    fn read(&self, name: &str, table: &str) -> u64 {
        let values = self.0.lock().unwrap();
        let value = values.get(&(format!("shardkeeper_{name}"), table.to_owned()));
        value.map_or(0, |value| value.load(Ordering::SeqCst))
    }

    fn gauge(&self, name: &str, table: &str) -> f64 {
        f64::from_bits(self.read(name, table))
    }
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.of(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// How many records of each table this worker has processed since it reads it.
fn read(worker: &WorkerHandle) -> BTreeMap<String, u64> {
    let shards = worker.status().shards.into_iter();
    let ours = shards.filter(|shard| shard.ours);
    ours.map(|shard| (shard.stream.table().to_owned(), shard.records))
        .collect()
}

fn counts<const N: usize>(of: [(&str, u64); N]) -> BTreeMap<String, u64> {
    of.map(|(table, records)| (table.to_owned(), records))
        .into()
}

#[expect(clippy::disallowed_methods, reason = "tests wait on paused time")]
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn s15_shards_of_two_tables_with_the_same_id_are_told_apart() {
    let twins = Twins(["orders", "customers"].map(MemoryStreams::new));
    for twin in &twins.0 {
        twin.add_shard(SHARD, None);
    }
    let (values, heard) = (Values::default(), Arc::new(Mutex::new(Vec::new())));
    let listening = metrics::set_default_local_recorder(&values);
    let hears = Arc::clone(&heard);
    let worker = Worker::builder("twins")
        .tables(["orders", "customers"])
        .ports(Arc::new(twins.clone()), Arc::new(MemoryLeases::new()))
        .env(Env::simulated(421))
        .observer(MetricsObserver::new())
        .observer(move |event: &Event| {
            let ended = matches!(event, Event::ShardEnded { .. });
            let of = event.shard().filter(|_| ended);
            let of = of.map(|(stream, shard)| format!("{}/{shard}", stream.table()));
            hears.lock().unwrap().extend(of);
        });
    let processor = Processor::default();
    let worker = worker.build().await.unwrap().spawn(processor.factory());
    pass(20).await;
    twins.write("orders", 5);
    pass(20).await;
    assert_eq!(read(&worker), counts([("orders", 5), ("customers", 0)]));
    twins.write("customers", 3);
    pass(20).await;
    assert_eq!(read(&worker), counts([("orders", 5), ("customers", 3)]));
    let shard = ShardId::from_service(SHARD);
    twins.of("customers").close(&shard).unwrap();
    pass(60).await;
    assert_eq!(read(&worker), counts([("orders", 5)]));
    assert_eq!(*heard.lock().unwrap(), ["customers/shard-1"]);
    for (table, records, owned, ended) in [("orders", 5, 1.0, 0), ("customers", 3, 0.0, 1)] {
        let said = (
            values.read("processed_records_total", table),
            values.read("ended_shards_total", table),
        );
        assert_eq!(said, (records, ended), "{table}");
        let (leases, listed) = (
            values.gauge("owned_leases", table),
            values.gauge("listed_shards", table),
        );
        assert!(
            (leases, listed) == (owned, 1.0),
            "{table}: {leases} {listed}"
        );
    }
    assert_eq!(values.read("processed_records_total", ""), 0);
    worker.shutdown().await.unwrap();
    drop(listening);
}
