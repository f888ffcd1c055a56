//! Listings: long ones, throttled ones, and ones that do not show everything.

use std::time::Duration;

use serde_json::json;
use shardkeeper::Event;
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::Fault;
use shardkeeper_tests::{TABLE, World};

use super::{SOON, answer, assert_once, delivered, done, patient, shards};

#[tokio::test(start_paused = true)]
async fn f6_f17_b2_a_listing_of_many_pages_is_read_to_its_end() {
    for (count, page) in [(250, 100), (30, 1), (30, 7)] {
        let settings = EmulatorSettings {
            describe_page_shards: page,
            ..shards(count)
        };
        let world = World::with(111, settings).await;
        let worker = world.start_with("a", done).await;
        world.write(100, 1).await;
        delivered(&world, SOON * 2, 100).await;
        let owned = worker
            .status()
            .shards
            .iter()
            .filter(|shard| shard.ours)
            .count();
        assert_eq!(owned, count);
        assert_once(&world);
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn l7_f10_sixty_shards_that_end_at_once_stay_within_ten_listings_a_second() {
    let settings = EmulatorSettings {
        describe_stream_per_second: Some(10),
        ..shards(60)
    };
    let world = World::with(112, settings).await;
    let fleet = [
        world.start_with("a", done).await,
        world.start_with("b", done).await,
    ];
    world.pass(SOON).await;
    for round in 1..=3 {
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(60, round).await;
        delivered(&world, Duration::from_secs(60), 60 * round).await;
    }
    assert_once(&world);
    let throttled = world.events.count(
        |event| matches!(event, Event::CallFailed { action, .. } if *action == "DescribeStream"),
    );
    // Budgets that are not coordinated meet throttles, but they must not be the rule.
    assert!(throttled < 3 * 120, "{throttled} throttled listings");
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn s4_a_child_whose_parent_one_listing_does_not_show_waits_for_its_parent() {
    let world = World::with(113, shards(1)).await;
    world.write(10, 1).await;
    let parent = world.emulator.shards(TABLE).unwrap()[0].id.clone();
    world.emulator.roll_over(TABLE, &parent).unwrap();
    world.write(10, 2).await;
    let question = json!({ "StreamArn": world.emulator.stream_arn(TABLE) });
    let mut listing = world.emulator.request("DescribeStream", &question).unwrap();
    let shards = listing["StreamDescription"]["Shards"]
        .as_array_mut()
        .unwrap();
    shards.retain(|shard| shard["ShardId"] != parent.as_str());
    assert_eq!(shards.len(), 1);
    // The worker's own check when it is built is the first call.
    let partial = Fault::new("DescribeStream", answer(&listing))
        .skip(1)
        .times(1);
    world.emulator.faults().inject(partial);
    let worker = world.start_with("a", done).await;
    delivered(&world, Duration::from_secs(60), 20).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_a_listing_that_leaves_a_finished_shard_out_brings_nothing_back() {
    let world = World::with(115, shards(1)).await;
    world.write(10, 1).await;
    let parent = world.emulator.shards(TABLE).unwrap()[0].id.clone();
    let worker = world.start_with("a", done).await;
    delivered(&world, SOON, 10).await;
    world.emulator.roll_over(TABLE, &parent).unwrap();
    world.write(10, 2).await;
    delivered(&world, Duration::from_secs(60), 20).await;
    let question = json!({ "StreamArn": world.emulator.stream_arn(TABLE) });
    let mut listing = world.emulator.request("DescribeStream", &question).unwrap();
    let shards = listing["StreamDescription"]["Shards"]
        .as_array_mut()
        .unwrap();
    shards.retain(|shard| shard["ShardId"] != parent.as_str());
    let partial = Fault::new("DescribeStream", answer(&listing)).times(1);
    world.emulator.faults().inject(partial);
    world.pass(Duration::from_secs(120)).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b8_shards_whose_parents_aged_out_before_the_first_start_are_no_loss() {
    let world = World::with(114, shards(2)).await;
    for round in 0..3 {
        let parents = world.emulator.shards(TABLE).unwrap();
        world.emulator.roll_over_all(TABLE).unwrap();
        for parent in parents.iter().filter(|shard| shard.open) {
            world.emulator.forget_shard(TABLE, &parent.id).unwrap();
        }
        world.pass(Duration::from_secs(round)).await;
    }
    world.write(10, 1).await;
    let worker = world.start_with("a", done).await;
    delivered(&world, SOON, 10).await;
    assert_eq!(world.events.losses(), []);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b31_a_fleet_lists_no_more_than_one_worker() {
    let mut asked = Vec::new();
    for fleet in [1, 4] {
        let world = World::with(116, shards(6)).await;
        let names = ["a", "b", "c", "d"];
        let mut workers = Vec::new();
        for name in &names[..fleet] {
            workers.push(world.start_with(name, done).await);
        }
        world.pass(Duration::from_secs(60)).await;
        let before = world.emulator.calls()["DescribeStream"];
        world.pass(Duration::from_secs(400)).await;
        asked.push(world.emulator.calls()["DescribeStream"] - before);
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }
    assert!(asked[1] <= asked[0] + 2, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn l7_f10_a_stream_of_many_pages_is_listed_with_a_tenth_of_what_the_account_may_ask() {
    let settings = EmulatorSettings {
        describe_page_shards: 1,
        ..shards(120)
    };
    let world = World::with(119, settings).await;
    let worker = world.spawn(patient(&world), done).await;
    world.pass(Duration::from_secs(120)).await;
    let calls = || world.emulator.calls()["DescribeStream"];
    let before = calls();
    let time = Duration::from_secs(900);
    world.pass(time).await;
    let asked = calls() - before;
    // One listing may straddle the edge.
    assert!(asked <= time.as_secs() + 120, "{asked} calls");
    assert!(asked >= 240, "it is listed again and again: {asked} calls");
    worker.shutdown().await.unwrap();
}
