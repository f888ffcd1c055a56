//! A random life, and what holds in every one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::*;

/// An account without the SDK in between, with a clock that is moved by hand.
struct Life {
    emulator: Emulator,
    clock: Arc<AtomicU64>,
    dice: fastrand::Rng,
    /// The last value written of each key, and how many changes there were.
    written: BTreeMap<String, Vec<Option<u64>>>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(AtomicU64::new(ORIGIN.as_secs()));
        let time = Arc::clone(&clock);
        let emulator = Emulator::builder()
            .seed(seed)
            .clock(Arc::new(move || {
                Duration::from_secs(time.load(Ordering::Relaxed))
            }))
            .build();
        let life = Self {
            emulator,
            clock,
            dice: fastrand::Rng::with_seed(seed),
            written: BTreeMap::new(),
        };
        life.call("CreateTable", json!({
            "TableName": TABLE,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        }));
        life
    }

    fn call(&self, operation: &str, body: Value) -> Value {
        let answer = self.emulator.request(operation, &body);
        answer.unwrap_or_else(|error| panic!("{operation} {body}: {error:?}"))
    }

    fn step(&mut self) {
        let key = format!("k{}", self.dice.u8(..20));
        let changes = self.written.entry(key.clone()).or_default();
        let current = changes.last().copied().flatten();
        match self.dice.u8(..20) {
            0 => drop(self.emulator.roll_over_all(TABLE).unwrap()),
            1 => {
                let open: Vec<String> = open_ids(&self.emulator);
                let shard = &open[self.dice.usize(..open.len())];
                drop(
                    self.emulator
                        .split(TABLE, shard, self.dice.usize(1..4))
                        .unwrap(),
                );
            }
            2 => drop(
                self.clock
                    .fetch_add(self.dice.u64(..900), Ordering::Relaxed),
            ),
            3..6 => {
                self.call(
                    "DeleteItem",
                    json!({"TableName": TABLE, "Key": {"pk": {"S": key}}}),
                );
                changes_push(&mut self.written, key, current, None);
            }
            _ => {
                let value = self.dice.u64(..3);
                let item = json!({"pk": {"S": key}, "v": {"N": value.to_string()}});
                self.call("PutItem", json!({"TableName": TABLE, "Item": item}));
                changes_push(&mut self.written, key, current, Some(value));
            }
        }
    }

    /// The records of a shard, read in pages of random size.
    fn read(&mut self, shard: &str) -> (Vec<Value>, bool) {
        let arn = self.emulator.stream_arn(TABLE).unwrap();
        let request =
            json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let mut iterator = self.call("GetShardIterator", request)["ShardIterator"].clone();
        let mut all = Vec::new();
        loop {
            let limit = self.dice.u32(1..20);
            let page = self.call(
                "GetRecords",
                json!({"ShardIterator": iterator, "Limit": limit}),
            );
            let records = page["Records"].as_array().unwrap();
            let empty = records.is_empty();
            all.extend_from_slice(records);
            match page.get("NextShardIterator") {
                None => return (all, true),
                Some(_) if empty => return (all, false),
                Some(next) => iterator = next.clone(),
            }
        }
    }
}

fn open_ids(emulator: &Emulator) -> Vec<String> {
    let shards = emulator.shards(TABLE).unwrap();
    shards
        .into_iter()
        .filter(|shard| shard.open)
        .map(|shard| shard.id)
        .collect()
}

fn changes_push(
    written: &mut BTreeMap<String, Vec<Option<u64>>>,
    key: String,
    current: Option<u64>,
    new: Option<u64>,
) {
    if current != new {
        written.entry(key).or_default().push(new);
    }
}

#[test]
fn every_change_is_read_once_in_the_order_of_its_key_whatever_happens_to_the_shards() {
    for seed in 0..20 {
        let mut life = Life::new(seed);
        for _ in 0..400 {
            life.step();
        }
        let shards = life.emulator.shards(TABLE).unwrap();
        // Ids of a lineage sort by age: a parent is read before its children.
        let mut read: BTreeMap<String, Vec<Option<u64>>> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        let mut ends: BTreeMap<String, u128> = BTreeMap::new();
        for shard in shards {
            let (records, ended) = life.read(&shard.id);
            assert_eq!(ended, !shard.open, "seed {seed}");
            assert_eq!(records.len(), shard.records, "seed {seed}");
            let start: u128 = shard.starting_sequence_number.parse().unwrap();
            let parent_end = shard.parent.as_ref().and_then(|parent| ends.get(parent));
            let mut last = parent_end.copied().unwrap_or(0).max(start - 1);
            for record in &records {
                let number: u128 = record["dynamodb"]["SequenceNumber"]
                    .as_str()
                    .unwrap()
                    .parse()
                    .unwrap();
                assert!(number > last, "seed {seed}");
                last = number;
                assert!(ids.insert(record["eventID"].to_string()), "seed {seed}");
                let key = record["dynamodb"]["Keys"]["pk"]["S"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                let value = |image: &str| {
                    record["dynamodb"][image]["v"]["N"]
                        .as_str()
                        .map(|v| v.parse().unwrap())
                };
                let changes = read.entry(key).or_default();
                assert_eq!(
                    value("OldImage"),
                    changes.last().copied().flatten(),
                    "seed {seed}"
                );
                changes.push(value("NewImage"));
            }
            if let Some(end) = &shard.ending_sequence_number {
                let end = end.parse().unwrap();
                assert!(last.max(start) <= end, "seed {seed}");
                ends.insert(shard.id, end);
            }
        }
        life.written.retain(|_, changes| !changes.is_empty());
        assert_eq!(read, life.written, "seed {seed}");
    }
}
