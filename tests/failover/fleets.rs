//! Many workers, or the same ones for a long time.

use std::time::Duration;

use shardkeeper::{Event, Settings};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, ours, shards};

const HOUR: Duration = Duration::from_secs(3600);

fn calls(world: &World, operation: &str) -> u64 {
    world.emulator.calls().get(operation).copied().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn failure_40_in_a_steady_fleet_no_lease_moves_for_an_hour() {
    let world = World::with(701, shards(7)).await;
    let mut fleet = Vec::new();
    // An idle shard is asked seldom, so that an hour is short.
    let mut settings = Settings::default();
    settings.idle_poll_max = Duration::from_secs(15);
    for name in ["a", "b", "c"] {
        let worker = world.worker(name).settings(settings.clone());
        fleet.push(world.spawn(worker, done).await);
    }
    world.pass(SOON * 3).await;
    let mut shares: Vec<usize> = fleet.iter().map(ours).collect();
    shares.sort_unstable();
    assert_eq!(shares, [2, 2, 3]);
    let moves = |event: &Event| {
        matches!(
            event,
            Event::LeaseRequested { .. } | Event::LeaseReleased { .. } | Event::LeaseLost { .. }
        )
    };
    let before = world.events.count(moves);
    let mut written = 0;
    for minute in 0..60 {
        world.write(7, minute).await;
        written += 7;
        world.pass(Duration::from_secs(60)).await;
    }
    assert_eq!(world.events.count(moves), before);
    delivered(&world, SOON, written).await;
    assert_eq!(world.ledger.repeated(), 0);
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn failure_40_shards_that_roll_over_and_over_stay_with_their_worker() {
    let world = World::with(702, shards(4)).await;
    let first = world.start_with("a", done).await;
    let second = world.start_with("b", done).await;
    world.pass(SOON * 3).await;
    let asked = |event: &Event| matches!(event, Event::LeaseRequested { .. });
    let before = world.events.count(asked);
    for round in 0..6 {
        world.write(8, round).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        world.pass(Duration::from_secs(90)).await;
    }
    delivered(&world, SOON, 48).await;
    assert_eq!(
        world.events.count(asked),
        before,
        "children are born where their parents were"
    );
    assert_eq!((ours(&first), ours(&second)), (2, 2));
    assert_eq!(world.ledger.repeated(), 0);
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failure_11_forty_workers_that_start_at_once_settle_within_their_budget() {
    let world = World::with(703, shards(40)).await;
    let mut fleet = Vec::new();
    for n in 0..40 {
        fleet.push(world.start_with(&format!("w{n}"), done).await);
    }
    world.write(80, 1).await;
    let begun = world.emulator.now();
    world
        .until(SOON * 6, "one each", |_| fleet.iter().all(|w| ours(w) == 1))
        .await;
    delivered(&world, SOON, 80).await;
    assert_in_order(&world);
    let took = (world.emulator.now() - begun).as_secs() + 1;
    let listed = calls(&world, "DescribeStream");
    assert!(listed < 40 + took * 10, "L7: {listed} listings in {took} s");
    let table: u64 = ["UpdateItem", "TransactWriteItems", "Scan", "BatchGetItem"]
        .iter()
        .map(|operation| calls(&world, operation))
        .sum();
    assert!(
        table < 40 * (took + 10) * 5,
        "L9: {table} calls in {took} s"
    );
    for worker in fleet {
        worker.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn failure_44_a_large_fleet_lists_the_stream_no_more_often_than_one_worker() {
    let mut listings = Vec::new();
    for count in [1, 6] {
        let world = World::with(704, shards(6)).await;
        let mut fleet = Vec::new();
        for n in 0..count {
            fleet.push(world.start_with(&format!("w{n}"), done).await);
        }
        world.pass(SOON * 3).await;
        let before = calls(&world, "DescribeStream");
        world.pass(HOUR / 6).await;
        listings.push(calls(&world, "DescribeStream") - before);
        for worker in fleet {
            worker.shutdown().await.unwrap();
        }
    }
    assert!(
        listings[0] > 0 && listings[1] <= listings[0] + 2,
        "{listings:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn failure_44_listings_that_others_use_up_are_waited_for_and_hold_up_no_record() {
    let world = World::with(705, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.until(SOON, "owned", |_| ours(&worker) == 2).await;
    let used_up = Effect::error(400, "LimitExceededException");
    world
        .emulator
        .faults()
        .inject(Fault::new("DescribeStream", used_up).times(1_000_000));
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(20, 2).await;
    world.pass(Duration::from_secs(300)).await;
    let asked = 1_000_000 - world.emulator.faults().pending();
    assert!(asked < 300 * 10, "L7: {asked} listings in five minutes");
    world.emulator.faults().clear();
    delivered(&world, SOON * 3, 40).await;
    assert_in_order(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failure_29_sweeps_that_take_seconds_expire_nobody() {
    let world = World::with(706, shards(4)).await;
    let slow = Effect::Slow {
        before: Duration::from_secs(2),
        after: Duration::from_secs(2),
    };
    for operation in ["Scan", "BatchGetItem"] {
        world
            .emulator
            .faults()
            .inject(Fault::new(operation, slow.clone()));
    }
    let first = world.start_with("a", done).await;
    let second = world.start_with("b", done).await;
    for round in 0..20 {
        world.write(4, round).await;
        world.pass(Duration::from_secs(15)).await;
    }
    delivered(&world, SOON * 2, 80).await;
    let over = |event: &Event| {
        matches!(
            event,
            Event::WorkerFoundDead { .. } | Event::WorkerDemoted { .. } | Event::LeaseLost { .. }
        )
    };
    assert_eq!(world.events.count(over), 0);
    assert_eq!((ours(&first), ours(&second)), (2, 2));
    assert_eq!(world.ledger.repeated(), 0);
    world.emulator.faults().clear();
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l4_a_discoverer_that_leaves_is_followed_at_once() {
    let world = World::with(707, shards(2)).await;
    let first = world.start_with("a", done).await;
    world
        .until(SOON, "discoverer", |_| first.status().discoverer)
        .await;
    let second = world.start_with("b", done).await;
    world.until(SOON, "shared", |_| ours(&second) == 1).await;
    assert!(!second.status().discoverer, "one at a time");
    first.shutdown().await.unwrap();
    world
        .until(SOON, "followed", |_| second.status().discoverer)
        .await;
    // A new stream needs a discoverer: nobody's parent brings its shards.
    world.emulator.disable_stream(TABLE).unwrap();
    world.enable_stream().await;
    world.write(20, 1).await;
    delivered(&world, TAKE_OVER * 3, 20).await;
    second.shutdown().await.unwrap();
}
