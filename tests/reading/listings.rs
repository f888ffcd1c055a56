//! Listings: long ones, throttled ones, and ones that do not show everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::StreamViewType;
use serde_json::{Value, json};
use shardkeeper::Event;
use shardkeeper_testkit::emulator::{Call, Emulator, EmulatorSettings, Fate, Interceptor};
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

/// Counts the listings of everything, by their first pages.
#[derive(Debug, Default)]
struct Begun(AtomicUsize);

impl Interceptor for Begun {
    fn intercept(&self, call: &Call<'_>) -> Option<Fate> {
        let body: Value = serde_json::from_slice(call.body).unwrap_or_default();
        let in_part = ["ShardFilter", "ExclusiveStartShardId"];
        let whole = in_part.iter().all(|member| body.get(member).is_none());
        let begins = call.operation == "DescribeStream" && whole;
        self.0.fetch_add(usize::from(begins), Ordering::Relaxed);
        None
    }
}

#[tokio::test(start_paused = true)]
async fn l7_fifty_late_ends_at_once_list_the_stream_twice_at_most() {
    let settings = EmulatorSettings {
        describe_page_shards: 1,
        child_visibility_lag: Duration::from_secs(120),
        ..shards(50)
    };
    let begun = Arc::new(Begun::default());
    let account = Emulator::builder().settings(settings);
    let account = account.interceptor(Arc::<Begun>::clone(&begun));
    let world = World::account(120, account, StreamViewType::NewImage).await;
    let worker = world.start_with("a", done).await;
    world.write(100, 1).await;
    delivered(&world, SOON * 3, 100).await;
    let of_discovery = || {
        let listed = |event: &Event| matches!(event, Event::ShardsListed { .. });
        world.events.count(listed)
    };
    world.pass(Duration::from_secs(60)).await;
    let before = (begun.0.load(Ordering::Relaxed), of_discovery());
    world.emulator.roll_over_all(TABLE).unwrap();
    let everything = "fifty ends without children";
    let ended = |world: &World| world.ledger.ended().len() == 50;
    world
        .until(Duration::from_secs(90), everything, ended)
        .await;
    let listings = begun.0.load(Ordering::Relaxed) - before.0;
    // One of discovery's may be under way.
    let of_ends = listings.saturating_sub(of_discovery() - before.1);
    assert!(
        (1..=2).contains(&of_ends),
        "{of_ends} listings for fifty ends"
    );
    world.write(100, 2).await;
    delivered(&world, Duration::from_secs(400), 200).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}
