//! What the cross-crate tests share: an emulated account with a table, on paused time.

mod events;
mod ledger;

use std::time::Duration;

pub use events::Events;
pub use ledger::{Act, Dispatch, Ledger, Scripted};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
};
use shardkeeper::{Batch, Env, Settings, ShardContext, Worker, WorkerBuilder, WorkerHandle};
use shardkeeper_testkit::emulator::{Emulator, EmulatorBuilder, EmulatorSettings, tokio_clock};
use shardkeeper_testkit::processor::Recorder;

/// The table that every test reads.
pub const TABLE: &str = "orders";
/// The application that every worker belongs to.
pub const APPLICATION: &str = "orders-printer";
/// When the emulated world begins, since 1970.
const ORIGIN: Duration = Duration::from_secs(1_795_000_000);

/// An emulated account with the table [`TABLE`], a recorder, and a seed.
#[derive(Debug, Clone)]
pub struct World {
    /// The account.
    pub emulator: Emulator,
    /// What the workers' processors were given.
    pub recorder: Recorder,
    /// What the workers' processors were asked to do, for those that do as a test says.
    pub ledger: Ledger,
    /// What the workers said.
    pub events: Events,
    /// A client for the table.
    pub dynamodb: aws_sdk_dynamodb::Client,
    seed: u64,
}

impl World {
    /// A world on the paused clock of the current runtime, whose shards live until they are told otherwise.
    pub async fn new(seed: u64) -> Self {
        Self::with(
            seed,
            EmulatorSettings {
                rollover_after: None,
                ..EmulatorSettings::default()
            },
        )
        .await
    }

    /// A world with these constants of the service.
    pub async fn with(seed: u64, settings: EmulatorSettings) -> Self {
        Self::viewed(seed, settings, StreamViewType::NewAndOldImages).await
    }

    /// A world whose stream carries these images.
    pub async fn viewed(seed: u64, settings: EmulatorSettings, view: StreamViewType) -> Self {
        let account = Emulator::builder().settings(settings);
        Self::account(seed, account, view).await
    }

    /// A world on an account that was prepared; its seed and its clock are set here.
    pub async fn account(seed: u64, account: EmulatorBuilder, view: StreamViewType) -> Self {
        let clock = tokio_clock(ORIGIN);
        let emulator = account.seed(seed).clock(clock.clone()).build();
        let dynamodb = aws_sdk_dynamodb::Client::new(&emulator.sdk_config());
        let world = Self {
            emulator,
            recorder: Recorder::default(),
            ledger: Ledger::new(clock.clone()),
            events: Events::new(clock),
            dynamodb,
            seed,
        };
        world.create_table(view).await;
        world
    }

    async fn create_table(&self, view: StreamViewType) {
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(view);
        let id = AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder()
            .attribute_name("id")
            .key_type(KeyType::Hash);
        self.dynamodb
            .create_table()
            .table_name(TABLE)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(id.build().expect("complete"))
            .key_schema(key.build().expect("complete"))
            .stream_specification(stream.build().expect("complete"))
            .send()
            .await
            .expect("the table is created");
    }

    /// Writes each of `keys` items once, with this value.
    pub async fn write(&self, keys: usize, value: usize) {
        for key in 0..keys {
            self.put(&format!("order-{key}"), value).await;
        }
    }

    /// Writes one item.
    pub async fn put(&self, id: &str, value: usize) {
        self.dynamodb
            .put_item()
            .table_name(TABLE)
            .item("id", AttributeValue::S(id.to_owned()))
            .item("value", AttributeValue::N(value.to_string()))
            .send()
            .await
            .expect("the item is written");
    }

    /// A worker to be: its own dice, the world's clock.
    pub fn worker(&self, name: &str) -> WorkerBuilder {
        let seed = name.bytes().fold(self.seed, |seed, byte| {
            seed.wrapping_mul(31).wrapping_add(byte.into())
        });
        Worker::builder(APPLICATION)
            .table(TABLE)
            .worker_name(name)
            .aws_config(&self.emulator.sdk_config())
            .settings(Settings::default())
            .env(Env::simulated(seed))
            .observer(self.events.observer())
    }

    /// A worker at work whose processors do what `behave` says of each batch.
    pub async fn start_with<F>(&self, name: &str, behave: F) -> WorkerHandle
    where
        F: Fn(&Batch, &ShardContext) -> Act + Send + Sync + 'static,
    {
        self.spawn(self.worker(name), behave).await
    }

