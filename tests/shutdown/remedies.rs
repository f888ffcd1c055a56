//! What a processor wants done about its failures.

use std::time::Duration;

use shardkeeper::{Batch, Event, Health, Remedy};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_tests::{Act, TABLE, World};

use super::{SOON, assert_in_order, delivered, done, shards};

fn has(batch: &Batch, key: &str) -> bool {
    batch
        .iter()
        .any(|record| record.keys_json().contains(&format!("\"{key}\"")))
}

#[tokio::test(start_paused = true)]
async fn g5_a_batch_that_fails_is_delivered_again_with_growing_pauses_and_never_skipped() {
    let world = World::with(251, shards(1)).await;
    world.write(5, 1).await;
    let started = world.emulator.now();
    let healed = started + Duration::from_secs(300);
    let clock = world.emulator.clone();
    let worker = world
        .start_with("a", move |_, _| {
            if clock.now() < healed {
                Act::Fail(Remedy::Retry)
            } else {
                Act::Done
            }
        })
        .await;
    world
        .until(Duration::from_secs(400), "done", |w| {
            w.ledger
                .dispatches()
                .iter()
                .any(|call| matches!(call.act, Act::Done))
        })
        .await;
    let calls = world.ledger.dispatches();
    assert!(
        calls.iter().all(|call| call.records.len() == 5),
        "always the whole batch"
    );
    assert!(
        calls.len() > 15 && calls.len() < 60,
        "{} attempts in 300 s",
        calls.len()
    );
    let pauses: Vec<_> = calls
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    assert!(
        pauses.iter().all(|pause| *pause <= Duration::from_secs(21)),
        "{pauses:?}"
    );
    assert!(pauses[0] < Duration::from_millis(100), "{pauses:?}");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g5_retry_after_waits_exactly_as_long_as_was_asked() {
    for wait in [
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_secs(7),
    ] {
        let world = World::with(252, shards(1)).await;
        world.write(5, 1).await;
        let ledger = world.ledger.clone();
        let worker = world
            .start_with("a", move |_, _| {
                if ledger.dispatches().len() < 4 {
                    Act::Fail(Remedy::RetryAfter(wait))
                } else {
                    Act::Done
                }
            })
            .await;
        world
            .until(SOON * 2, "done", |w| w.ledger.dispatches().len() == 5)
            .await;
        let calls = world.ledger.dispatches();
        for pair in calls.windows(2) {
            let paused = pair[1].at - pair[0].at;
            assert!(
                paused >= wait && paused <= wait + Duration::from_millis(5),
                "{paused:?}"
            );
        }
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g5_retry_after_for_ever_is_for_ever_and_nothing_breaks() {
    let world = World::with(253, shards(2)).await;
    world.write(20, 1).await;
    let worker = world
        .start_with("a", |batch, _| {
            if has(batch, "order-3") {
                Act::Fail(Remedy::RetryAfter(Duration::MAX))
            } else {
                Act::Done
            }
        })
        .await;
    world.pass(Duration::from_secs(100)).await;
    world.write(20, 2).await;
    world.pass(SOON).await;
    assert_eq!(world.ledger.times("order-3"), 1, "it waits");
    let failed = world
        .ledger
        .dispatches()
        .iter()
        .filter(|call| matches!(call.act, Act::Fail(_)))
        .count();
    assert_eq!(failed, 1);
    assert!(world.ledger.distinct() >= 20, "the other shard goes on");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g5_skip_skips_exactly_the_bad_record_and_says_so() {
    for bad in ["order-0", "order-7", "order-19"] {
        let world = World::with(254, shards(1)).await;
        world.write(20, 1).await;
        let worker = world
            .start_with("a", move |batch, _| {
                if has(batch, bad) {
                    Act::Fail(Remedy::Skip)
                } else {
                    Act::Done
                }
            })
            .await;
        let acknowledged = |w: &World| {
            let calls = w.ledger.dispatches();
            calls
                .iter()
                .filter(|call| matches!(call.act, Act::Done))
                .map(|call| call.records.len())
                .sum::<usize>()
        };
        world
            .until(SOON, "the good ones are done", |w| acknowledged(w) == 19)
            .await;
        world.pass(SOON).await;
        assert_eq!(acknowledged(&world), 19, "each good one once");
        assert_eq!(
            world
                .events
                .count(|event| matches!(event, Event::RecordSkipped { .. })),
            1
        );
        assert!(
            world.ledger.dispatches().len() < 12,
            "bisection, not a walk"
        );
        worker.shutdown().await.unwrap();

        let next = world.start_with("b", done).await;
        world.write(1, 2).await;
        delivered(&world, SOON, 21).await;
        assert!(
            world.ledger.times(bad) < 8,
            "it does not come back after the skip was stored"
        );
        next.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g5_stop_is_durable_other_shards_go_on_and_health_says_so() {
    let world = World::with(255, shards(4)).await;
    world.write(40, 1).await;
    let worker = world
        .start_with("a", |batch, _| {
            if has(batch, "order-3") {
                Act::Fail(Remedy::Stop)
            } else {
                Act::Done
            }
        })
        .await;
    let stops = |w: &World| {
        w.events
            .count(|event| matches!(event, Event::ShardStopped { .. }))
    };
    world.until(SOON, "stopped", |w| stops(w) == 1).await;
    delivered(&world, SOON, 40).await;
    assert!(matches!(worker.health(), Health::Troubled(_)));
    worker.shutdown().await.unwrap();
    let before = world.ledger.dispatches().len();
    let next = world.start_with("b", done).await;
    world.write(40, 2).await;
    world.pass(SOON * 3).await;
    let stopped = world
        .ledger
        .dispatches()
        .iter()
        .find(|call| matches!(call.act, Act::Fail(_)))
        .unwrap()
        .shard
        .clone();
    let later = world.ledger.dispatches().split_off(before);
    assert!(!later.is_empty() && later.iter().all(|call| call.shard != stopped));
    assert_eq!(
        world.ledger.times("order-3"),
        1,
        "it was given out once, and never again"
    );
    assert_in_order(&world);
    next.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g5_a_stop_stands_though_the_shard_was_about_to_move() {
    // The stop is said while the worker leaves: the batch was in hand when it was asked to.
    let world = World::with(256, shards(1)).await;
    world.write(3, 1).await;
    let clock = world.emulator.clone();
    let from = world.emulator.now();
    let worker = world
        .start_with("a", move |_, _| {
            if clock.now() < from + Duration::from_millis(2_500) {
                Act::Fail(Remedy::RetryAfter(Duration::from_secs(1)))
            } else {
                Act::Fail(Remedy::Stop)
            }
        })
        .await;
    world.pass(Duration::from_millis(2_700)).await;
    worker.shutdown().await.unwrap();
    let next = world.start_with("b", done).await;
    world.pass(SOON).await;
    let stopped = world
        .lease_rows()
        .iter()
        .filter(|row| row.get("stoppedWhy").is_some())
        .count();
    let done = world
        .ledger
        .dispatches()
        .iter()
        .filter(|call| matches!(call.act, Act::Done))
        .count();
    assert_eq!(
        stopped + done,
        1,
        "stopped for good, or handed over before it was said"
    );
    next.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g4_through_acknowledges_a_part_and_the_rest_comes_again() {
    let settings = EmulatorSettings {
        page_records: 10,
        ..shards(1)
    };
    let world = World::with(257, settings).await;
    world.write(30, 1).await;
    let worker = world.start_with("a", |_, _| Act::Through(3)).await;
    delivered(&world, SOON, 30).await;
    world.pass(Duration::from_secs(3)).await;
    // Ten, seven, four, one; three times.
    let sizes: Vec<usize> = world
        .ledger
        .dispatches()
        .iter()
        .map(|call| call.records.len())
        .collect();
    assert_eq!(sizes, [10, 7, 4, 1].repeat(3));
    worker.abort();
    let next = world.start_with("b", done).await;
    world.write(1, 2).await;
    delivered(&world, SOON * 2, 31).await;
    let last = world.ledger.dispatches().pop().unwrap();
    assert_eq!(last.records.len(), 1, "everything before it was stored");
    next.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s7_a_crash_between_two_parts_of_a_batch_repeats_only_what_was_not_acknowledged() {
    let world = World::with(258, shards(1)).await;
    world.write(10, 1).await;
    let ledger = world.ledger.clone();
    let worker = world
        .start_with("a", move |_, _| {
            if ledger.dispatches().is_empty() {
                Act::Through(4)
            } else {
                Act::Hang
            }
        })
        .await;
    world
        .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 2)
        .await;
    world.pass(Duration::from_secs(3)).await;
    worker.abort();
    let next = world.start_with("b", done).await;
    world
        .until(SOON, "done", |w| w.ledger.dispatches().len() == 3)
        .await;
    assert_eq!(world.ledger.dispatches()[2].records.len(), 6);
    next.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s15_b30_a_slow_or_failing_shard_never_holds_up_another() {
    let world = World::with(259, shards(4)).await;
    let worker = world
        .start_with("a", |batch, _| match () {
            () if has(batch, "order-1") => Act::Hang,
            () if has(batch, "order-2") => Act::Fail(Remedy::Retry),
            () => Act::Done,
        })
        .await;
    for round in 0..20 {
        world.write(40, round).await;
        world.pass(Duration::from_secs(1)).await;
    }
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(40, 20).await;
    world.pass(SOON).await;
    let done = world.ledger.dispatches();
    let done: std::collections::BTreeSet<_> = done
        .iter()
        .filter(|call| call.returned.is_some() && matches!(call.act, Act::Done))
        .map(|call| call.shard.clone())
        .collect();
    assert!(
        done.len() >= 4,
        "two shards and their children at least: {done:?}"
    );
    worker.abort();
}
