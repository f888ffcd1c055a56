//! Streams of one table that follow each other faster than they are read: none is missed.

use std::time::Duration;

use shardkeeper::{Event, StartPosition};
use shardkeeper_core::ports::FailureKind;
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{Act, TABLE, World};

use super::streams::followed;
use super::{SOON, answer, assert_once, delivered, done, shards};

/// Writes thirty items, and switches the stream off and on: another one begins.
async fn generation(world: &World, value: usize) -> String {
    world.write(30, value).await;
    let written = world.emulator.stream_arn(TABLE).unwrap();
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(Duration::from_secs(1)).await;
    world.enable_stream().await;
    written
}

fn calls(world: &World, operation: &str) -> u64 {
    world.emulator.calls().get(operation).copied().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn s1_f52_a_stream_that_comes_and_goes_while_an_older_one_is_drained_is_read() {
    let settings = EmulatorSettings {
        page_records: 2,
        list_page_streams: 1,
        ..shards(2)
    };
    let world = World::with(161, settings).await;
    let slow = |_: &_, _: &_| Act::Slow(Duration::from_secs(1));
    let worker = world.start_with("a", slow).await;
    let mut streams = Vec::new();
    for value in 1..=4 {
        streams.push(generation(&world, value).await);
    }
    world.write(30, 5).await;
    streams.push(world.emulator.stream_arn(TABLE).unwrap());
    delivered(&world, Duration::from_secs(600), 150).await;
    assert_once(&world);
    assert_eq!(followed(&world), streams);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_f52_a_stream_that_comes_and_goes_while_no_worker_runs_is_read() {
    let world = World::with(162, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(30, 1).await;
    delivered(&world, SOON, 30).await;
    worker.shutdown().await.unwrap();
    for value in 2..=4 {
        generation(&world, value).await;
    }
    world.write(30, 5).await;
    let fleet = [
        world.start_with("b", done).await,
        world.start_with("c", done).await,
    ];
    delivered(&world, Duration::from_secs(300), 150).await;
    assert_once(&world);
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn s1_an_application_begins_with_the_oldest_stream_that_is_kept() {
    let world = World::with(163, shards(2)).await;
    generation(&world, 1).await;
    generation(&world, 2).await;
    world.write(30, 3).await;
    let worker = world.start_with("a", done).await;
    delivered(&world, Duration::from_secs(180), 90).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rule_15_latest_means_one_moment_for_every_stream_of_the_table() {
    let world = World::with(164, shards(2)).await;
    generation(&world, 1).await;
    generation(&world, 2).await;
    world.write(30, 3).await;
    world.pass(Duration::from_secs(90)).await;
    let latest = world.worker("a").start(StartPosition::Latest);
    let worker = world.spawn(latest, done).await;
    world.pass(Duration::from_secs(1)).await;
    // What comes from now on counts, though an older stream may be looked at first.
    generation(&world, 4).await;
    world.write(30, 5).await;
    delivered(&world, Duration::from_secs(300), 60).await;
    world.pass(SOON * 3).await;
    assert_eq!(world.ledger.distinct(), 60);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s6_a_stream_that_was_over_before_the_application_began_is_not_taken_up_later() {
    let world = World::with(165, shards(2)).await;
    let denied = Fault::new("ListStreams", Effect::error(400, "AccessDeniedException"));
    generation(&world, 1).await;
    world.emulator.faults().inject(denied);
    world.write(30, 2).await;
    let worker = world.start_with("a", done).await;
    delivered(&world, SOON, 30).await;
    world.emulator.faults().clear();
    world.write(30, 3).await;
    world.pass(Duration::from_secs(300)).await;
    assert_eq!(calls(&world, "ListStreams"), 1, "asked again, and answered");
    assert_eq!(world.ledger.distinct(), 60, "not the thirty of before");
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f51_without_the_permission_to_list_streams_the_latest_one_is_read_and_it_is_said_once() {
    let world = World::with(166, shards(2)).await;
    let denied = Fault::new("ListStreams", Effect::error(400, "AccessDeniedException"));
    world.emulator.faults().inject(denied);
    let worker = world.start_with("a", done).await;
    generation(&world, 1).await;
    delivered(&world, SOON, 30).await;
    world.write(30, 2).await;
    delivered(&world, Duration::from_secs(180), 60).await;
    world.pass(Duration::from_secs(600)).await;
    let said: Vec<String> = world
        .events
        .all()
        .into_iter()
        .filter_map(|(_, event)| match event {
            Event::CallFailed {
                action: "ListStreams",
                kind: FailureKind::Denied,
                message,
            } => Some(message),
            _ => None,
        })
        .collect();
    assert!(
        matches!(said.as_slice(), [why] if why.contains("only the latest stream")),
        "{said:?}"
    );
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f51_nothing_is_begun_while_the_list_of_streams_cannot_be_had() {
    let world = World::with(167, shards(2)).await;
    generation(&world, 1).await;
    world.write(30, 2).await;
    let throttled = Fault::new("ListStreams", Effect::throttle());
    world.emulator.faults().inject(throttled);
    let worker = world.start_with("a", done).await;
    world.pass(Duration::from_secs(120)).await;
    assert_eq!(world.ledger.distinct(), 0, "the older stream comes first");
    world.emulator.faults().clear();
    delivered(&world, Duration::from_secs(180), 60).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f51_a_list_of_streams_that_does_not_go_on_is_taken_for_its_end() {
    let world = World::with(168, shards(2)).await;
    let stream = world.emulator.stream_arn(TABLE).unwrap();
    let page = serde_json::json!({
        "Streams": [{ "StreamArn": stream, "TableName": TABLE }],
        "LastEvaluatedStreamArn": stream,
    });
    let stuck = Fault::new("ListStreams", answer(&page));
    world.emulator.faults().inject(stuck);
    let worker = world.start_with("a", done).await;
    world.write(30, 1).await;
    delivered(&world, SOON, 30).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l7_f51_streams_are_listed_when_they_change_and_not_in_every_round() {
    let world = World::with(169, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(calls(&world, "ListStreams"), 1, "at the start");
    generation(&world, 1).await;
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(calls(&world, "ListStreams"), 2, "for the new stream");
    worker.shutdown().await.unwrap();
}