    /// The same for a worker that was built otherwise.
    pub async fn spawn<F>(&self, worker: WorkerBuilder, behave: F) -> WorkerHandle
    where
        F: Fn(&Batch, &ShardContext) -> Act + Send + Sync + 'static,
    {
        let worker = worker.build().await.expect("the worker can be built");
        worker.spawn(self.ledger.processors(behave))
    }

    /// A worker at work with the recorder as its processor.
    pub async fn start(&self, name: &str) -> shardkeeper::WorkerHandle {
        let worker = self
            .worker(name)
            .build()
            .await
            .expect("the worker can be built");
        worker.spawn(self.recorder.factory())
    }

    /// Waits until `done`, for at most so much virtual time; says what is missing otherwise.
    pub async fn until(&self, bound: Duration, what: &str, done: impl Fn(&Self) -> bool) {
        let waited = self.waits(bound, done).await;
        assert!(waited, "after {bound:?}: not {what}");
    }

    #[expect(clippy::disallowed_methods, reason = "tests wait on paused time")]
    async fn waits(&self, bound: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let deadline = tokio::time::Instant::now() + bound;
        while !done(self) {
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }

    /// Switches the table's stream on, as `UpdateTable` does.
    pub async fn enable_stream(&self) {
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages);
        self.dynamodb
            .update_table()
            .table_name(TABLE)
            .stream_specification(stream.build().expect("complete"))
            .send()
            .await
            .expect("the stream is switched on");
    }

    /// The rows of the lease table as DynamoDB JSON.
    pub fn lease_rows(&self) -> Vec<serde_json::Value> {
        let scan = serde_json::json!({ "TableName": APPLICATION });
        let answer = self.emulator.request("Scan", &scan).expect("a lease table");
        answer["Items"].as_array().cloned().unwrap_or_default()
    }

    /// Writes a text into a row of the lease table, as an operator might: `SET column = :v`.
    pub async fn edit_row(&self, key: &str, update: &str, value: &str) {
        let value = AttributeValue::S(value.to_owned());
        self.edit(key, update, value).await;
    }

    /// Writes a number into a row of the lease table.
    pub async fn edit_number(&self, key: &str, update: &str, value: u64) {
        let value = AttributeValue::N(value.to_string());
        self.edit(key, update, value).await;
    }

    async fn edit(&self, key: &str, update: &str, value: AttributeValue) {
        self.dynamodb
            .update_item()
            .table_name(APPLICATION)
            .key("leaseKey", AttributeValue::S(key.to_owned()))
            .update_expression(update)
            .expression_attribute_values(":v", value)
            .send()
            .await
            .expect("the row is edited");
    }

    /// The tables of the account.
    pub async fn table_names(&self) -> Vec<String> {
        let tables = self.dynamodb.list_tables().send().await;
        tables.expect("a list").table_names.unwrap_or_default()
    }

    /// Removes a column of a row of the lease table.
    pub async fn remove_column(&self, key: &str, column: &str) {
        self.dynamodb
            .update_item()
            .table_name(APPLICATION)
            .key("leaseKey", AttributeValue::S(key.to_owned()))
            .update_expression(format!("REMOVE {column}"))
            .send()
            .await
            .expect("the row is edited");
    }

    /// Deletes an item of the table.
    pub async fn delete(&self, id: &str) {
        self.dynamodb
            .delete_item()
            .table_name(TABLE)
            .key("id", AttributeValue::S(id.to_owned()))
            .send()
            .await
            .expect("the item is deleted");
    }

    /// Items of the table expire at the time in this attribute.
    pub async fn enable_time_to_live(&self, attribute: &str) {
        self.time_to_live(TABLE, attribute, true).await;
    }

    /// Rows of the lease table expire at the time in this column, or do so no longer.
    pub async fn expire_rows(&self, column: &str, on: bool) {
        self.time_to_live(APPLICATION, column, on).await;
    }

    async fn time_to_live(&self, table: &str, attribute: &str, on: bool) {
        let specification = TimeToLiveSpecification::builder()
            .enabled(on)
            .attribute_name(attribute);
        self.dynamodb
            .update_time_to_live()
            .table_name(table)
            .time_to_live_specification(specification.build().expect("complete"))
            .send()
            .await
            .expect("time to live is switched");
    }

    /// Deletes a row of the lease table.
    pub async fn delete_row(&self, key: &str) {
        self.dynamodb
            .delete_item()
            .table_name(APPLICATION)
            .key("leaseKey", AttributeValue::S(key.to_owned()))
            .send()
            .await
            .expect("the row is deleted");
    }

    /// Lets virtual time pass.
    #[expect(clippy::disallowed_methods, reason = "tests wait on paused time")]
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The code of docs/TESTING.md compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/TESTING.md")]
pub mod testing_page {}
