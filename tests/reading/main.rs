//! Reading when the service is at its worst: nothing is skipped, nothing comes twice, no end is believed too early.

mod alarms;
mod ends;
mod iterators;
mod large;
mod listings;
mod losses;
mod memory;
mod odd_answers;
mod sizes;
mod start;
mod stream_end;
mod streams;
mod succession;
mod tables;
mod together;
mod undecodable;

use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::{Batch, Settings, ShardContext, WorkerBuilder};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::Effect;
use shardkeeper_tests::{Act, TABLE, World};

const SOON: Duration = Duration::from_secs(20);

fn shards(count: usize) -> EmulatorSettings {
    EmulatorSettings {
        initial_shards: count,
        rollover_after: None,
        ..EmulatorSettings::default()
    }
}

fn done(_: &Batch, _: &ShardContext) -> Act {
    Act::Done
}

/// A worker that asks idle shards seldom, so that a quarter of an hour of many shards is short.
fn patient(world: &World) -> WorkerBuilder {
    let mut settings = Settings::default();
    settings.idle_poll_max = Duration::from_secs(5);
    world.worker("a").settings(settings)
}

/// Waits until so many different records were given out.
async fn delivered(world: &World, bound: Duration, records: usize) {
    let what = format!("{records} records given out");
    world
        .until(bound, &what, |w| w.ledger.distinct() == records)
        .await;
}

/// Everything once and in order.
fn assert_once(world: &World) {
    assert_eq!(world.ledger.violations(), Vec::<String>::new());
    assert_eq!(world.ledger.repeated(), 0, "given out again");
}

/// The ids of the shards that take records.
fn open_shards(world: &World) -> Vec<String> {
    let shards = world.emulator.shards(TABLE).unwrap();
    shards
        .into_iter()
        .filter(|shard| shard.open)
        .map(|shard| shard.id)
        .collect()
}

/// An answer with status 200.
fn answer(body: &Value) -> Effect {
    Effect::Answer {
        status: 200,
        content_type: "application/x-amz-json-1.0",
        body: body.to_string().into(),
    }
}

/// What `GetRecords` answers now to whoever begins a shard.
fn first_page(world: &World, shard: &str) -> Value {
    let open = json!({
        "StreamArn": world.emulator.stream_arn(TABLE),
        "ShardId": shard,
        "ShardIteratorType": "TRIM_HORIZON",
    });
    let iterator = world.emulator.request("GetShardIterator", &open).unwrap();
    world.emulator.request("GetRecords", &iterator).unwrap()
}
