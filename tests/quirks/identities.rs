//! Names that are not what one would expect.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper_tests::{TABLE, World};

use super::disguise::{Exchange, Face};
use super::{SOON, a_life_behind, assert_whole, delivered, shards, start};

/// Changes one member wherever it stands.
fn each(value: &mut Value, members: &[&str], change: &mut impl FnMut(&str) -> String) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                match inner {
                    Value::String(text) if members.contains(&name.as_str()) => {
                        *text = change(text);
                    }
                    _ => each(inner, members, change),
                }
            }
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|inner| each(inner, members, change)),
        _ => {}
    }
}

/// Members that name a shard.
const SHARDS: [&str; 4] = [
    "ShardId",
    "ParentShardId",
    "ExclusiveStartShardId",
    "LastEvaluatedShardId",
];

/// Shard ids without a prefix, in an order that says nothing.
struct Backwards;

fn backwards(id: &str) -> String {
    let (prefix, rest) = ("shardId-", "-drahs");
    match id.strip_prefix(prefix) {
        Some(id) => id.chars().rev().chain(rest.chars()).collect(),
        None => {
            let id = id.strip_suffix(rest).unwrap_or(id);
            prefix.chars().chain(id.chars().rev()).collect()
        }
    }
}

impl Face for Backwards {
    fn ask(&mut self, exchange: &mut Exchange) {
        each(&mut exchange.question, &SHARDS, &mut backwards);
    }

    fn answer(&mut self, exchange: &mut Exchange) {
        each(&mut exchange.answer, &SHARDS, &mut backwards);
    }
}

#[tokio::test(start_paused = true)]
async fn f34_shard_ids_without_prefix_or_order_are_as_good_as_any() {
    let world = a_life_behind(901, || Backwards).await;
    let names: Vec<String> = world
        .ledger
        .ended()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names.len(), 2);
    assert!(
        names.iter().all(|name| !name.starts_with("shardId")),
        "{names:?}"
    );
}

/// Iterators that are nothing like the service's. The text that stands for each is remembered.
#[derive(Default)]
struct OddIterators {
    told: BTreeMap<String, String>,
}

const ITERATORS: [&str; 2] = ["ShardIterator", "NextShardIterator"];

impl Face for OddIterators {
    fn ask(&mut self, exchange: &mut Exchange) {
        let told = &self.told;
        let original = |odd: &str| told.get(odd).cloned().unwrap_or_default();
        each(&mut exchange.question, &ITERATORS, &mut { original });
    }

    fn answer(&mut self, exchange: &mut Exchange) {
        let told = &mut self.told;
        each(&mut exchange.answer, &ITERATORS, &mut |original| {
            let odd = format!(
                "{}|\"\\ ∞\n{}",
                told.len() % 7,
                "secret".repeat(told.len() % 300)
            );
            told.insert(odd.clone(), original.to_owned());
            odd
        });
    }
}

#[tokio::test(start_paused = true)]
async fn f33_iterators_of_any_text_work_and_are_neither_stored_nor_told() {
    let world = a_life_behind(902, OddIterators::default).await;
    let stored = format!("{:?}", world.lease_rows());
    let told = format!("{:?}", world.events.all());
    assert!(!stored.contains("secretsecret") && !stored.contains('∞'));
    assert!(!told.contains("secretsecret") && !told.contains('∞'));
}

/// Every stream calls its shards by the same names, as if a table had been made again.
#[derive(Default)]
struct SameNames {
    known: BTreeMap<(String, String), String>,
}

impl SameNames {
    fn name(&mut self, stream: &str, id: &str) -> String {
        let count = self
            .known
            .keys()
            .filter(|(known, _)| known == stream)
            .count();
        let name = format!("shardId-{count:020}-00000000");
        let entry = (stream.to_owned(), id.to_owned());
        self.known.entry(entry).or_insert(name).clone()
    }

    fn id(&self, stream: &str, name: &str) -> String {
        let mut known = self.known.iter();
        let found = known.find(|((known, _), told)| known == stream && *told == name);
        found.map_or_else(|| name.to_owned(), |((_, id), _)| id.clone())
    }
}

