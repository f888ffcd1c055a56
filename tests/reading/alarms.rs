//! What a worker says before records are lost, and when somebody else reads its stream.

use std::time::Duration;

use shardkeeper::{Event, Remedy};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{Act, World};

use super::{SOON, assert_once, delivered, done, shards};

const HOUR: Duration = Duration::from_secs(3600);

/// For how long too many readers were told of, each time.
fn crowded(world: &World) -> Vec<Duration> {
    let events = world.events.all().into_iter();
    let lasted = events.filter_map(|(_, event)| match event {
        Event::TooManyReaders { lasted, .. } => Some(lasted),
        _ => None,
    });
    lasted.collect()
}

/// What was left of the retention, each time it was told.
fn short(world: &World) -> Vec<Duration> {
    let events = world.events.all().into_iter();
    let headroom = events.filter_map(|(_, event)| match event {
        Event::RetentionShort { headroom, .. } => Some(headroom),
        _ => None,
    });
    headroom.collect()
}

#[tokio::test(start_paused = true)]
async fn f40_a_third_reader_that_stays_is_told_after_a_minute_and_costs_only_pace() {
    let world = World::with(931, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(5, 1).await;
    delivered(&world, SOON, 5).await;
    // Half a minute is a hand-off.
    let refused = || Fault::new("GetRecords", Effect::too_many_readers()).times(u64::MAX);
    world.emulator.faults().inject(refused());
    world.pass(Duration::from_secs(30)).await;
    world.emulator.faults().clear();
    world.pass(Duration::from_secs(70)).await;
    assert!(crowded(&world).is_empty());
    let calls = || world.emulator.calls()["GetRecords"];
    let before = calls();
    world.emulator.faults().inject(refused());
    world.pass(Duration::from_secs(600)).await;
    let told = crowded(&world);
    assert!((1..=4).contains(&told.len()), "{told:?}");
    assert!(told[0] >= Duration::from_secs(60) && told[0] < Duration::from_secs(120));
    assert!(calls() - before <= 600, "at most a call a second");
    world.emulator.faults().clear();
    world.write(5, 2).await;
    delivered(&world, Duration::from_secs(40), 10).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_records_that_will_be_gone_are_told_of_before_they_are() {
    let world = World::with(932, shards(2)).await;
    world.write(20, 1).await;
    world.pass(HOUR * 13).await;
    let worker = world
        .start_with("a", |_, _| {
            Act::Fail(Remedy::RetryAfter(Duration::from_secs(30)))
        })
        .await;
    world.pass(Duration::from_secs(200)).await;
    let told = short(&world);
    assert_eq!(told.len(), 2, "once for each shard: {told:?}");
    for headroom in told {
        assert!(headroom < HOUR * 11 && headroom > HOUR * 10, "{headroom:?}");
    }
    assert_eq!(world.events.losses(), [], "nothing is lost yet");
    let status = worker.status();
    let headroom = status.shards[0].retention_headroom().expect("known");
    assert!(headroom < HOUR * 11, "{headroom:?}");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_backlog_that_is_worked_off_is_no_alarm_however_old_it_is() {
    let settings = shardkeeper_testkit::emulator::EmulatorSettings {
        page_records: 2,
        ..shards(1)
    };
    let world = World::with(933, settings).await;
    for round in 0..30 {
        world.write(2, round).await;
        world.pass(HOUR / 4).await;
    }
    world.pass(HOUR * 12).await;
    let worker = world
        .start_with("a", |_, _| Act::Slow(Duration::from_secs(45)))
        .await;
    delivered(&world, HOUR, 60).await;
    assert!(short(&world).is_empty());
    assert_once(&world);
    worker.shutdown().await.unwrap();
}
