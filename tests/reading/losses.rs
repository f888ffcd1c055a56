//! Records that are gone before they were read: said once, decided by the user.

use std::time::Duration;

use shardkeeper::{Decision, Event, Health, LossCause, WorkerHandle};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{Act, TABLE, World};

use super::{SOON, assert_once, delivered, done, open_shards, shards};

/// Twenty records were read and stored, and of ten more on the first shard those written last are left.
async fn trimmed(seed: u64) -> (World, usize) {
    let world = World::with(seed, shards(3)).await;
    let worker = world.start_with("before", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    worker.shutdown().await.unwrap();
    world.write(20, 2).await;
    let shard = &open_shards(&world)[0];
    let gone = world.emulator.trim_shard(TABLE, shard, None).unwrap();
    assert!(gone > 0, "the scene needs records of the first shard");
    (world, gone)
}

async fn start(world: &World, name: &str, decision: Decision) -> WorkerHandle {
    let worker = world.worker(name).on_data_loss(move |_| decision);
    world.spawn(worker, done).await
}

fn stops(world: &World) -> usize {
    world
        .events
        .count(|event| matches!(event, Event::ShardStopped { .. }))
}

/// How many of the twenty records of the second round were on the first shard, and so are gone.
async fn gone(world: &World) -> usize {
    world.pass(Duration::from_secs(30)).await;
    40 - world.ledger.distinct()
}

#[tokio::test(start_paused = true)]
async fn s2_f42_b6_b7_trimmed_records_are_one_loss_the_shard_stops_durably_and_the_others_go_on() {
    let (world, _) = trimmed(61).await;
    let worker = start(&world, "b", Decision::Stop).await;
    world.until(SOON, "stopped", |w| stops(w) == 1).await;
    let lost = gone(&world).await;
    assert!(lost > 0 && lost < 20, "{lost}: the others went on");
    let shard = open_shards(&world)[0].clone();
    assert!(matches!(worker.health(), Health::Troubled(why) if why.contains("trimmed")));
    worker.shutdown().await.unwrap();

    let again = start(&world, "c", Decision::Stop).await;
    world.write(20, 3).await;
    world.pass(Duration::from_secs(120)).await;
    let losses = world.events.losses();
    assert_eq!(losses.len(), 1, "exactly one event: {losses:?}");
    assert_eq!(
        (losses[0].shard.as_str(), losses[0].why),
        (shard.as_str(), LossCause::Trimmed)
    );
    assert!(
        !losses[0].from.is_start(),
        "it says from where: {}",
        losses[0].from
    );
    assert_eq!(stops(&world), 1);
    let after = world.ledger.dispatches();
    let after_stop = after.iter().filter(|call| {
        call.shard.as_str() == shard
            && call.at
                > world
                    .events
                    .last(|e| matches!(e, Event::DataLost(_)))
                    .unwrap()
    });
    assert_eq!(after_stop.count(), 0, "a stopped shard stands still");
    again.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_after_a_loss_the_user_may_go_on_with_what_is_still_there() {
    let (world, _) = trimmed(62).await;
    let worker = start(&world, "b", Decision::GoOn).await;
    world.write(20, 3).await;
    world.pass(Duration::from_secs(60)).await;
    let losses = world.events.losses();
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert_eq!(stops(&world), 0);
    let round = world
        .ledger
        .dispatches()
        .iter()
        .map(|call| call.records.len())
        .sum::<usize>();
    assert!((40..60).contains(&round));
    world.write(20, 4).await;
    delivered(&world, SOON, round + 20).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_gap_with_nothing_behind_it_is_one_loss_also_after_the_iterator_expired() {
    let (world, _) = trimmed(63).await;
    let worker = start(&world, "b", Decision::GoOn).await;
    world
        .until(SOON, "told", |w| w.events.losses().len() == 1)
        .await;
    for _ in 0..5 {
        world.emulator.expire_iterators();
        world.pass(SOON).await;
    }
    assert_eq!(world.events.losses().len(), 1);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_shard_that_vanishes_behind_a_gap_is_one_loss_more() {
    let (world, _) = trimmed(68).await;
    let worker = start(&world, "b", Decision::GoOn).await;
    world
        .until(SOON, "told", |w| w.events.losses().len() == 1)
        .await;
    let shard = open_shards(&world)[0].clone();
    world.emulator.roll_over(TABLE, &shard).unwrap();
    world.emulator.forget_shard(TABLE, &shard).unwrap();
    world.pass(SOON * 6).await;
    let losses: Vec<LossCause> = world.events.losses().iter().map(|loss| loss.why).collect();
    assert_eq!(losses, [LossCause::Trimmed, LossCause::ShardVanished]);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_f29_f42_records_that_age_out_under_a_slow_reader_are_a_loss() {
    let retention = Duration::from_secs(120);
    let settings = EmulatorSettings {
        retention,
        ..shards(1)
    };
    let world = World::with(65, settings).await;
    world.write(5, 1).await;
    let slow = move |_: &_, _: &_| Act::Slow(retention * 3);
    let worker = world
        .spawn(world.worker("a").on_data_loss(|_| Decision::GoOn), slow)
        .await;
    // One page waits behind the one in hand; the rest stays with the service, until it is too old.
    for round in 2..6 {
        world.pass(Duration::from_secs(10)).await;
        world.write(5, round).await;
    }
    world
        .until(retention * 8, "told", |w| w.events.losses().len() == 1)
        .await;
    world.write(5, 9).await;
    delivered(&world, SOON, 15).await;
    let losses = world.events.losses();
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert_eq!(losses[0].why, LossCause::Trimmed);
    assert_once(&world);
    worker.abort();
}

/// A shard that ended and left the stream while nobody read.
async fn vanished(seed: u64) -> World {
    let world = World::with(seed, shards(2)).await;
    let worker = world.start_with("before", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    worker.shutdown().await.unwrap();
    let shard = open_shards(&world)[0].clone();
    world.emulator.roll_over(TABLE, &shard).unwrap();
    world.emulator.forget_shard(TABLE, &shard).unwrap();
    world.write(20, 2).await;
    world
}

#[tokio::test(start_paused = true)]
async fn s2_f43_b7_b10_a_shard_that_vanished_is_a_loss_and_stops_with_its_line_while_the_others_go_on()
 {
    let world = vanished(66).await;
    let worker = start(&world, "b", Decision::Stop).await;
    world
        .until(Duration::from_secs(60), "stopped", |w| stops(w) == 1)
        .await;
    let lost = gone(&world).await;
    assert!(lost > 0 && lost < 20, "{lost}");
    let losses = world.events.losses();
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].why, LossCause::ShardVanished);
    let before: u64 = world.emulator.calls().values().sum();
    world.pass(Duration::from_secs(600)).await;
    let after: u64 = world.emulator.calls().values().sum();
    assert!(after - before < 4_000, "L9: {}", after - before);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l6_after_a_vanished_shard_its_children_are_read_if_the_user_goes_on() {
    let world = vanished(67).await;
    let worker = start(&world, "b", Decision::GoOn).await;
    delivered(&world, Duration::from_secs(60), 40).await;
    assert_eq!(world.events.losses().len(), 1);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l6_a_stopped_shard_runs_again_when_an_operator_clears_the_stop() {
    let (world, _) = trimmed(68).await;
    let worker = start(&world, "b", Decision::Stop).await;
    world.until(SOON, "stopped", |w| stops(w) == 1).await;
    worker.shutdown().await.unwrap();
    let rows = world.lease_rows();
    let stopped: Vec<_> = rows
        .iter()
        .filter(|row| row.get("stoppedWhy").is_some())
        .collect();
    assert_eq!(stopped.len(), 1);
    let why = stopped[0]["stoppedWhy"]["S"].as_str().unwrap();
    assert!(
        why.contains("GoOn") && why.contains("stoppedWhy"),
        "it says how to go on: {why}"
    );
    let key = stopped[0]["leaseKey"]["S"].as_str().unwrap();
    world.remove_column(key, "stoppedWhy").await;
    let again = start(&world, "c", Decision::GoOn).await;
    world.pass(SOON).await;
    let read = world.ledger.distinct();
    world.write(20, 3).await;
    delivered(&world, SOON, read + 20).await;
    assert_once(&world);
    again.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_loss_is_told_once_though_the_last_checkpoint_is_long_on_its_way_when_the_shard_is_to_stop()
 {
    let world = World::with(72, shards(1)).await;
    let worker = start(&world, "a", Decision::Stop).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.pass(SOON).await;
    let throttled = Fault::new("UpdateItem", Effect::throttle());
    let faults = world.emulator.faults();
    faults.inject(throttled.containing("leaseCounter"));
    world.write(20, 2).await;
    delivered(&world, SOON, 40).await;
    let shard = open_shards(&world)[0].clone();
    world.emulator.roll_over(TABLE, &shard).unwrap();
    world.emulator.forget_shard(TABLE, &shard).unwrap();
    let told = |world: &World| !world.events.losses().is_empty();
    world.until(SOON * 3, "told", told).await;
    world.pass(SOON).await;
    assert_eq!(stops(&world), 0, "the checkpoint is still on its way");
    assert_eq!(world.events.losses().len(), 1);
    faults.clear();
    world.until(SOON * 3, "stopped", |w| stops(w) == 1).await;
    assert_eq!(world.events.losses().len(), 1);
    worker.shutdown().await.unwrap();
}

/// A shard was read, then came and went a generation that nobody saw, and a grandchild is left.
async fn a_generation_missed(seed: u64) -> World {
    let world = World::with(seed, shards(2)).await;
    let worker = world.start_with("before", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    // Until the stream is known as listed.
    world.pass(Duration::from_secs(5)).await;
    worker.shutdown().await.unwrap();
    let first = open_shards(&world)[0].clone();
    let second = world.emulator.roll_over(TABLE, &first).unwrap();
    world.emulator.roll_over(TABLE, &second).unwrap();
    for shard in [first, second] {
        world.emulator.forget_shard(TABLE, &shard).unwrap();
    }
    world.write(20, 2).await;
    world
}

fn causes(world: &World) -> Vec<LossCause> {
    let mut causes: Vec<LossCause> = world.events.losses().iter().map(|loss| loss.why).collect();
    causes.sort_by_key(|why| *why as u8);
    causes
}

#[tokio::test(start_paused = true)]
async fn s2_a_parent_that_nobody_ever_saw_is_one_loss_and_its_child_waits_for_a_decision() {
    let world = a_generation_missed(69).await;
    let worker = start(&world, "b", Decision::Stop).await;
    world
        .until(Duration::from_secs(60), "stopped", |w| stops(w) == 2)
        .await;
    let lost = gone(&world).await;
    assert!(lost > 0 && lost < 20, "{lost}: the other line goes on");
    let both = [LossCause::ShardVanished, LossCause::ParentVanished];
    assert_eq!(causes(&world), both);
    worker.shutdown().await.unwrap();

    let rows = world.lease_rows();
    let stopped: Vec<_> = rows
        .iter()
        .filter(|row| row.get("stoppedWhy").is_some())
        .collect();
    assert_eq!(stopped.len(), 2, "both stops are durable");
    let again = start(&world, "c", Decision::Stop).await;
    world.pass(Duration::from_secs(120)).await;
    assert_eq!(causes(&world), both, "once, whoever lists");
    for row in stopped {
        let key = row["leaseKey"]["S"].as_str().unwrap();
        world.remove_column(key, "stoppedWhy").await;
    }
    again.shutdown().await.unwrap();
    let last = start(&world, "d", Decision::GoOn).await;
    delivered(&world, SOON * 3, 40).await;
    last.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_fleet_that_died_as_it_began_and_comes_back_a_day_later_is_told_what_it_lost() {
    let world = World::with(71, shards(2)).await;
    let worker = world.start_with("before", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    worker.abort();
    world.write(20, 2).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.pass(Duration::from_secs(3600)).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.pass(Duration::from_secs(24 * 3600 + 1800)).await;
    world.write(20, 3).await;
    let worker = start(&world, "b", Decision::GoOn).await;
    delivered(&world, Duration::from_secs(60), 40).await;
    world.pass(Duration::from_secs(60)).await;
    let each_line = [
        LossCause::ShardVanished,
        LossCause::ShardVanished,
        LossCause::ParentVanished,
        LossCause::ParentVanished,
    ];
    assert_eq!(causes(&world), each_line);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_behind_a_parent_that_nobody_ever_saw_the_user_may_go_on() {
    let world = a_generation_missed(70).await;
    let worker = start(&world, "b", Decision::GoOn).await;
    delivered(&world, Duration::from_secs(60), 40).await;
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(
        causes(&world),
        [LossCause::ShardVanished, LossCause::ParentVanished]
    );
    assert_eq!(stops(&world), 0);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}
