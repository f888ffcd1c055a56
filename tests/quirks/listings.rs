//! Listings that say more, less or something else than the service's.

use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

use super::disguise::{Exchange, Face};
use super::{SOON, a_life, a_life_behind, assert_whole, delivered, done, shards, start};

/// A listing of pages of so many shards.
async fn paged(seed: u64, page: usize) -> World {
    let settings = EmulatorSettings {
        describe_page_shards: page,
        ..shards(3)
    };
    World::with(seed, settings).await
}

/// Each page begins with the shard that the one before ended with: the other reading of the documentation.
fn inclusive() -> impl FnMut(&mut Exchange) + Send {
    let mut seen: Vec<Value> = Vec::new();
    move |exchange| {
        let from = exchange.question["ExclusiveStartShardId"].clone();
        let repeated = seen.iter().find(|shard| shard["ShardId"] == from).cloned();
        seen.extend(exchange.shards().iter().cloned());
        let shards = exchange.answer.pointer_mut("/StreamDescription/Shards");
        if let (Some(Value::Array(shards)), Some(repeated)) = (shards, repeated) {
            shards.insert(0, repeated);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f12_where_a_page_begins_is_read_either_way() {
    for page in [1, 2, 7] {
        let exclusive = |_: &mut Exchange| {};
        a_life(paged(911, page).await, || exclusive).await;
        a_life(paged(911, page).await, inclusive).await;
    }
}

/// Between any two pages comes one without a shard, which says where to go on.
#[derive(Default)]
struct EmptyPages {
    full: bool,
}

impl Face for EmptyPages {
    fn ask(&mut self, exchange: &mut Exchange) {
        if let Some(Value::String(from)) = exchange.question.get_mut("ExclusiveStartShardId") {
            self.full = from.ends_with('~');
            from.retain(|c| c != '~');
        }
    }

    fn answer(&mut self, exchange: &mut Exchange) {
        let from = exchange.question["ExclusiveStartShardId"].clone();
        if let (Some(from), false) = (from.as_str(), self.full) {
            let description = &mut exchange.answer["StreamDescription"];
            description["Shards"] = json!([]);
            description["LastEvaluatedShardId"] = json!(format!("{from}~"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f17_a_page_without_a_shard_is_not_the_last_one() {
    let world = paged(912, 1).await;
    world.write(10, 1).await;
    let worker = start(&world, "a", EmptyPages::default()).await;
    delivered(&world, SOON, 10).await;
    assert_whole(&world);
    worker.shutdown().await.unwrap();
}

/// Every page is the first one, and says that there are more.
struct IgnoresStart;

impl Face for IgnoresStart {
    fn ask(&mut self, exchange: &mut Exchange) {
        if let Some(question) = exchange.question.as_object_mut() {
            question.remove("ExclusiveStartShardId");
        }
    }

    fn answer(&mut self, exchange: &mut Exchange) {
        let last = exchange
            .shards()
            .last()
            .map(|shard| shard["ShardId"].clone());
        if let Some(last) = last {
            exchange.answer["StreamDescription"]["LastEvaluatedShardId"] = last;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn q2_a_last_sequence_number_on_an_open_shard_ends_nothing() {
    a_life_behind(913, || {
        |exchange: &mut Exchange| {
            for shard in exchange.shards() {
                let range = &mut shard["SequenceNumberRange"];
                if range["EndingSequenceNumber"].is_null() {
                    range["EndingSequenceNumber"] = range["StartingSequenceNumber"].clone();
                }
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn q4_a_server_that_ignores_where_to_go_on_is_not_asked_for_ever() {
    let world = a_life_behind(914, || IgnoresStart).await;
    let asked = world.emulator.calls()["DescribeStream"];
    assert!(asked < 120, "{asked} pages for a handful of shards");
}

#[tokio::test(start_paused = true)]
async fn q4_a_server_that_refuses_where_to_go_on_delays_and_costs_nothing() {
    let world = paged(915, 2).await;
    world.write(10, 1).await;
    let refused = Fault::new("DescribeStream", Effect::error(400, "ValidationException"));
    let refused = refused.containing("ExclusiveStartShardId").times(3);
    world.emulator.faults().inject(refused);
    let worker = world.start_with("a", done).await;
    delivered(&world, Duration::from_secs(240), 10).await;
    assert_whole(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f15_q6_a_listing_without_key_schema_times_or_ranges_is_enough() {
    a_life_behind(916, || {
        |exchange: &mut Exchange| {
            for (index, shard) in exchange.shards().iter_mut().enumerate() {
                let ended = !shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null();
                // Where nothing says that a shard has ended, its child does.
                shard["SequenceNumberRange"] = json!({});
                if index % 2 == 1 && !ended {
                    shard.as_object_mut().unwrap().remove("SequenceNumberRange");
                }
            }
            if let Some(Value::Object(description)) = exchange.answer.get_mut("StreamDescription") {
                for member in [
                    "KeySchema",
                    "CreationRequestDateTime",
                    "StreamLabel",
                    "TableName",
                    "StreamArn",
                ] {
                    description.remove(member);
                }
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn q7_a_parent_that_is_named_and_not_listed_is_not_waited_for() {
    a_life_behind(917, || {
        |exchange: &mut Exchange| {
            for shard in exchange.shards() {
                if shard["ParentShardId"].is_null() {
                    shard["ParentShardId"] = json!("shardId-00000000000000000000-gone0000");
                }
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn f16_a_status_or_a_view_type_that_nobody_knows_is_no_reason_to_stop() {
    for status in ["ENABLED", "ENABLING", "DISABLING", "SOMETHING_NEW", ""] {
        a_life_behind(918, || {
            move |exchange: &mut Exchange| {
                if let Some(description) = exchange.answer.get_mut("StreamDescription") {
                    description["StreamStatus"] = json!(status);
                    description["StreamViewType"] = json!("KEYS_AND_DIFFERENCES");
                }
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn f52_q13_a_listing_of_streams_that_hides_some_or_all_is_not_missed() {
    for hidden in [Effect::empty_object(), Effect::internal_error()] {
        let world = World::with(919, shards(2)).await;
        let streams = Fault::new("ListStreams", hidden);
        world.emulator.faults().inject(streams);
        let worker = world.start_with("a", done).await;
        for round in 1..=3 {
            world.write(10, round).await;
            delivered(&world, Duration::from_secs(180), 10 * round).await;
            world.emulator.disable_stream(TABLE).unwrap();
            world.enable_stream().await;
        }
        assert_whole(&world);
        worker.shutdown().await.unwrap();
    }
}
