//! Records that cannot be read cost themselves and nothing else.

use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::{Decision, Event, LossCause, WorkerHandle};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::World;

use super::{SOON, answer, assert_once, delivered, done, first_page, open_shards, shards};

/// Ten records, of which these come damaged, as often as they are read from the beginning.
async fn damaged(seed: u64, bad: &[usize], how: impl Fn(&mut Value)) -> World {
    let world = World::with(seed, shards(1)).await;
    world.write(10, 1).await;
    let shard = open_shards(&world)[0].clone();
    let mut page = first_page(&world, &shard);
    for index in bad {
        how(&mut page["Records"][*index]);
    }
    world
        .emulator
        .faults()
        .inject(Fault::new("GetRecords", answer(&page)).times(1));
    world
}

fn no_dynamodb(record: &mut Value) {
    record["dynamodb"] = json!("gone");
}

fn odd_size(record: &mut Value) {
    record["dynamodb"]["SizeBytes"] = json!("many");
}

async fn start(world: &World, decision: Decision) -> WorkerHandle {
    let worker = world.worker("a").on_data_loss(move |_| decision);
    world.spawn(worker, done).await
}

#[tokio::test(start_paused = true)]
async fn s2_one_undecodable_record_costs_one_record() {
    for how in [no_dynamodb, odd_size] {
        for bad in [0, 4, 9] {
            let world = damaged(91, &[bad], how).await;
            let worker = start(&world, Decision::GoOn).await;
            delivered(&world, SOON, 9).await;
            world.write(5, 2).await;
            delivered(&world, SOON, 14).await;
            let losses = world.events.losses();
            assert_eq!(losses.len(), 1, "record {bad}: {losses:?}");
            assert_eq!(losses[0].why, LossCause::Undecodable);
            assert_once(&world);
            worker.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s2_every_undecodable_record_is_one_loss() {
    let world = damaged(92, &[2, 3, 7], odd_size).await;
    let worker = start(&world, Decision::GoOn).await;
    delivered(&world, SOON, 7).await;
    world.pass(SOON).await;
    assert_eq!(world.events.losses().len(), 3);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_by_default_an_undecodable_record_stops_its_shard_behind_the_record_before_it() {
    let world = damaged(93, &[4], odd_size).await;
    let worker = start(&world, Decision::Stop).await;
    let stopped = |event: &Event| matches!(event, Event::ShardStopped { .. });
    world
        .until(SOON, "stopped", |w| w.events.count(stopped) == 1)
        .await;
    world.pass(SOON).await;
    assert_eq!(world.ledger.distinct(), 4, "what came before is done");
    let row = world
        .lease_rows()
        .into_iter()
        .find(|row| row.get("stoppedWhy").is_some())
        .unwrap();
    let last = world
        .ledger
        .dispatches()
        .last()
        .unwrap()
        .records
        .last()
        .unwrap()
        .0;
    assert_eq!(row["checkpoint"]["S"].as_str().unwrap(), last.as_str());
    worker.shutdown().await.unwrap();
}

/// What follows is not this worker's any more, however long the stop takes to be stored.
#[tokio::test(start_paused = true)]
async fn l8_a_shard_that_is_about_to_be_let_go_is_not_read_on() {
    let world = damaged(96, &[4], odd_size).await;
    let hangs = Fault::new("UpdateItem", Effect::Hangs).containing("\"checkpoint\"");
    world.emulator.faults().inject(hangs);
    let worker = start(&world, Decision::Stop).await;
    let told = |world: &World| world.events.losses().len() == 1;
    world.until(SOON, "told", told).await;
    let second = Duration::from_secs(1);
    world.pass(second).await;
    let reads = || world.emulator.calls().get("GetRecords").copied();
    let before = reads();
    for value in 2..5 {
        world.write(5, value).await;
        world.pass(second).await;
    }
    assert_eq!(reads(), before);
    world.emulator.faults().clear();
    let stopped = |event: &Event| matches!(event, Event::ShardStopped { .. });
    world
        .until(SOON, "stopped", |w| w.events.count(stopped) == 1)
        .await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_an_undecodable_last_record_is_one_loss_also_after_the_iterator_expired() {
    let world = damaged(94, &[9], odd_size).await;
    let shard = open_shards(&world)[0].clone();
    let mut page = first_page(&world, &shard);
    let worker = start(&world, Decision::GoOn).await;
    delivered(&world, SOON, 9).await;
    // Read again from behind the ninth record, the tenth is as unreadable as before.
    let mut last = page["Records"].as_array_mut().unwrap().pop().unwrap();
    odd_size(&mut last);
    let again = json!({ "Records": [last], "NextShardIterator": page["NextShardIterator"] });
    world.emulator.expire_iterators();
    world
        .emulator
        .faults()
        .inject(Fault::new("GetRecords", answer(&again)).skip(1).times(1));
    world.pass(SOON).await;
    assert_eq!(world.events.losses().len(), 1);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s16_a_loss_says_which_record_but_not_what_was_in_it() {
    let world = damaged(95, &[4], odd_size).await;
    let worker = start(&world, Decision::GoOn).await;
    world
        .until(Duration::from_secs(30), "told", |w| {
            w.events.losses().len() == 1
        })
        .await;
    let said = format!("{:?}", world.events.losses());
    assert!(!said.contains("order-"), "{said}");
    worker.shutdown().await.unwrap();
}
