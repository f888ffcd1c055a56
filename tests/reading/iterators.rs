//! Iterators that do not last.

use std::time::Duration;

use shardkeeper::Event;
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{Act, World};

use super::{SOON, assert_once, delivered, done, shards};

#[tokio::test(start_paused = true)]
async fn g1_f30_f41_b21_an_expired_iterator_is_opened_again_after_the_last_delivered_record() {
    let world = World::with(51, shards(2)).await;
    let worker = world.start_with("a", done).await;
    for round in 1..=10 {
        world.write(10, round).await;
        delivered(&world, SOON, 10 * round).await;
        world.emulator.expire_iterators();
        world.pass(Duration::from_millis(300)).await;
        world.emulator.expire_iterators();
    }
    assert_once(&world);
    assert!(
        world
            .events
            .count(|event| matches!(event, Event::IteratorExpired { .. }))
            >= 10
    );
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s3_a_processor_slower_than_the_iterators_life_misses_and_repeats_nothing() {
    let settings = EmulatorSettings {
        iterator_lifetime: Duration::from_secs(2),
        page_records: 5,
        ..shards(1)
    };
    let world = World::with(52, settings).await;
    world.write(60, 1).await;
    let worker = world
        .start_with("a", |_, _| Act::Slow(Duration::from_secs(7)))
        .await;
    delivered(&world, Duration::from_secs(200), 60).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s3_reading_goes_on_where_it_was_after_every_failure_that_may_pass() {
    for (seed, effect) in [
        (1, Effect::throttle()),
        (2, Effect::too_many_readers()),
        (
            3,
            Effect::error(400, "ProvisionedThroughputExceededException"),
        ),
        (4, Effect::error(400, "RequestLimitExceeded")),
        (5, Effect::internal_error()),
        (6, Effect::error(503, "ServiceUnavailable")),
        (7, Effect::expired_iterator()),
        (8, Effect::access_denied()),
        (9, Effect::error(400, "ExpiredTokenException")),
        (10, Effect::Dropped),
        (11, Effect::AppliedButDropped),
        (12, Effect::Hangs),
        (13, Effect::AppliedButHangs),
        (14, Effect::error(400, "ResourceNotFoundException")),
        (15, Effect::error(400, "SomethingNewException")),
    ] {
        let settings = EmulatorSettings {
            page_records: 4,
            ..shards(1)
        };
        let world = World::with(520 + seed, settings).await;
        let worker = world.start_with("a", done).await;
        let mut written = 0;
        for round in 0..6 {
            for operation in ["GetRecords", "GetShardIterator"] {
                let fault = Fault::new(operation, effect.clone());
                world
                    .emulator
                    .faults()
                    .inject(fault.skip(round % 3).times(1 + round % 2));
            }
            world.write(9, round as usize).await;
            written += 9;
            world.pass(Duration::from_millis(900)).await;
            // What is left of them would meet in the next round and look like a shard that is gone.
            world.emulator.faults().clear();
        }
        delivered(&world, Duration::from_secs(120), written).await;
        assert_once(&world);
        assert_eq!(world.events.losses(), [], "{effect:?}");
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn l9_calls_stay_bounded_while_every_read_is_refused() {
    for (seed, effect) in [
        (1, Effect::throttle()),
        (2, Effect::access_denied()),
        (3, Effect::internal_error()),
        (4, Effect::empty_object()),
        (5, Effect::expired_iterator()),
    ] {
        let world = World::with(540 + seed, shards(4)).await;
        let worker = world.start_with("a", done).await;
        world.pass(SOON).await;
        world
            .emulator
            .faults()
            .inject(Fault::new("GetRecords", effect.clone()));
        world.write(8, 1).await;
        world.pass(Duration::from_secs(300)).await;
        let opened = world
            .emulator
            .calls()
            .get("GetShardIterator")
            .copied()
            .unwrap_or(0);
        // Four shards and a call in at most ten seconds each, when it has failed for a while.
        assert!(
            opened < 400,
            "{opened} iterators were opened in five minutes, {effect:?}"
        );
        assert!(
            world.events.count(|event| matches!(
                event,
                Event::CallFailed { .. } | Event::IteratorExpired { .. }
            )) < 600
        );
        world.emulator.faults().clear();
        delivered(&world, Duration::from_secs(60), 8).await;
        assert_once(&world);
        worker.shutdown().await.unwrap();
    }
}
