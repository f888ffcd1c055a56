//! Where an application begins.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use shardkeeper::{Env, Event, StartPosition, Timestamp, Worker};
use shardkeeper_testkit::memory::{ItemChange, MemoryLeases, MemoryStreams};
use shardkeeper_testkit::processor::Recorder;
use shardkeeper_tests::{TABLE, World};

use super::{SOON, assert_once, delivered, done, first_page, open_shards, shards};

#[tokio::test(start_paused = true)]
async fn rule_15_latest_leaves_out_what_was_written_before_the_first_start() {
    let world = World::with(121, shards(3)).await;
    world.write(20, 1).await;
    world.pass(Duration::from_secs(90)).await;
    let worker = world
        .spawn(world.worker("a").start(StartPosition::Latest), done)
        .await;
    world.pass(SOON).await;
    assert_eq!(world.ledger.distinct(), 0);
    world.write(20, 2).await;
    delivered(&world, SOON, 20).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_b11_latest_means_the_first_start_though_the_first_worker_dies_before_the_first_record()
{
    for moment in [0, 1, 500, 2_500, 30_000] {
        let world = World::with(122, shards(3)).await;
        world.write(20, 1).await;
        world.pass(Duration::from_secs(90)).await;
        let worker = world
            .spawn(world.worker("a").start(StartPosition::Latest), done)
            .await;
        world.pass(Duration::from_millis(moment)).await;
        worker.abort();
        world.pass(Duration::from_secs(1)).await;
        world.write(20, 2).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(20, 3).await;
        world.pass(Duration::from_secs(3600)).await;
        let second = world
            .spawn(world.worker("b").start(StartPosition::Latest), done)
            .await;
        if moment == 0 {
            // It had not even marked the table, so the second start is the first.
            world.pass(SOON).await;
            assert!([0, 40].contains(&world.ledger.distinct()));
        } else {
            delivered(&world, SOON * 2, 40).await;
        }
        assert_once(&world);
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn rule_15_a_start_time_leaves_out_what_is_older() {
    let world = World::with(123, shards(3)).await;
    world.write(20, 1).await;
    world.pass(Duration::from_secs(90)).await;
    let from = u64::try_from(world.emulator.now().as_millis()).unwrap();
    world.write(20, 2).await;
    world.pass(Duration::from_secs(90)).await;
    let at = StartPosition::At(Timestamp::from_millis(from));
    let worker = world.spawn(world.worker("a").start(at), done).await;
    delivered(&world, SOON, 20).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(20, 3).await;
    delivered(&world, SOON, 40).await;
    world.pass(SOON).await;
    assert_eq!(world.ledger.distinct(), 40);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_a_start_time_in_the_future_loses_nothing_that_comes_after_it() {
    let world = World::with(124, shards(2)).await;
    let from = world.emulator.now() + Duration::from_secs(100);
    let at = StartPosition::At(Timestamp::from_millis(
        u64::try_from(from.as_millis()).unwrap(),
    ));
    let worker = world.spawn(world.worker("a").start(at), done).await;
    world.write(10, 1).await;
    world.pass(Duration::from_secs(101)).await;
    world.write(10, 2).await;
    world
        .until(SOON * 2, "delivered", |w| w.ledger.distinct() >= 10)
        .await;
    world.pass(SOON).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rule_15_the_start_position_of_a_later_worker_changes_nothing() {
    let world = World::with(125, shards(2)).await;
    world.write(20, 1).await;
    let worker = world.start_with("a", done).await;
    delivered(&world, SOON, 20).await;
    worker.shutdown().await.unwrap();
    world.write(20, 2).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(20, 3).await;
    world.pass(Duration::from_secs(120)).await;
    let worker = world
        .spawn(world.worker("b").start(StartPosition::Latest), done)
        .await;
    delivered(&world, SOON, 60).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_where_the_server_knows_no_times_everything_since_the_start_is_read() {
    use shardkeeper_testkit::faults::{Effect, Fault};
    let world = World::with(126, shards(2)).await;
    world.write(20, 1).await;
    world.pass(Duration::from_secs(300)).await;
    let refused = Fault::new(
        "GetShardIterator",
        Effect::error(400, "ValidationException"),
    );
    world
        .emulator
        .faults()
        .inject(refused.containing("AT_TIMESTAMP"));
    let worker = world
        .spawn(world.worker("a").start(StartPosition::Latest), done)
        .await;
    world.pass(Duration::from_secs(5)).await;
    world.write(20, 2).await;
    delivered(&world, SOON, 20).await;
    world.emulator.expire_iterators();
    world.write(20, 3).await;
    delivered(&world, SOON, 40).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

fn ignored(world: &World) -> Vec<String> {
    let said = world.events.all().into_iter();
    said.filter_map(|(_, event)| match event {
        Event::StartIgnored { why } => Some(why),
        _ => None,
    })
    .collect()
}

/// Log lines.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Printed {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn rule_15_a_start_position_that_is_ignored_is_said_once() {
    let world = World::with(127, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    worker.shutdown().await.unwrap();
    assert_eq!(ignored(&world), [""; 0]);
    let printed = Printed::default();
    let pen = printed.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || pen.clone());
    let listening = tracing::subscriber::set_default(subscriber.with_ansi(false).finish());
    let latest = world.worker("b").start(StartPosition::Latest);
    let worker = world.spawn(latest, done).await;
    world.pass(Duration::from_secs(180)).await;
    drop(listening);
    let said = ignored(&world);
    assert!(
        matches!(said.as_slice(), [why] if why.contains("checkpoints") && why.contains(TABLE)),
        "{said:?}"
    );
    let printed = String::from_utf8(std::mem::take(&mut *printed.0.lock().unwrap())).unwrap();
    let lines = printed.lines();
    let lines: Vec<&str> = lines
        .filter(|line| line.contains("start position"))
        .collect();
    assert!(
        matches!(lines.as_slice(), [line] if line.contains("WARN") && line.contains(&said[0])),
        "{lines:?}"
    );
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rule_15_latest_without_a_clock_of_the_service_loses_nothing_and_says_so() {
    let streams = MemoryStreams::new("orders");
    let shard = streams.add_shard("shard-1", None);
    for n in 0..10 {
        let key = json!({ "id": { "S": n.to_string() } });
        let change = ItemChange::insert(key.clone(), key);
        streams.push(&shard, &change).unwrap();
    }
    let (recorder, said) = (Recorder::default(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&said);
    let worker = Worker::builder("test")
        .table("orders")
        .start(StartPosition::Latest)
        .ports(Arc::new(streams.clone()), Arc::new(MemoryLeases::new()))
        .env(Env::simulated(128))
        .observer(move |event: &Event| {
            if let Event::StartIgnored { why } = event {
                heard.lock().unwrap().push(why.clone());
            }
        });
    let worker = worker.build().await.unwrap().spawn(recorder.factory());
    let world = World::new(128).await;
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(recorder.distinct(), 10, "rather everything than a gap");
    assert!(
        matches!(said.lock().unwrap().as_slice(), [why] if why.contains("clock")),
        "{said:?}"
    );
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b22_a_latest_position_that_expires_unread_loses_nothing() {
    let world = World::with(129, shards(2)).await;
    world.write(10, 1).await;
    world.pass(Duration::from_secs(90)).await;
    let latest = world.worker("a").start(StartPosition::Latest);
    let worker = world.spawn(latest, done).await;
    world.pass(SOON).await;
    for round in 2..=4 {
        // Written while nothing of the shard was read yet, and the iterator is good no more.
        world.emulator.expire_iterators();
        world.write(10, round).await;
        world.emulator.expire_iterators();
        delivered(&world, SOON, 10 * (round - 1)).await;
    }
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

/// Thirty records in each of two generations of two shards. Another consumer had read four records of a child: the
/// parent of that child, where to begin, and how many records are left.
async fn half_read(world: &World) -> (String, StartPosition, usize) {
    world.write(30, 1).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(30, 2).await;
    let child = &open_shards(world)[0];
    let records = first_page(world, child);
    let fourth = &records["Records"][3]["dynamodb"]["SequenceNumber"];
    let start = StartPosition::after([(child, fourth.as_str().unwrap())]).unwrap();
    let all = world.emulator.shards(TABLE).unwrap();
    let parent = all.into_iter().find(|shard| shard.id == *child).unwrap();
    let parent = parent.parent.unwrap();
    let read = first_page(world, &parent)["Records"]
        .as_array()
        .unwrap()
        .len();
    (parent, start, 60 - read - 4)
}

#[tokio::test(start_paused = true)]
async fn rule_15_shards_begin_behind_the_records_that_the_user_names() {
    let world = World::with(171, shards(2)).await;
    let (parent, start, left) = half_read(&world).await;
    let worker = world.spawn(world.worker("a").start(start), done).await;
    delivered(&world, SOON, left).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(30, 3).await;
    delivered(&world, SOON * 2, left + 30).await;
    world.pass(Duration::from_secs(120)).await;
    assert_eq!(world.ledger.distinct(), left + 30);
    assert_once(&world);
    let begun = world.ledger.initialized();
    assert!(
        begun.iter().all(|shard| shard.as_str() != parent),
        "its child was named"
    );
    assert_eq!(ignored(&world), [""; 0]);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_named_starts_are_kept_when_the_first_worker_dies_at_once() {
    for moment in [1, 30, 100, 500, 2_000] {
        let world = World::with(172, shards(2)).await;
        let (_, start, left) = half_read(&world).await;
        let slow = |_: &_, _: &_| shardkeeper_tests::Act::Slow(Duration::from_secs(60));
        let worker = world.worker("a").start(start.clone());
        let worker = world.spawn(worker, slow).await;
        world.pass(Duration::from_millis(moment)).await;
        worker.abort();
        let worker = world.worker("b").start(start);
        let worker = world.spawn(worker, done).await;
        delivered(&world, SOON * 2, left).await;
        world.pass(Duration::from_secs(120)).await;
        assert_eq!(world.ledger.distinct(), left, "after {moment} ms");
        assert_eq!(world.ledger.violations(), Vec::<String>::new());
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn rule_15_a_named_shard_that_is_not_there_is_told_and_everything_is_read() {
    let world = World::with(173, shards(2)).await;
    world.write(30, 1).await;
    let nowhere = (
        "shardId-00000001414562045508-00000bad",
        "100000000000000000000000001",
    );
    let start = StartPosition::after([nowhere]).unwrap();
    let worker = world.spawn(world.worker("a").start(start), done).await;
    delivered(&world, SOON, 30).await;
    let said = ignored(&world);
    assert!(
        matches!(said.as_slice(), [why] if why.contains(nowhere.0)),
        "{said:?}"
    );
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[test]
fn f31_named_starts_of_impossible_lengths_are_refused() {
    let shard = "shardId-00000001414562045508-00000bad";
    let number = "100000000000000000000000001";
    assert!(StartPosition::after([(shard, number)]).is_ok());
    for (shard, number) in [
        ("shard-1", number),
        (shard, "12"),
        (shard, "no number, but long enough"),
    ] {
        assert!(
            StartPosition::after([(shard, number)]).is_err(),
            "{shard} {number}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn rule_15_a_shard_explains_that_the_start_position_was_not_used() {
    let world = World::with(174, shards(1)).await;
    let explained = Arc::new(Mutex::new(Vec::new()));
    for (value, (name, start, expected)) in [
        ("a", StartPosition::TrimHorizon, false),
        ("b", StartPosition::Latest, true),
        ("c", StartPosition::TrimHorizon, false),
    ]
    .into_iter()
    .enumerate()
    {
        let heard = Arc::clone(&explained);
        let worker = world.worker(name).start(start);
        let worker = world
            .spawn(worker, move |_, cx| {
                heard.lock().unwrap().push(cx.explain());
                shardkeeper_tests::Act::Done
            })
            .await;
        world.write(1, value).await;
        world
            .until(SOON, "explained", |_| !explained.lock().unwrap().is_empty())
            .await;
        let said = std::mem::take(&mut *explained.lock().unwrap());
        let ignored = said.iter().all(|said| said.contains("is not used"));
        assert_eq!(ignored, expected, "{name}: {said:?}");
        worker.shutdown().await.unwrap();
    }
}
