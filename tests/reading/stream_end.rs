//! A stream that is read by its ARN ends, and its workers with it; one of a table never does.

use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::{
    Decision, ErrorKind, Event, Health, Outcome, Remedy, WorkerBuilder, WorkerHandle,
};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, Act, TABLE, World};

use super::{SOON, answer, assert_once, delivered, done, shards, tables};

/// Three listings, half a minute apart at most, and a look at the group.
const OVER: Duration = Duration::from_secs(120);
/// Far longer than that.
const QUIET: Duration = Duration::from_secs(400);
/// Until the service has forgotten the stream.
const LONG: Duration = Duration::from_secs(30 * 3600);

fn arn(world: &World) -> String {
    world.emulator.stream_arn(TABLE).unwrap()
}

fn pinned(world: &World, name: &str) -> WorkerBuilder {
    world.worker(name).stream_arn(arn(world))
}

fn is_over(worker: &WorkerHandle) -> bool {
    worker.health() == Health::Ended
}

/// All of these end by themselves within this time.
async fn end(world: &World, bound: Duration, fleet: &[WorkerHandle]) {
    world
        .until(bound, "over", |_| fleet.iter().all(is_over))
        .await;
    for worker in fleet {
        assert_eq!(worker.join().await.unwrap(), Outcome::StreamEnded);
    }
}

fn told(world: &World) -> (usize, usize) {
    let ended = |event: &Event| matches!(event, Event::StreamEnded { .. });
    let held_up = |event: &Event| matches!(event, Event::StreamHeldUp { stopped: 1, .. });
    (world.events.count(ended), world.events.count(held_up))
}

fn delete_table(world: &World) {
    let delete = json!({ "TableName": TABLE });
    world.emulator.request("DeleteTable", &delete).unwrap();
}

/// What `DescribeStream` answers now.
fn listing(world: &World) -> Value {
    let question = json!({ "StreamArn": arn(world) });
    world.emulator.request("DescribeStream", &question).unwrap()
}

#[tokio::test(start_paused = true)]
async fn f16_every_worker_of_a_stream_that_is_over_ends_and_so_does_one_that_is_started_again() {
    let world = World::with(401, shards(1)).await;
    let stream = arn(&world);
    let build = |name: &str| world.worker(name).stream_arn(&stream);
    let mut fleet = Vec::new();
    for name in ["a", "b", "c"] {
        fleet.push(world.spawn(build(name), done).await);
    }
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.pass(QUIET).await;
    assert!(!fleet.iter().any(is_over), "it is only quiet");
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(Duration::from_secs(1)).await;
    world.enable_stream().await;
    world.write(20, 2).await;
    end(&world, OVER, &fleet).await;
    assert_eq!(
        told(&world),
        (3, 0),
        "each said so, also those without a lease"
    );
    assert_eq!(
        world.ledger.distinct(),
        20,
        "the next stream is another one"
    );
    for pause in [Duration::ZERO, LONG] {
        world.pass(pause).await;
        let again = world.spawn(build("d"), done).await;
        end(&world, Duration::from_secs(1), &[again]).await;
    }
    assert_once(&world);
    assert_eq!(world.events.losses(), []);
}

#[tokio::test(start_paused = true)]
async fn f16_the_stream_of_a_deleted_table_is_read_to_its_end_first() {
    let world = World::with(402, shards(3)).await;
    let slow = |_: &_, _: &_| Act::Slow(Duration::from_secs(100));
    let worker = world.spawn(pinned(&world, "a"), slow).await;
    world.write(30, 1).await;
    world.pass(Duration::from_secs(1)).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(30, 2).await;
    delete_table(&world);
    world.pass(Duration::from_secs(180)).await;
    assert!(!is_over(&worker), "a batch is still out");
    end(&world, OVER * 2, &[worker]).await;
    assert_eq!(world.ledger.distinct(), 60);
    assert_once(&world);
}

