//! Fewer workers than the shards need.

use std::time::Duration;

use shardkeeper::{Event, Settings};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, World};

use super::{SOON, TAKE_OVER, delivered, done, ours, shards};

fn left(world: &World) -> Vec<usize> {
    let said = world.events.all().into_iter();
    said.filter_map(|(_, event)| match event {
        Event::CapacityShort { left, .. } => Some(left),
        _ => None,
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn l6_leases_that_nobody_may_take_are_told_until_somebody_comes() {
    let world = World::with(61, shards(5)).await;
    world.write(30, 1).await;
    let mut settings = Settings::default();
    settings.max_leases = 3;
    let limited = world.worker("a").settings(settings.clone());
    let first = world.spawn(limited, done).await;
    world.pass(TAKE_OVER * 3).await;
    assert_eq!(ours(&first), 3, "not more than it may");
    assert_eq!(left(&world), [2], "told once");
    let second = world
        .spawn(world.worker("b").settings(settings), done)
        .await;
    delivered(&world, SOON * 2, 30).await;
    world
        .until(SOON * 2, "over", |world| left(world) == [2, 0])
        .await;
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b20_a_throttled_lease_table_makes_no_lease_change_hands() {
    let world = World::with(62, shards(12)).await;
    let first = world.start_with("a", done).await;
    let second = world.start_with("b", done).await;
    world
        .until(SOON * 3, "shared", |_| {
            ours(&first) == 6 && ours(&second) == 6
        })
        .await;
    let acquired = |event: &Event| matches!(event, Event::LeaseAcquired { .. });
    let before = world.events.count(acquired);
    let calls = |world: &World| world.emulator.calls().values().sum::<u64>();
    let made = calls(&world);
    // No lease can be written, and now and then not even a beat or a look at the table.
    let throttled = |operation: &'static str, what: &str| {
        Fault::new(operation, Effect::throttle()).containing(what)
    };
    let faults = world.emulator.faults();
    faults.inject(throttled("UpdateItem", "leaseCounter"));
    faults.inject(throttled("TransactWriteItems", APPLICATION));
    for round in 0..60 {
        faults.inject(throttled("UpdateItem", "shardkeeper/worker").times(1));
        faults.inject(throttled("Scan", APPLICATION).times(1));
        world.write(12, round).await;
        world.pass(Duration::from_secs(2)).await;
    }
    let made = calls(&world) - made;
    faults.clear();
    assert_eq!(world.ledger.lost(), []);
    assert_eq!(
        world.events.count(acquired),
        before,
        "leases went to and fro"
    );
    assert!(made < 4000, "{made} calls in two minutes");
    delivered(&world, SOON, 720).await;
    assert_eq!(world.ledger.repeated(), 0);
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b28_checkpoints_and_beats_at_the_same_time_cost_nobody_a_lease() {
    let world = World::with(63, shards(4)).await;
    let mut settings = Settings::default();
    settings.checkpoint_interval = Duration::from_millis(1);
    // Answers travel, so that a beat and the checkpoints of all shards are out at the same time.
    let slow = Effect::Slow {
        before: Duration::from_millis(150),
        after: Duration::from_millis(150),
    };
    let worker = world
        .spawn(world.worker("a").settings(settings), done)
        .await;
    world.until(SOON, "owned", |_| ours(&worker) == 4).await;
    world
        .emulator
        .faults()
        .inject(Fault::new("UpdateItem", slow));
    for round in 1..=300 {
        world.write(8, round).await;
        world.pass(Duration::from_millis(100)).await;
    }
    delivered(&world, SOON, 2400).await;
    let lost =
        |event: &Event| matches!(event, Event::LeaseLost { .. } | Event::WorkerDemoted { .. });
    assert_eq!(world.events.count(lost), 0);
    assert_eq!(world.ledger.repeated(), 0);
    worker.shutdown().await.unwrap();
}
