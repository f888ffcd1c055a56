//! The ends of shards, in every way in which the service shows them.

use std::time::Duration;

use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

use super::{SOON, assert_once, delivered, done, open_shards, shards};

/// Several generations of shards, begun while earlier ones are being read.
async fn generations(seed: u64, settings: EmulatorSettings, bound: Duration) -> World {
    let world = World::with(seed, settings).await;
    let worker = world.start_with("a", done).await;
    for round in 1..=6 {
        world.write(12, round).await;
        let open = open_shards(&world);
        let chosen = &open[round % open.len()];
        if round % 2 == 0 {
            world.emulator.split(TABLE, chosen, 2).unwrap();
        } else {
            world.emulator.roll_over_all(TABLE).unwrap();
        }
        world.pass(Duration::from_millis(1_300)).await;
    }
    delivered(&world, bound, 72).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn f38_the_last_page_may_be_empty_or_not() {
    for empty_last_page in [false, true] {
        let settings = EmulatorSettings {
            empty_last_page,
            ..shards(2)
        };
        generations(101, settings, SOON).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s1_b23_records_of_the_last_page_are_delivered_before_the_end() {
    for page_records in [1, 2, 3, 5] {
        let settings = EmulatorSettings {
            page_records,
            empty_last_page: page_records % 2 == 0,
            ..shards(2)
        };
        generations(102, settings, SOON * 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn l2_b3_b4_children_that_are_listed_late_are_found() {
    for lag in [1, 10, 45] {
        let settings = EmulatorSettings {
            child_visibility_lag: Duration::from_secs(lag),
            ..shards(2)
        };
        let bound = Duration::from_secs(12 * (lag + 31));
        generations(103, settings, bound).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s8_ends_that_are_listed_late_are_waited_for() {
    for lag in [1, 10, 45] {
        let settings = EmulatorSettings {
            ending_visibility_lag: Duration::from_secs(lag),
            child_visibility_lag: Duration::from_secs(lag),
            ..shards(2)
        };
        let bound = Duration::from_secs(12 * (lag + 31));
        generations(104, settings, bound).await;
    }
}

#[tokio::test(start_paused = true)]
async fn g2_b24_a_late_child_among_two_does_not_get_lost() {
    let settings = EmulatorSettings {
        child_visibility_lag: Duration::from_secs(3),
        ..shards(1)
    };
    let world = World::with(105, settings).await;
    let worker = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    let shard = open_shards(&world)[0].clone();
    world.emulator.split(TABLE, &shard, 5).unwrap();
    world.write(20, 2).await;
    delivered(&world, Duration::from_secs(60), 40).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f21_shards_without_a_record_end_like_any_other() {
    let world = World::with(106, shards(3)).await;
    let worker = world.start_with("a", done).await;
    world.pass(Duration::from_secs(5)).await;
    for _ in 0..5 {
        world.emulator.roll_over_all(TABLE).unwrap();
    }
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    assert_eq!(world.ledger.ended().len(), 15);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l2_a_child_is_read_within_two_seconds_of_its_parents_end() {
    let world = World::with(107, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.pass(Duration::from_secs(10)).await;
    for round in 0..10 {
        world.emulator.roll_over_all(TABLE).unwrap();
        let from = world.emulator.now();
        world.write(4, round).await;
        delivered(&world, SOON, 4 * (round + 1)).await;
        let took = world.emulator.now() - from;
        // A second of idle polling before the end is noticed at all.
        assert!(took < Duration::from_secs(3), "{took:?}");
        world.pass(Duration::from_secs(7)).await;
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_finished_leases_are_forgotten_and_never_come_back() {
    let settings = EmulatorSettings {
        rollover_after: Some(Duration::from_secs(60)),
        rollover_spread: Duration::from_secs(20),
        retention: Duration::from_secs(360),
        ..shards(2)
    };
    let world = World::with(108, settings).await;
    let worker = world.start_with("a", done).await;
    let mut written = 0;
    // Four retentions: most of the shards that were are gone from the stream.
    for minute in 0..24 {
        world.write(4, minute).await;
        written += 4;
        world.pass(Duration::from_secs(60)).await;
    }
    delivered(&world, SOON, written).await;
    assert_once(&world);
    let leases = world.lease_rows();
    let leases = leases
        .iter()
        .filter(|row| row["entityType"]["S"] == "LEASE")
        .count();
    let listed = world.emulator.shards(TABLE).unwrap().len();
    assert!(leases <= listed + 4, "{leases} leases for {listed} shards");
    assert!(
        world.ledger.ended().len() > listed + 10,
        "the scene is too short"
    );
    assert_eq!(world.events.losses(), []);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l2_a_late_end_delays_a_child_by_little_more_than_its_own_lateness() {
    for lag in [5, 25, 60].map(Duration::from_secs) {
        let settings = EmulatorSettings {
            ending_visibility_lag: lag,
            child_visibility_lag: lag,
            ..shards(1)
        };
        let world = World::with(109, settings).await;
        let worker = world.start_with("a", done).await;
        world.write(4, 1).await;
        delivered(&world, lag + SOON, 4).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        let from = world.emulator.now();
        world.write(4, 2).await;
        delivered(&world, lag * 3, 8).await;
        let took = world.emulator.now() - from;
        assert!(took < lag + Duration::from_secs(4), "{took:?} for {lag:?}");
        assert_once(&world);
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn b5_children_that_are_listed_beside_an_open_parent_wait_for_its_end() {
    for lag in [1, 20, 90] {
        let settings = EmulatorSettings {
            ending_visibility_lag: Duration::from_secs(lag),
            ..shards(2)
        };
        let bound = Duration::from_secs(12 * (lag + 31));
        generations(110, settings, bound).await;
    }
}

#[tokio::test(start_paused = true)]
async fn b33_a_shard_that_has_ended_is_never_opened_again() {
    let world = World::with(118, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    let ended = open_shards(&world)[0].clone();
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(10, 2).await;
    delivered(&world, SOON, 20).await;
    let opened = Fault::new("GetShardIterator", Effect::internal_error());
    world
        .emulator
        .faults()
        .inject(opened.containing(ended).times(1));
    world.pass(Duration::from_secs(900)).await;
    worker.shutdown().await.unwrap();
    let worker = world.start_with("b", done).await;
    world.write(10, 3).await;
    delivered(&world, SOON, 30).await;
    assert_eq!(world.emulator.faults().pending(), 1, "it was opened again");
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b16_leases_that_an_operator_deleted_do_not_stop_the_cleaning() {
    let settings = EmulatorSettings {
        rollover_after: Some(Duration::from_secs(60)),
        rollover_spread: Duration::from_secs(20),
        retention: Duration::from_secs(360),
        ..shards(2)
    };
    let world = World::with(119, settings).await;
    let worker = world.start_with("a", done).await;
    for minute in 0..30 {
        world.write(4, minute).await;
        world.pass(Duration::from_secs(60)).await;
        if minute % 4 == 3 {
            // The oldest of those that have ended, which is about to be forgotten.
            let rows = world.lease_rows().into_iter();
            let mut ended: Vec<String> = rows
                .filter(|row| row["checkpoint"]["S"] == "SHARD_END")
                .map(|row| row["leaseKey"]["S"].as_str().unwrap().to_owned())
                .collect();
            ended.sort();
            world.delete_row(&ended[0]).await;
        }
    }
    delivered(&world, SOON, 120).await;
    let leases = world.lease_rows();
    let leases = leases
        .iter()
        .filter(|row| row["entityType"]["S"] == "LEASE")
        .count();
    let listed = world.emulator.shards(TABLE).unwrap().len();
    assert!(leases <= listed + 4, "{leases} leases for {listed} shards");
    assert_eq!(world.ledger.violations(), Vec::<String>::new());
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b9_a_child_is_not_read_beside_its_parent_however_slow_that_is() {
    let settings = EmulatorSettings {
        page_records: 2,
        ..shards(2)
    };
    let world = World::with(117, settings).await;
    for round in 1..=3 {
        world.write(10, round).await;
        world.emulator.roll_over_all(TABLE).unwrap();
    }
    let slow = |_: &_, _: &_| shardkeeper_tests::Act::Slow(Duration::from_secs(5));
    let worker = world.start_with("a", slow).await;
    delivered(&world, Duration::from_secs(300), 30).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

/// How long after its write the first record of a child is given out, when its parent rolls over at some moment between
/// two polls.
async fn first_of_a_child(seed: u64, moment: Duration) -> Duration {
    let world = World::with(seed, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(3, 1).await;
    delivered(&world, SOON, 3).await;
    // Some records, so the next poll comes soon.
    world.pass(moment).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    let written = world.emulator.now();
    world.write(1, 2).await;
    delivered(&world, SOON, 4).await;
    assert_once(&world);
    let dispatches = world.ledger.dispatches();
    let late = dispatches.last().unwrap().at - written;
    worker.shutdown().await.unwrap();
    late
}

#[tokio::test(start_paused = true)]
async fn l2_a_roll_over_makes_no_record_wait_longer_than_for_the_next_poll() {
    for step in 0..10_u64 {
        let late = first_of_a_child(1100 + step, Duration::from_millis(20 * step)).await;
        // Calls take no time here: 200 ms to the next poll of the parent, and the turn of a listing.
        assert!(
            late <= Duration::from_millis(210),
            "{late:?} at step {step}"
        );
    }
}
