//! The emulator as its users see it: through the AWS SDK, on paused time.

mod chaos;
mod determinism;
mod faults;
mod images;
mod lifecycle;
mod reading;
mod refusals;
mod requests;
mod resharding;
mod server;
mod tables;

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use aws_sdk_dynamodbstreams::operation::get_records::GetRecordsOutput;
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType, StreamDescription};

use super::{Emulator, EmulatorSettings, tokio_clock};

/// 2026-10-06
const ORIGIN: Duration = Duration::from_secs(1_791_244_800);
const TABLE: &str = "orders";

/// An emulator on tokio's clock, both clients, and one table with a stream.
struct Scene {
    emulator: Emulator,
    tables: aws_sdk_dynamodb::Client,
    streams: aws_sdk_dynamodbstreams::Client,
}

impl Scene {
    async fn new(settings: EmulatorSettings) -> Self {
        Self::with_view(settings, StreamViewType::NewAndOldImages).await
    }

    async fn with_view(settings: EmulatorSettings, view: StreamViewType) -> Self {
        let emulator = Emulator::builder()
            .seed(7)
            .clock(tokio_clock(ORIGIN))
            .settings(settings)
            .build();
        let config = emulator.sdk_config();
        let scene = Self {
            emulator,
            tables: aws_sdk_dynamodb::Client::new(&config),
            streams: aws_sdk_dynamodbstreams::Client::new(&config),
        };
        create_table(&scene.tables, TABLE, Some(view)).await;
        scene
    }

    fn arn(&self) -> String {
        self.emulator
            .stream_arn(TABLE)
            .expect("the table has a stream")
    }

    async fn put(&self, key: &str, value: &str) {
        self.tables
            .put_item()
            .table_name(TABLE)
            .item("pk", AttributeValue::S(key.to_owned()))
            .item("v", AttributeValue::S(value.to_owned()))
            .send()
            .await
            .expect("put");
    }

    async fn delete(&self, key: &str) {
        self.tables
            .delete_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S(key.to_owned()))
            .send()
            .await
            .expect("delete");
    }

    async fn describe(&self) -> StreamDescription {
        let answer = self
            .streams
            .describe_stream()
            .stream_arn(self.arn())
            .send()
            .await;
        answer
            .expect("describe")
            .stream_description
            .expect("a description")
    }

    async fn iterator(&self, shard: &str, kind: ShardIteratorType) -> String {
        let answer = self
            .streams
            .get_shard_iterator()
            .stream_arn(self.arn())
            .shard_id(shard)
            .shard_iterator_type(kind)
            .send()
            .await;
        answer
            .expect("iterator")
            .shard_iterator
            .expect("an iterator")
    }

    async fn records(&self, iterator: &str) -> GetRecordsOutput {
        let answer = self
            .streams
            .get_records()
            .shard_iterator(iterator)
            .send()
            .await;
        answer.expect("records")
    }

    /// Everything from an iterator on, until an empty page or the end; says whether it was the end.
    async fn drain(&self, iterator: String) -> (Vec<Record>, bool) {
        let mut all = Vec::new();
        let mut iterator = iterator;
        loop {
            let page = self.records(&iterator).await;
            let empty = page.records().is_empty();
            all.extend(page.records.unwrap_or_default());
            match page.next_shard_iterator {
                None => return (all, true),
                Some(_) if empty => return (all, false),
                Some(next) => iterator = next,
            }
        }
    }

    async fn drain_shard(&self, shard: &str) -> (Vec<Record>, bool) {
        let iterator = self.iterator(shard, ShardIteratorType::TrimHorizon).await;
        self.drain(iterator).await
    }

    fn open_shards(&self) -> Vec<String> {
        let shards = self.emulator.shards(TABLE).expect("shards");
        shards
            .into_iter()
            .filter(|shard| shard.open)
            .map(|shard| shard.id)
            .collect()
    }

    fn only_open_shard(&self) -> String {
        let open = self.open_shards();
        assert_eq!(open.len(), 1, "{open:?}");
        open.into_iter().next().expect("one")
    }
}

fn one_shard() -> EmulatorSettings {
    EmulatorSettings {
        initial_shards: 1,
        rollover_after: None,
        ..EmulatorSettings::default()
    }
}

async fn create_table(client: &aws_sdk_dynamodb::Client, name: &str, view: Option<StreamViewType>) {
    let key = KeySchemaElement::builder()
        .attribute_name("pk")
        .key_type(KeyType::Hash)
        .build()
        .expect("complete");
    let definition = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .expect("complete");
    client
        .create_table()
        .table_name(name)
        .key_schema(key)
        .attribute_definitions(definition)
        .billing_mode(BillingMode::PayPerRequest)
        .set_stream_specification(view.map(enabled))
        .send()
        .await
        .expect("create");
}

fn enabled(view: StreamViewType) -> StreamSpecification {
    StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(view)
        .build()
        .expect("complete")
}

fn sequence(record: &Record) -> u128 {
    let data = record.dynamodb().expect("data");
    data.sequence_number()
        .expect("a number")
        .parse()
        .expect("digits")
}

fn key(record: &Record) -> String {
    let keys = record
        .dynamodb()
        .and_then(|data| data.keys())
        .expect("keys");
    keys["pk"].as_s().expect("a string").clone()
}

fn new_value(record: &Record) -> Option<String> {
    let image = record.dynamodb()?.new_image()?;
    image.get("v")?.as_s().ok().cloned()
}

fn old_value(record: &Record) -> Option<String> {
    let image = record.dynamodb()?.old_image()?;
    image.get("v")?.as_s().ok().cloned()
}
