//! What the cross-crate tests share: an emulated account with a table, on paused time.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use shardkeeper::{Env, Settings, Worker, WorkerBuilder};
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, tokio_clock};
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
        let emulator = Emulator::builder()
            .seed(seed)
            .clock(tokio_clock(ORIGIN))
            .settings(settings)
            .build();
        let dynamodb = aws_sdk_dynamodb::Client::new(&emulator.sdk_config());
        let world = Self {
            emulator,
            recorder: Recorder::default(),
            dynamodb,
            seed,
        };
        world.create_table(StreamViewType::NewAndOldImages).await;
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

    /// Lets virtual time pass.
    #[expect(clippy::disallowed_methods, reason = "tests wait on paused time")]
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
