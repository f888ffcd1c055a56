//! Whole workers over the real AWS SDK and the emulator, on paused time.

use std::time::Duration;

use shardkeeper_tests::{TABLE, World};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn g1_every_record_is_delivered_once_while_nothing_goes_wrong() {
    let world = World::new(1).await;
    world.write(50, 1).await;
    let worker = world.start("a").await;
    world
        .until(SOON, "delivered", |w| w.recorder.distinct() == 50)
        .await;
    world.write(50, 2).await;
    world
        .until(SOON, "delivered", |w| w.recorder.distinct() == 100)
        .await;
    worker.shutdown().await.unwrap();
    assert_eq!(world.recorder.repeated(), 0);
    assert_eq!(world.recorder.out_of_order(), []);
}

#[tokio::test(start_paused = true)]
async fn g2_b9_records_of_an_item_stay_in_order_across_splits_and_roll_overs() {
    let world = World::new(2).await;
    let workers = [world.start("a").await, world.start("b").await];
    for round in 0..10 {
        world.write(40, round).await;
        let shards = world.emulator.shards(TABLE).unwrap();
        let open: Vec<_> = shards.iter().filter(|shard| shard.open).collect();
        let chosen = &open[round % open.len()].id;
        if round % 2 == 0 {
            world.emulator.roll_over(TABLE, chosen).unwrap();
        } else {
            world.emulator.split(TABLE, chosen, 2).unwrap();
        }
        world.pass(Duration::from_millis(700)).await;
    }
    world
        .until(SOON, "delivered", |w| w.recorder.distinct() == 400)
        .await;
    assert_eq!(world.recorder.out_of_order(), []);
    assert_eq!(
        world.recorder.repeated(),
        0,
        "S10: no duplicates without a fault"
    );
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn l1_a_fleet_settles_evenly_and_a_crash_costs_only_time() {
    let world = World::with(
        3,
        shardkeeper_testkit::emulator::EmulatorSettings {
            initial_shards: 9,
            rollover_after: None,
            ..Default::default()
        },
    )
    .await;
    let (a, b, c) = (
        world.start("a").await,
        world.start("b").await,
        world.start("c").await,
    );
    let ours = |handle: &shardkeeper::WorkerHandle| {
        handle.status().shards.iter().filter(|s| s.ours).count()
    };
    let even = || [&a, &b, &c].iter().all(|handle| ours(handle) == 3);
    world
        .until(Duration::from_secs(60), "even", |_| even())
        .await;
    world.write(100, 1).await;
    world
        .until(SOON, "delivered", |w| w.recorder.distinct() == 100)
        .await;

    c.abort();
    world.write(100, 2).await;
    world
        .until(Duration::from_secs(40), "taken over", |w| {
            w.recorder.distinct() == 200
        })
        .await;
    assert_eq!(world.recorder.out_of_order(), []);
    for worker in [a, b] {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g6_a_worker_that_leaves_hands_over_and_nothing_comes_twice() {
    let world = World::new(4).await;
    let (a, b) = (world.start("a").await, world.start("b").await);
    world.write(100, 1).await;
    world
        .until(SOON, "delivered", |w| w.recorder.distinct() == 100)
        .await;
    world.pass(Duration::from_secs(20)).await;
    a.shutdown().await.unwrap();
    world.write(100, 2).await;
    world
        .until(Duration::from_secs(3), "handed over", |w| {
            w.recorder.distinct() == 200
        })
        .await;
    assert_eq!(world.recorder.repeated(), 0);
    b.shutdown().await.unwrap();
}
