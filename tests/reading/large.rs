//! Streams of many pages: they are read while they are still being listed, and later listed in part.

use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::{Event, StartPosition};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

use super::{SOON, answer, assert_once, delivered, done, open_shards, patient, shards};

/// As many pages as shards.
fn paged(shards: EmulatorSettings) -> EmulatorSettings {
    EmulatorSettings {
        describe_page_shards: 1,
        ..shards
    }
}

fn listings(world: &World) -> u64 {
    let calls = world.emulator.calls();
    calls.get("DescribeStream").copied().unwrap_or_default()
}

/// Every shard is followed by another one and leaves the stream.
fn age(world: &World) {
    let parents = world.emulator.shards(TABLE).unwrap();
    world.emulator.roll_over_all(TABLE).unwrap();
    for parent in parents.iter().filter(|shard| shard.open) {
        world.emulator.forget_shard(TABLE, &parent.id).unwrap();
    }
}

/// The first record is given out while the listing has most of its pages still to come, and all are in the end.
async fn is_read_while_it_is_listed(world: &World, pages: u64) {
    let begun = listings(world);
    let worker = world.start_with("a", done).await;
    world
        .until(SOON, "a record given out", |w| w.ledger.distinct() > 0)
        .await;
    let asked = listings(world) - begun;
    assert!(
        asked < pages / 2,
        "{asked} listings before the first record"
    );
    delivered(world, Duration::from_secs(120), 200).await;
    assert_once(world);
    assert_eq!(world.events.losses(), []);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l10_a_new_stream_of_many_pages_is_read_while_it_is_being_listed() {
    let world = World::with(121, paged(shards(120))).await;
    world.write(200, 1).await;
    is_read_while_it_is_listed(&world, 120).await;
}

#[tokio::test(start_paused = true)]
async fn l10_b8_shards_whose_parents_aged_out_are_read_while_the_stream_is_being_listed() {
    let world = World::with(122, paged(shards(120))).await;
    age(&world);
    world.pass(Duration::from_secs(1)).await;
    world.write(200, 1).await;
    is_read_while_it_is_listed(&world, 120).await;
}

#[tokio::test(start_paused = true)]
async fn s3_reading_begins_at_one_moment_however_long_the_listing_takes() {
    let world = World::with(123, paged(shards(120))).await;
    world.write(200, 1).await;
    world.pass(Duration::from_secs(30)).await;
    let worker = world.worker("a").start(StartPosition::Latest);
    let worker = world.spawn(worker, done).await;
    world.pass(Duration::from_secs(5)).await;
    world.write(200, 2).await;
    delivered(&world, Duration::from_secs(120), 200).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

/// A parent with ten records and its child with ten more, as a listing shows them.
async fn family(world: &World) -> (Value, Value) {
    world.write(10, 1).await;
    let parent = world.emulator.shards(TABLE).unwrap()[0].id.clone();
    world.emulator.roll_over(TABLE, &parent).unwrap();
    world.write(10, 2).await;
    let question = json!({ "StreamArn": world.emulator.stream_arn(TABLE) });
    let listing = world.emulator.request("DescribeStream", &question).unwrap();
    let shards = listing["StreamDescription"]["Shards"].as_array().unwrap();
    let is_parent = |shard: &&Value| shard["ShardId"] == parent.as_str();
    let parent = shards.iter().find(is_parent).unwrap();
    let child = shards.iter().find(|shard| !is_parent(shard)).unwrap();
    (parent.clone(), child.clone())
}

/// The worker's first listing has these pages.
fn show(world: &World, pages: &[Vec<Value>]) {
    let question = json!({ "StreamArn": world.emulator.stream_arn(TABLE) });
    let listing = world.emulator.request("DescribeStream", &question).unwrap();
    for (number, page) in pages.iter().enumerate() {
        let mut listing = listing.clone();
        let description = &mut listing["StreamDescription"];
        description["Shards"] = json!(page);
        if number + 1 < pages.len() {
            description["LastEvaluatedShardId"] = json!(format!("shardId-{number:020}-00000000"));
        }
        // The worker's own check when it is built is the first call.
        let page = Fault::new("DescribeStream", answer(&listing));
        world.emulator.faults().inject(page.skip(1).times(1));
    }
}

#[tokio::test(start_paused = true)]
async fn s4_a_child_on_an_earlier_page_than_its_parent_waits_for_it() {
    let world = World::with(124, shards(1)).await;
    let (parent, child) = family(&world).await;
    show(&world, &[vec![child], vec![parent]]);
    let worker = world.start_with("a", done).await;
    delivered(&world, Duration::from_secs(60), 20).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s4_one_answer_that_a_parent_is_not_known_begins_no_child() {
    let world = World::with(125, shards(1)).await;
    let (parent, child) = family(&world).await;
    let mut pages = vec![vec![]; 30];
    let name = parent["ShardId"].as_str().unwrap().to_owned();
    pages[0] = vec![child];
    pages[29] = vec![parent];
    show(&world, &pages);
    let unknown = Effect::error(400, "ResourceNotFoundException");
    let unknown = Fault::new("GetShardIterator", unknown).containing(name);
    world.emulator.faults().inject(unknown.times(1));
    let worker = world.start_with("a", done).await;
    delivered(&world, Duration::from_secs(60), 20).await;
    assert_once(&world);
    assert_eq!(world.emulator.faults().pending(), 0, "it was asked for");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b12_a_listing_that_breaks_off_after_reading_has_begun_is_taken_up_again() {
    let world = World::with(126, paged(shards(40))).await;
    world.write(200, 1).await;
    let fails = Effect::internal_error();
    let fails = Fault::new("DescribeStream", fails).skip(20).times(3);
    world.emulator.faults().inject(fails);
    let worker = world.start_with("a", done).await;
    delivered(&world, Duration::from_secs(180), 200).await;
    assert_once(&world);
    let listed = |event: &Event| matches!(event, Event::ShardsListed { listed: 40, .. });
    world
        .until(SOON * 3, "a whole listing", |w| w.events.count(listed) > 0)
        .await;
    worker.shutdown().await.unwrap();
}

/// A worker that has read twenty lines of three shards each, of which the last is open.
async fn lines(world: &World) -> shardkeeper::WorkerHandle {
    let worker = world.spawn(patient(world), done).await;
    world.write(200, 1).await;
    delivered(world, Duration::from_secs(60), 200).await;
    for round in 2..=3 {
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(200, round).await;
        delivered(world, Duration::from_secs(120), 200 * round).await;
    }
    worker
}

#[tokio::test(start_paused = true)]
async fn l7_f10_shards_that_are_over_are_not_listed_each_time() {
    let world = World::with(127, paged(shards(20))).await;
    let worker = lines(&world).await;
    world.pass(Duration::from_secs(200)).await;
    let before = listings(&world);
    world.pass(Duration::from_secs(1200)).await;
    let asked = listings(&world) - before;
    // Sixty pages a minute at the most: one time in four all sixty, twenty otherwise.
    assert!(asked < 780, "{asked} calls");
    assert!(asked > 300, "it is listed again and again: {asked} calls");
    let listed = |event: &Event| matches!(event, Event::ShardsListed { listed: 60, .. });
    assert!(world.events.count(listed) > 10, "each tells of all of them");
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l2_b3_children_that_come_late_are_found_by_listings_that_leave_out_what_is_over() {
    let world = World::with(128, paged(shards(20))).await;
    let worker = lines(&world).await;
    world.pass(Duration::from_secs(200)).await;
    for (round, lag) in [(4, 40), (5, 200)] {
        let lag = Duration::from_secs(lag);
        world
            .emulator
            .change_settings(|settings| settings.child_visibility_lag = lag);
        let shard = &open_shards(&world)[0];
        world.emulator.roll_over(TABLE, shard).unwrap();
        world.write(200, round).await;
        // The children are listed once in so many seconds as there are pages, as ever.
        let bound = lag + Duration::from_secs(60 + 30);
        delivered(&world, bound, 200 * round).await;
    }
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_a_place_that_the_service_has_forgotten_ends_no_listing() {
    let world = World::with(129, paged(shards(20))).await;
    let worker = lines(&world).await;
    world.pass(Duration::from_secs(200)).await;
    for shard in world.emulator.shards(TABLE).unwrap() {
        if !shard.open {
            world.emulator.forget_shard(TABLE, &shard.id).unwrap();
        }
    }
    let lag = Duration::from_secs(60);
    world
        .emulator
        .change_settings(|settings| settings.child_visibility_lag = lag);
    let shard = &open_shards(&world)[0];
    world.emulator.roll_over(TABLE, shard).unwrap();
    world.write(200, 4).await;
    delivered(&world, lag + Duration::from_secs(90), 800).await;
    assert_once(&world);
    let forgotten =
        |event: &Event| matches!(event, Event::ShardsListed { forgotten, .. } if *forgotten > 0);
    world
        .until(Duration::from_secs(600), "what is over forgotten", |w| {
            w.events.count(forgotten) > 0
        })
        .await;
    worker.shutdown().await.unwrap();
}
