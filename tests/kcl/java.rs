//! What the adapter leaves in a lease table, as its documented format has it, and a Java worker that goes on writing.

use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::Env;
use shardkeeper_testkit::emulator::Emulator;
use shardkeeper_tests::{APPLICATION, TABLE, World};

/// The lease table as KCL creates it, and its index that we never use.
pub(crate) fn create_table(world: &World) {
    let body = json!({
        "TableName": APPLICATION, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "leaseKey", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}],
    });
    world.emulator.request("CreateTable", &body).unwrap();
}

/// A table of adapter 1.6.1 with these rows: shard, checkpoint, parent.
pub(crate) fn left_behind(world: &World, rows: &[(&str, &str, Option<&str>)]) {
    create_table(world);
    for (shard, checkpoint, parent) in rows {
        put(world, v1(shard, checkpoint, *parent));
    }
}

/// A row of adapter 1.6.1 on KCL 1.14.9. KCL leaves the owner's name behind.
pub(crate) fn v1(shard: &str, checkpoint: &str, parent: Option<&str>) -> Value {
    let mut row = json!({
        "leaseKey": {"S": shard},
        "leaseOwner": {"S": "java-1"},
        "leaseCounter": {"N": "412"},
        "ownerSwitchesSinceCheckpoint": {"N": "2"},
        "checkpoint": {"S": checkpoint},
        "checkpointSubSequenceNumber": {"N": "0"},
        "startingHashKey": {"S": "0"},
        "endingHashKey": {"S": "1"},
    });
    if let Some(parent) = parent {
        row["parentShardId"] = json!({"SS": [parent]});
    }
    row
}

/// The same lease as adapter 2.3.0 on KCL 3.5 has it.
pub(crate) fn v3(shard: &str, checkpoint: &str, parent: Option<&str>) -> Value {
    let mut row = v1(shard, checkpoint, parent);
    row["entityType"] = json!({"S": "LEASE"});
    row["throughputKBps"] = json!({"N": "12.345678"});
    row
}

/// The same lease as the multi-stream mode of adapter 2.3.0 has it.
pub(crate) fn multi(stream: &str, shard: &str, checkpoint: &str) -> Value {
    let mut parts = stream.splitn(6, ':');
    let (region, account) = (parts.nth(3).unwrap(), parts.next().unwrap());
    let label = stream.rsplit_once("/stream/").unwrap().1.replace(':', "_");
    let name = format!("{account}:{region}${account}${TABLE}${label}:1");
    let mut row = v3(&format!("{name}:{shard}"), checkpoint, None);
    row["streamName"] = json!({"S": name});
    row["shardId"] = json!({"S": shard});
    row
}

pub(crate) fn put(world: &World, row: Value) {
    let body = json!({"TableName": APPLICATION, "Item": row});
    world.emulator.request("PutItem", &body).unwrap();
}

/// The row under this key.
pub(crate) fn row(world: &World, key: &str) -> Value {
    let rows = world.lease_rows();
    let found = rows.into_iter().find(|row| row["leaseKey"]["S"] == key);
    found.unwrap_or_else(|| panic!("no row {key}"))
}

/// The shards of the stream, in the order of their ids.
pub(crate) fn shard_ids(world: &World) -> Vec<String> {
    let shards = world.emulator.shards(TABLE).unwrap();
    shards.into_iter().map(|shard| shard.id).collect()
}

/// The sequence numbers that a shard holds.
pub(crate) fn sequence_numbers(world: &World, shard: &str) -> Vec<String> {
    let arn = world.emulator.stream_arn(TABLE).unwrap();
    let opened = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let opened = world.emulator.request("GetShardIterator", &opened).unwrap();
    let from = json!({"ShardIterator": opened["ShardIterator"]});
    let page = world.emulator.request("GetRecords", &from).unwrap();
    let records = page["Records"].as_array().unwrap();
    let number = |record: &Value| {
        record["dynamodb"]["SequenceNumber"]
            .as_str()
            .map(str::to_owned)
    };
    records.iter().filter_map(number).collect()
}

/// A Java worker that renews a lease as KCL does, until it is told to stop.
pub(crate) struct Java {
    emulator: Emulator,
    shard: String,
    owner: &'static str,
}

impl Java {
    pub(crate) fn new(world: &World, shard: &str, owner: &'static str) -> Self {
        Self {
            emulator: world.emulator.clone(),
            shard: shard.to_owned(),
            owner,
        }
    }

    /// *takeLease*: the counter moves, the owner changes; it knows no epoch.
    pub(crate) fn take(&self) {
        self.update("SET leaseOwner = :o, leaseCounter = leaseCounter + :one");
    }

    /// *renewLease*, by whoever owns the lease as far as KCL can tell.
    pub(crate) fn renew(&self) {
        self.update("SET leaseCounter = leaseCounter + :one");
    }

    /// Renews every `interval` for `times` times.
    pub(crate) async fn renews(&self, env: &Env, interval: Duration, times: u32) {
        for _ in 0..times {
            env.sleep(interval).await;
            self.renew();
        }
    }

    fn update(&self, update: &str) {
        let mut values = json!({":one": {"N": "1"}});
        if update.contains(":o,") {
            values[":o"] = json!({"S": self.owner});
        }
        let body = json!({
            "TableName": APPLICATION, "Key": {"leaseKey": {"S": self.shard}},
            "UpdateExpression": update, "ExpressionAttributeValues": values,
        });
        self.emulator.request("UpdateItem", &body).unwrap();
    }
}