fn stream_of(exchange: &Exchange) -> String {
    exchange.question["StreamArn"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

impl Face for SameNames {
    fn ask(&mut self, exchange: &mut Exchange) {
        let stream = stream_of(exchange);
        each(&mut exchange.question, &SHARDS, &mut |name| {
            self.id(&stream, name)
        });
    }

    fn answer(&mut self, exchange: &mut Exchange) {
        let stream = stream_of(exchange);
        each(&mut exchange.answer, &SHARDS, &mut |id| {
            self.name(&stream, id)
        });
    }
}

#[tokio::test(start_paused = true)]
async fn f24_q3_shards_of_one_name_in_two_streams_are_two_shards() {
    let world = World::with(903, shards(2)).await;
    let worker = start(&world, "a", SameNames::default()).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.enable_stream().await;
    world.write(10, 2).await;
    delivered(&world, Duration::from_secs(180), 20).await;
    assert_whole(&world);
    let dispatches = world.ledger.dispatches();
    let read: BTreeSet<_> = dispatches
        .iter()
        .map(|call| (&call.stream, &call.shard))
        .collect();
    let names: BTreeSet<_> = dispatches.iter().map(|call| &call.shard).collect();
    assert!(
        read.len() > names.len(),
        "no name came twice: the scene shows nothing"
    );
    worker.shutdown().await.unwrap();
}

/// The ARNs of another partition, and of a region whose name is misspelt.
struct Elsewhere(&'static str, &'static str);

fn replaced(value: &mut Value, from: &str, to: &str) {
    let text = value.to_string().replace(from, to);
    *value = serde_json::from_str(&text).expect("still JSON");
}

impl Face for Elsewhere {
    fn ask(&mut self, exchange: &mut Exchange) {
        replaced(&mut exchange.question, self.1, self.0);
    }

    fn answer(&mut self, exchange: &mut Exchange) {
        replaced(&mut exchange.answer, self.0, self.1);
    }
}

#[tokio::test(start_paused = true)]
async fn f54_b18_streams_of_every_partition_and_region_are_read() {
    for (seed, there) in [
        (904, "arn:aws-cn:dynamodb:cn-north-1:"),
        (905, "arn:aws-us-gov:dynamodb:us-gov-west-1:"),
        (906, "arn:aws:dynamodb:us-wesst-2:"),
    ] {
        let world = a_life_behind(seed, || Elsewhere("arn:aws:dynamodb:us-east-1:", there)).await;
        let calls = world.ledger.dispatches();
        assert!(
            calls
                .iter()
                .all(|call| call.stream.as_str().starts_with(there))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn f49_keys_of_every_type_with_and_without_a_range_are_read() {
    let world = World::with(907, shards(1)).await;
    for (table, key) in [
        (
            "pairs",
            json!({"device": {"N": "12345678901234567890123456789012345678"}, "at": {"B": "AAH/"}}),
        ),
        ("singles", json!({"blob": {"B": "AQI="}})),
    ] {
        let names: Vec<(&str, &str)> = key
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str(),
                    value.as_object().unwrap().keys().next().unwrap().as_str(),
                )
            })
            .collect();
        let schema: Vec<Value> = names
            .iter()
            .map(|(name, _)| json!({"AttributeName": name, "KeyType": if *name == "at" { "RANGE" } else { "HASH" }}))
            .rev()
            .collect();
        let definitions: Vec<Value> = names
            .iter()
            .map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}))
            .collect();
        let create = json!({
            "TableName": table, "KeySchema": schema, "AttributeDefinitions": definitions,
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}
        });
        world.emulator.request("CreateTable", &create).unwrap();
        let put = json!({"TableName": table, "Item": key});
        world.emulator.request("PutItem", &put).unwrap();
        let recorder = shardkeeper_testkit::processor::Recorder::default();
        let worker = shardkeeper::Worker::builder(format!("reads-{table}"))
            .table(table)
            .aws_config(&world.emulator.sdk_config())
            .env(shardkeeper::Env::simulated(907));
        let worker = worker.build().await.unwrap().spawn(recorder.factory());
        world
            .until(SOON, "read", |_| recorder.distinct() == 1)
            .await;
        let keys: Value = serde_json::from_str(&recorder.deliveries()[0].keys).unwrap();
        assert_eq!(keys, key, "numbers stay text, bytes stay base64");
        worker.shutdown().await.unwrap();
    }
}