#[tokio::test(start_paused = true)]
async fn f16_a_stream_that_is_gone_without_a_word_is_over_when_everything_was_read() {
    let world = World::with(403, shards(2)).await;
    let build = |name: &str| pinned(&world, name);
    let (first, second) = (build("a"), build("b"));
    let worker = world.spawn(first, done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world
        .until(OVER, "read", |world| world.ledger.ended().len() == 2)
        .await;
    // The end was not written down yet.
    worker.shutdown().await.unwrap();
    assert_eq!(told(&world), (0, 0));
    world.pass(LONG).await;
    let worker = world.spawn(second, done).await;
    end(&world, OVER, &[worker]).await;
    assert_eq!(world.events.losses(), []);
}

#[tokio::test(start_paused = true)]
async fn g9_a_discoverer_that_dies_in_the_middle_of_the_proof_is_replaced() {
    let world = World::with(404, shards(2)).await;
    let a = world.spawn(pinned(&world, "a"), done).await;
    world.pass(SOON).await;
    let b = world.spawn(pinned(&world, "b"), done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(Duration::from_secs(25)).await;
    assert!(!is_over(&a) && !is_over(&b));
    assert!(a.status().discoverer);
    a.abort();
    end(&world, OVER + SOON, &[b]).await;
    assert_once(&world);
}

#[tokio::test(start_paused = true)]
async fn s2_a_shard_that_stands_still_keeps_the_worker_until_somebody_decides() {
    let world = World::with(405, shards(2)).await;
    let stuck = world.emulator.shards(TABLE).unwrap()[0].id.clone();
    let stops = move |_: &_, cx: &shardkeeper::ShardContext| match cx.shard_id().as_str() == stuck {
        true => Act::Fail(Remedy::Stop),
        false => Act::Done,
    };
    let worker = world.spawn(pinned(&world, "a"), stops).await;
    world.write(20, 1).await;
    world.pass(SOON).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(QUIET).await;
    assert!(matches!(worker.health(), Health::Troubled(_)));
    assert_eq!(told(&world), (0, 1), "said once");
    worker.shutdown().await.unwrap();
    let worker = world.spawn(pinned(&world, "b"), done).await;
    world.pass(QUIET).await;
    assert!(!is_over(&worker));
    let rows = world.lease_rows();
    let stopped = rows.iter().find(|row| row.get("stoppedWhy").is_some());
    let key = stopped.unwrap()["leaseKey"]["S"].as_str().unwrap();
    world.remove_column(key, "stoppedWhy").await;
    world
        .edit_number("shardkeeper/group", "ADD changes :v", 1)
        .await;
    end(&world, OVER, &[worker]).await;
    assert_eq!(world.ledger.distinct(), 20);
    assert_eq!(world.ledger.violations(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn s2_a_stream_that_aged_away_unread_is_no_end_before_somebody_decides() {
    let world = World::with(406, shards(1)).await;
    let build = |name: &str| pinned(&world, name);
    let (first, second, third) = (build("a"), build("b"), build("c"));
    let worker = world.spawn(first, done).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    worker.shutdown().await.unwrap();
    world.write(10, 2).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(LONG).await;
    let worker = world.spawn(second, done).await;
    world.pass(QUIET).await;
    assert_eq!(world.events.losses().len(), 1);
    assert_eq!(told(&world), (0, 1));
    worker.shutdown().await.unwrap();
    let key = world.lease_rows().into_iter().find_map(|row| {
        row.get("stoppedWhy")?;
        row["leaseKey"]["S"].as_str().map(str::to_owned)
    });
    world.remove_column(&key.unwrap(), "stoppedWhy").await;
    let goes_on = third.on_data_loss(|_| Decision::GoOn);
    let worker = world.spawn(goes_on, done).await;
    end(&world, OVER, &[worker]).await;
}

/// Faults that make a living stream look as if it were over.
#[tokio::test(start_paused = true)]
async fn s1_answers_that_are_wrong_end_nothing_while_a_shard_may_be_read() {
    let gone = || Effect::error(400, "ResourceNotFoundException");
    let world = World::with(407, shards(2)).await;
    let worker = world.spawn(pinned(&world, "a"), done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    let mut off = listing(&world);
    off["StreamDescription"]["StreamStatus"] = json!("DISABLED");
    off["StreamDescription"]["Shards"] = json!([]);
    for fault in [gone(), answer(&off)] {
        let fault = Fault::new("DescribeStream", fault);
        world.emulator.faults().inject(fault);
        world.pass(QUIET / 2).await;
        world.emulator.faults().clear();
        world.pass(Duration::from_secs(60)).await;
    }
    assert!(!is_over(&worker));
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(20, 2).await;
    delivered(&world, Duration::from_secs(60), 40).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_a_child_that_is_listed_late_is_read_before_the_end() {
    let settings = shardkeeper_testkit::emulator::EmulatorSettings {
        child_visibility_lag: Duration::from_secs(30),
        ..shards(2)
    };
    let world = World::with(408, settings).await;
    let worker = world.spawn(pinned(&world, "a"), done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(20, 2).await;
    world.emulator.disable_stream(TABLE).unwrap();
    end(&world, OVER * 2, &[worker]).await;
    assert_eq!(world.ledger.distinct(), 40);
    assert_once(&world);
}

#[tokio::test(start_paused = true)]
async fn s12_the_end_is_written_though_answers_are_lost() {
    for operation in ["UpdateItem", "Scan", "BatchGetItem", "DescribeStream"] {
        let world = World::with(409, shards(2)).await;
        let fleet = [
            world.spawn(pinned(&world, "a"), done).await,
            world.spawn(pinned(&world, "b"), done).await,
        ];
        world.write(20, 1).await;
        delivered(&world, SOON, 20).await;
        for skipped in [3, 6, 9, 12, 15, 18] {
            let lost = Fault::new(operation, Effect::AppliedButDropped);
            world.emulator.faults().inject(lost.skip(skipped).times(1));
        }
        world.emulator.disable_stream(TABLE).unwrap();
        end(&world, OVER * 3, &fleet).await;
        assert_once(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn f16_a_stream_that_is_over_before_the_first_start_is_read_and_one_that_is_unknown_refused()
{
    let world = World::with(410, shards(2)).await;
    let (first, stranger) = (pinned(&world, "a"), pinned(&world, "b"));
    world.write(20, 1).await;
    world.emulator.disable_stream(TABLE).unwrap();
    let worker = world.spawn(first, done).await;
    end(&world, OVER, &[worker]).await;
    assert_eq!(world.ledger.distinct(), 20);
    world.pass(LONG).await;
    let refused = stranger.lease_table("another").build().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(
        world
            .lease_rows()
            .iter()
            .any(|row| row["application"]["S"] == APPLICATION)
    );
}

#[tokio::test(start_paused = true)]
async fn f16_a_table_whose_stream_is_over_is_waited_for() {
    let world = World::with(411, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(QUIET).await;
    assert!(!is_over(&worker));
    world.enable_stream().await;
    world.write(20, 2).await;
    delivered(&world, OVER, 40).await;
    assert_eq!(told(&world), (0, 0));
    assert_eq!(worker.shutdown().await.unwrap(), Outcome::Left);
}

/// An application that followed its table is told to read one of its streams.
#[tokio::test(start_paused = true)]
async fn s13_leases_of_the_tables_other_streams_are_left_alone() {
    let world = World::with(412, shards(2)).await;
    let old = pinned(&world, "old");
    let worker = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(Duration::from_secs(1)).await;
    world.enable_stream().await;
    world.write(20, 2).await;
    delivered(&world, OVER, 40).await;
    let new = pinned(&world, "new");
    worker.shutdown().await.unwrap();
    world.write(20, 3).await;
    let worker = world.spawn(old, done).await;
    end(&world, OVER, &[worker]).await;
    assert_eq!(
        world.ledger.distinct(),
        40,
        "the newer stream is not its own"
    );
    let worker = world.spawn(new, done).await;
    delivered(&world, SOON, 60).await;
    world.pass(QUIET).await;
    assert!(!is_over(&worker));
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f16_several_streams_are_over_when_all_of_them_are() {
    let world = World::with(413, shards(2)).await;
    tables::create(&world);
    let other = world.emulator.stream_arn(tables::OTHER).unwrap();
    let arns = [arn(&world), other];
    let build = |name: &str| world.worker(name).stream_arns(&arns);
    let mut fleet = vec![world.spawn(build("a"), done).await];
    fleet.push(world.spawn(build("b"), done).await);
    world.write(20, 1).await;
    tables::write(&world, 20, 1);
    delivered(&world, SOON, 40).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(QUIET).await;
    assert!(!fleet.iter().any(is_over));
    tables::write(&world, 20, 2);
    delivered(&world, SOON, 60).await;
    tables::switch(&world, false);
    end(&world, OVER, &fleet).await;
    assert_eq!(told(&world), (4, 0), "each worker of each stream");
    world.pass(LONG).await;
    let again = world.spawn(build("c"), done).await;
    end(&world, Duration::from_secs(1), &[again]).await;
    assert_once(&world);
}

#[tokio::test(start_paused = true)]
async fn two_streams_of_one_table_are_refused() {
    let world = World::with(414, shards(1)).await;
    let old = arn(&world);
    world.emulator.disable_stream(TABLE).unwrap();
    world.enable_stream().await;
    let both = world.worker("a").stream_arns([old, arn(&world)]);
    let error = both.build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("named twice"), "{error}");
}
