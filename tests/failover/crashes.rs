//! Workers that are gone from one moment to the next.

use std::time::Duration;

use shardkeeper::Event;
use shardkeeper_tests::{Act, TABLE, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, ours, shards};

#[tokio::test(start_paused = true)]
async fn l4_the_discoverer_crashes_and_another_worker_lists_the_stream() {
    let world = World::with(11, shards(4)).await;
    let first = world.start_with("a", done).await;
    world
        .until(SOON, "discoverer", |_| first.status().discoverer)
        .await;
    let second = world.start_with("b", done).await;
    world.until(SOON, "shared", |_| ours(&second) == 2).await;
    first.abort();
    // A new stream needs a discoverer: nobody's parent brings its shards.
    world.emulator.disable_stream(TABLE).unwrap();
    world.enable_stream().await;
    world.write(20, 1).await;
    delivered(&world, TAKE_OVER * 4, 20).await;
    assert!(second.status().discoverer);
    assert_in_order(&world);
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g2_the_owner_of_a_parent_that_is_ending_crashes_and_no_child_overtakes() {
    for moment in 0..16 {
        let world = World::with(100 + moment, shards(2)).await;
        let first = world.start_with("a", done).await;
        world.until(SOON, "owned", |_| ours(&first) == 2).await;
        let second = world.start_with("b", done).await;
        world.until(SOON, "shared", |_| ours(&second) == 1).await;
        world.write(30, 1).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(30, 2).await;
        world.pass(Duration::from_millis(50 * moment)).await;
        first.abort();
        world.write(30, 3).await;
        delivered(&world, TAKE_OVER * 2, 90).await;
        assert_in_order(&world);
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g1_a_batch_that_was_in_hand_at_the_crash_is_delivered_again() {
    let world = World::with(12, shards(2)).await;
    world.write(40, 1).await;
    let first = world.start_with("a", |_, _| Act::Hang).await;
    world
        .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 2)
        .await;
    first.abort();
    let second = world.start_with("b", done).await;
    world
        .until(TAKE_OVER, "acknowledged", |w| {
            let calls = w.ledger.dispatches();
            let returned = calls.iter().filter(|call| call.returned.is_some());
            returned.map(|call| call.records.len()).sum::<usize>() == 40
        })
        .await;
    assert_eq!(
        world.ledger.repeated(),
        40,
        "nothing of it was acknowledged"
    );
    assert_in_order(&world);
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s10_after_all_have_crashed_only_what_was_not_stored_comes_again() {
    let world = World::with(13, shards(4)).await;
    world.write(100, 1).await;
    let fleet = [
        world.start_with("a", done).await,
        world.start_with("b", done).await,
    ];
    delivered(&world, SOON, 100).await;
    world.pass(Duration::from_secs(3)).await;
    for worker in &fleet {
        worker.abort();
    }
    world.write(100, 2).await;
    let again = world.start_with("c", done).await;
    delivered(&world, TAKE_OVER, 200).await;
    assert_eq!(
        world.ledger.repeated(),
        0,
        "three seconds are enough to store every checkpoint"
    );
    assert_in_order(&world);
    again.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s10_a_crash_repeats_no_more_than_a_checkpoint_interval_of_records() {
    let world = World::with(14, shards(1)).await;
    let first = world.start_with("a", done).await;
    for round in 0..100 {
        world.put("order", round).await;
        world.pass(Duration::from_millis(100)).await;
    }
    first.abort();
    let second = world.start_with("b", done).await;
    world.put("order", 100).await;
    delivered(&world, TAKE_OVER, 101).await;
    let repeated = world.ledger.repeated();
    // One interval of one second, and the write that was under way.
    assert!(repeated <= 15, "{repeated} of 101 came again");
    assert_in_order(&world);
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s5_two_workers_of_the_same_name_are_two_workers() {
    let world = World::with(15, shards(4)).await;
    let one = world.start_with("twin", done).await;
    world.pass(Duration::from_millis(137)).await;
    let other = world
        .spawn(
            world.worker("twin").env(shardkeeper::Env::simulated(99)),
            done,
        )
        .await;
    world
        .until(SOON * 2, "shared", |_| ours(&one) == 2 && ours(&other) == 2)
        .await;
    world.write(50, 1).await;
    delivered(&world, SOON, 50).await;
    assert_eq!(world.ledger.repeated(), 0);
    assert_eq!(
        world
            .events
            .count(|event| matches!(event, Event::WorkerDemoted { .. })),
        0
    );
    assert_in_order(&world);
    one.abort();
    world.write(50, 2).await;
    delivered(&world, TAKE_OVER, 100).await;
    other.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g1_crash_after_crash_loses_nothing() {
    let world = World::with(16, shards(4)).await;
    let mut written = 0;
    let mut fleet = vec![world.start_with("w0", done).await];
    for round in 1..=12_usize {
        world.write(10, round).await;
        written += 10;
        let open = world.emulator.shards(TABLE).unwrap();
        let open: Vec<_> = open.iter().filter(|shard| shard.open).collect();
        world
            .emulator
            .roll_over(TABLE, &open[round % open.len()].id)
            .unwrap();
        fleet.push(world.start_with(&format!("w{round}"), done).await);
        world.pass(Duration::from_millis(731 * round as u64)).await;
        if fleet.len() > 2 {
            fleet.remove(round % fleet.len()).abort();
        }
    }
    delivered(&world, TAKE_OVER * 3, written).await;
    assert_in_order(&world);
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}
