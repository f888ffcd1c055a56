//! Pages that come empty, late, large or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shardkeeper::StartPosition;
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

use super::disguise::{Exchange, behind};
use super::{SOON, a_life_behind, assert_whole, delivered, done, shards};

#[tokio::test(start_paused = true)]
async fn f37_pages_may_be_empty_while_there_are_records_further_on() {
    for empty in [2, 3, 4] {
        a_life_behind(921, || {
            let mut asked = BTreeMap::<String, usize>::new();
            move |exchange: &mut Exchange| {
                if exchange.operation == "GetRecords" && exchange.status == 200 {
                    let same = exchange.question["ShardIterator"].clone();
                    let asked = asked.entry(same.to_string()).or_default();
                    *asked += 1;
                    if *asked < empty {
                        exchange.answer = json!({"Records": [], "NextShardIterator": same});
                    }
                }
            }
        })
        .await;
    }
}

/// An iterator that was held at the start of an empty shard is worth nothing once the shard has a record.
fn false_trim() -> impl FnMut(&mut Exchange) + Send {
    let mut held: BTreeSet<String> = BTreeSet::new();
    move |exchange| {
        if exchange.operation != "GetRecords" {
            return;
        }
        let used = exchange.question["ShardIterator"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if exchange.records().is_empty() {
            let next = exchange.answer["NextShardIterator"]
                .as_str()
                .unwrap_or_default();
            held.insert(next.to_owned());
        } else if held.contains(&used) {
            exchange.refuse("TrimmedDataAccessException");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn q1_a_trim_of_a_shard_that_nobody_read_is_no_loss() {
    for start in [StartPosition::TrimHorizon, StartPosition::Latest] {
        let world = World::with(922, shards(2)).await;
        let config = behind(&world.emulator, false_trim_once_each());
        let worker = world.worker("a").aws_config(&config).start(start);
        let worker = world.spawn(worker, done).await;
        world.pass(SOON).await;
        world.write(10, 1).await;
        delivered(&world, SOON, 10).await;
        assert_whole(&world);
        worker.shutdown().await.unwrap();
    }
}

/// The same for the first record of each of two shards: what comes later is read as from the service.
fn false_trim_once_each() -> impl FnMut(&mut Exchange) + Send {
    let mut trim = false_trim();
    let mut refused = 0;
    move |exchange| {
        if refused < 2 {
            trim(exchange);
            refused += usize::from(exchange.status == 400);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn q11_pages_of_more_than_a_megabyte_are_read() {
    let settings = EmulatorSettings {
        page_bytes: 20 * 1024 * 1024,
        ..shards(1)
    };
    let world = World::with(923, settings).await;
    for n in 0..30 {
        let put = world.dynamodb.put_item().table_name(TABLE);
        put.item("id", AttributeValue::S(format!("large-{n}")))
            .item("blob", AttributeValue::S("x".repeat(300_000)))
            .send()
            .await
            .unwrap();
    }
    let worker = world.start_with("a", done).await;
    delivered(&world, SOON, 30).await;
    assert_whole(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f35_f40_a_refused_limit_is_survived_under_either_name() {
    for code in ["LimitExceededException", "ValidationException"] {
        let world = World::with(924, shards(1)).await;
        let worker = world.start_with("a", done).await;
        for round in 1..=4 {
            let refused = Fault::new("GetRecords", Effect::error(400, code)).times(3);
            world.emulator.faults().inject(refused);
            world.write(10, round).await;
            delivered(&world, SOON * 2, 10 * round).await;
        }
        assert_whole(&world);
        worker.shutdown().await.unwrap();
    }
}

/// Stands for the 15 minutes, so that many of them pass in a test.
const LIFE: Duration = Duration::from_secs(30);

/// Whatever comes of an iterator ends so long after `GetShardIterator` gave it.
fn chains_end(now: impl Fn() -> Duration + Send + 'static) -> impl FnMut(&mut Exchange) + Send {
    let mut born = BTreeMap::<String, Duration>::new();
    move |exchange| {
        let used = exchange.question["ShardIterator"]
            .as_str()
            .map(str::to_owned);
        let birth = used.and_then(|used| born.get(&used).copied());
        let told = |answer: &Value, member: &str| answer[member].as_str().map(str::to_owned);
        if let Some(iterator) = told(&exchange.answer, "ShardIterator") {
            born.insert(iterator, now());
        }
        let Some(birth) = birth else { return };
        if now() > birth + LIFE {
            exchange.refuse("ExpiredIteratorException");
        } else if let Some(next) = told(&exchange.answer, "NextShardIterator") {
            born.insert(next, birth);
        }
    }
}

/// Several such lives with a record now and then.
async fn several_lives(world: &World, config: &aws_config::SdkConfig) {
    let worker = world
        .spawn(world.worker("a").aws_config(config), done)
        .await;
    for round in 1..=10 {
        world.write(3, round).await;
        delivered(world, SOON, 3 * round).await;
        world.pass(LIFE * 3 / 5).await;
    }
    assert_whole(world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f30_f41_the_fifteen_minutes_may_count_for_the_first_iterator_for_each_or_for_none() {
    let settings = EmulatorSettings {
        iterator_lifetime: LIFE,
        ..shards(1)
    };
    let world = World::with(925, settings).await;
    several_lives(&world, &world.emulator.sdk_config()).await;

    let world = World::with(926, shards(1)).await;
    let emulator = world.emulator.clone();
    let config = behind(&world.emulator, chains_end(move || emulator.now()));
    several_lives(&world, &config).await;
    let expired =
        |event: &shardkeeper::Event| matches!(event, shardkeeper::Event::IteratorExpired { .. });
    assert!(world.events.count(expired) >= 4, "the scene shows nothing");

    let settings = EmulatorSettings {
        iterator_lifetime: Duration::from_secs(1_000_000),
        ..shards(1)
    };
    let world = World::with(927, settings).await;
    several_lives(&world, &world.emulator.sdk_config()).await;
    assert_eq!(world.events.count(expired), 0);
}
