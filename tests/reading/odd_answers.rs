//! Answers that make no sense, from every call that a worker makes.

use std::time::Duration;

use serde_json::json;
use shardkeeper::{Decision, Event, LossCause};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, Act, TABLE, World};

use super::{SOON, answer, assert_once, delivered, done, open_shards, shards};

fn nonsense() -> Vec<(&'static str, Effect)> {
    let page = |status, body: &'static str| Effect::Answer {
        status,
        content_type: "text/html",
        body: body.as_bytes().into(),
    };
    vec![
        ("an empty 200", Effect::empty_body()),
        ("{}", Effect::empty_object()),
        ("HTML with 503", Effect::html()),
        ("HTML with 500", page(500, "<html>oops</html>")),
        ("HTML with 200", page(200, "<html>please log in</html>")),
        ("HTML with 404", page(404, "<html>not found</html>")),
        ("null", page(200, "null")),
        ("a list", page(200, "[]")),
        ("a cut answer", page(200, "{\"Records\":[{\"dynam")),
        ("an empty 500", page(500, "")),
        (
            "an unknown error",
            Effect::error(400, "SomethingNewException"),
        ),
        (
            "a validation error",
            Effect::error(400, "ValidationException"),
        ),
    ]
}

/// Reads, rolls over and reads on, while every call of `operation` answers nonsense for a while, twice.
async fn a_life_with(operation: &'static str, effect: &Effect, seed: u64) -> World {
    let world = World::with(seed, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    world.pass(Duration::from_secs(6)).await;
    for round in 2..4 {
        let fault = Fault::new(operation, effect.clone()).times(4);
        world.emulator.faults().inject(fault);
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(10, round).await;
        world.pass(Duration::from_millis(5_500)).await;
    }
    delivered(&world, Duration::from_secs(90), 30).await;
    worker.shutdown().await.unwrap();
    world
}

async fn survives(operation: &'static str, seed: u64) {
    for (what, effect) in nonsense() {
        let world = a_life_with(operation, &effect, seed).await;
        assert_once(&world);
        assert_eq!(world.events.losses(), [], "{operation}: {what}");
        let ends = world.ledger.ended();
        assert_eq!(ends.len(), 4, "{operation}: {what}: {ends:?}");
        let demoted = world
            .events
            .count(|event| matches!(event, Event::WorkerDemoted { .. }));
        assert_eq!(demoted, 0, "{operation}: {what}");
    }
}

#[tokio::test(start_paused = true)]
async fn s8_q10_get_records_that_makes_no_sense_is_never_the_end_of_a_shard() {
    survives("GetRecords", 71).await;
}

#[tokio::test(start_paused = true)]
async fn s8_get_shard_iterator_that_makes_no_sense_is_asked_again() {
    survives("GetShardIterator", 72).await;
}

#[tokio::test(start_paused = true)]
async fn s8_describe_stream_that_makes_no_sense_proves_nothing() {
    survives("DescribeStream", 73).await;
}

#[tokio::test(start_paused = true)]
async fn s12_update_item_that_makes_no_sense_is_read_back() {
    survives("UpdateItem", 74).await;
}

#[tokio::test(start_paused = true)]
async fn s2_batch_get_item_that_makes_no_sense_is_never_the_absence_of_a_lease() {
    survives("BatchGetItem", 75).await;
}

#[tokio::test(start_paused = true)]
async fn s2_scan_that_makes_no_sense_is_never_the_absence_of_a_lease() {
    survives("Scan", 76).await;
}

#[tokio::test(start_paused = true)]
async fn s2_describe_table_that_makes_no_sense_is_never_the_absence_of_a_stream() {
    survives("DescribeTable", 77).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_transaction_that_makes_no_sense_is_read_back() {
    for (what, effect) in nonsense() {
        let world = a_life_with("TransactWriteItems", &effect, 78).await;
        // An answer `{}` is what success looks like, so the children's owner may begin twice.
        assert_eq!(world.ledger.violations(), Vec::<String>::new(), "{what}");
        assert_eq!(world.events.losses(), [], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn s8_a_page_that_looks_like_the_end_of_an_open_shard_ends_nothing() {
    let world = World::with(79, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(5, 1).await;
    delivered(&world, SOON, 5).await;
    let fault = Fault::new("GetRecords", answer(&json!({ "Records": [] })));
    world.emulator.faults().inject(fault.times(1));
    world.pass(SOON).await;
    world.write(5, 2).await;
    delivered(&world, SOON * 2, 10).await;
    assert_eq!(world.ledger.ended().len(), 0);
    let shard = open_shards(&world)[0].clone();
    world.emulator.roll_over(TABLE, &shard).unwrap();
    world.write(5, 3).await;
    delivered(&world, SOON * 2, 15).await;
    assert_eq!(world.ledger.ended().len(), 1);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s8_an_open_shard_that_listings_leave_out_has_not_ended() {
    let world = World::with(83, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(5, 1).await;
    delivered(&world, SOON, 5).await;
    let question = json!({ "StreamArn": world.emulator.stream_arn(TABLE).unwrap() });
    let mut listing = world.emulator.request("DescribeStream", &question).unwrap();
    listing["StreamDescription"]["Shards"] = json!([]);
    let faults = world.emulator.faults();
    faults.inject(Fault::new("DescribeStream", answer(&listing)).times(60));
    // The second one comes when the first was looked into.
    for _ in 0..2 {
        faults.inject(Fault::new("GetRecords", answer(&json!({ "Records": [] }))).times(1));
        world.pass(SOON).await;
    }
    world.write(5, 2).await;
    delivered(&world, SOON * 2, 10).await;
    assert_eq!(world.ledger.ended().len(), 0);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_a_page_that_looks_like_the_end_before_the_end_loses_nothing() {
    let world = World::with(80, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(5, 1).await;
    delivered(&world, SOON, 5).await;
    let fault = Fault::new("GetRecords", answer(&json!({ "Records": [] })));
    world.emulator.faults().inject(fault.times(1));
    world.pass(Duration::from_secs(2)).await;
    // The shard really ends a little later, with records that nobody has read.
    world.write(5, 2).await;
    let shard = open_shards(&world)[0].clone();
    world.emulator.roll_over(TABLE, &shard).unwrap();
    world.write(5, 3).await;
    delivered(&world, SOON * 3, 15).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_false_end_behind_a_processor_that_hangs_is_found_out_before_the_shard_vanishes() {
    let world = World::with(82, shards(1)).await;
    let slow = Duration::from_secs(2 * 3600);
    let worker = world
        .start_with("a", move |batch, _| match batch.first() {
            Some(_) if batch.len() == 1 => Act::Slow(slow),
            _ => Act::Done,
        })
        .await;
    world.write(5, 1).await;
    delivered(&world, SOON, 5).await;
    world.write(1, 2).await;
    delivered(&world, SOON, 6).await;
    // The page behind the batch in hand looks like the end, and the shard goes on.
    let fault = Fault::new("GetRecords", answer(&json!({ "Records": [] })));
    world.emulator.faults().inject(fault.times(1));
    world.pass(Duration::from_secs(2)).await;
    world.write(5, 3).await;
    world.pass(Duration::from_secs(60)).await;
    let shard = open_shards(&world)[0].clone();
    world.emulator.roll_over(TABLE, &shard).unwrap();
    world.pass(Duration::from_secs(60)).await;
    world.emulator.forget_shard(TABLE, &shard).unwrap();
    world.pass(slow).await;
    // What was read before the shard vanished is not lost, and what was not is told.
    let missing = 11 - world.ledger.distinct();
    let told = world.events.losses().len();
    assert!(
        missing == 0 || told == 1,
        "{missing} records are missing, {told} losses told"
    );
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_a_false_end_that_comes_true_before_it_is_looked_into_loses_nothing() {
    let world = World::with(82, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(5, 1).await;
    delivered(&world, SOON, 5).await;
    // The page says that the shard is over, and for ten seconds nobody can be asked whether that is so.
    let fault = Fault::new("GetRecords", answer(&json!({ "Records": [] })));
    let denied = Fault::new("DescribeStream", Effect::access_denied());
    world.emulator.faults().inject(fault.times(1));
    world.emulator.faults().inject(denied);
    world.pass(Duration::from_secs(5)).await;
    world.write(5, 2).await;
    let shard = open_shards(&world)[0].clone();
    world.emulator.roll_over(TABLE, &shard).unwrap();
    world.emulator.faults().clear();
    world.write(5, 3).await;
    delivered(&world, SOON * 3, 15).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

/// A page looks like the end, the listing cannot be asked, and when it can what came behind that page is gone: nobody can
/// know any more whether there was anything.
#[tokio::test(start_paused = true)]
async fn s2_what_came_behind_a_false_end_and_is_gone_before_it_is_looked_into_is_told() {
    for (seed, why) in [(85, LossCause::ShardVanished), (86, LossCause::Trimmed)] {
        let world = World::with(seed, shards(1)).await;
        let worker = world.worker("a").on_data_loss(|_| Decision::GoOn);
        let worker = world.spawn(worker, done).await;
        world.write(5, 1).await;
        delivered(&world, SOON, 5).await;
        let end = Fault::new("GetRecords", answer(&json!({ "Records": [] })));
        let denied = Fault::new("DescribeStream", Effect::access_denied());
        world.emulator.faults().inject(end.times(1));
        world.emulator.faults().inject(denied);
        world.pass(Duration::from_secs(5)).await;
        world.write(5, 2).await;
        let shard = open_shards(&world)[0].clone();
        world.emulator.roll_over(TABLE, &shard).unwrap();
        if why == LossCause::Trimmed {
            world.emulator.trim_shard(TABLE, &shard, None).unwrap();
        } else {
            world.emulator.forget_shard(TABLE, &shard).unwrap();
        }
        world.emulator.faults().clear();
        world.write(5, 3).await;
        delivered(&world, SOON * 3, 10).await;
        let losses = world.events.losses();
        let told: Vec<_> = losses
            .iter()
            .map(|loss| (loss.why, loss.from.is_start()))
            .collect();
        assert_eq!(told, [(why, false)], "five records are gone");
        assert_once(&world);
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn s8_an_empty_next_iterator_is_no_end() {
    let world = World::with(81, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(5, 1).await;
    delivered(&world, SOON, 5).await;
    let odd = json!({ "Records": [], "NextShardIterator": "" });
    world
        .emulator
        .faults()
        .inject(Fault::new("GetRecords", answer(&odd)).times(3));
    world.pass(SOON).await;
    world.write(5, 2).await;
    delivered(&world, SOON, 10).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_an_empty_scan_ends_nobody_for_long() {
    let world = World::with(82, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    let empty = json!({ "Items": [], "Count": 0, "ScannedCount": 0 });
    let fault = Fault::new("Scan", answer(&empty)).containing(APPLICATION);
    world.emulator.faults().inject(fault.times(2));
    world.pass(Duration::from_secs(200)).await;
    world.write(10, 2).await;
    delivered(&world, SOON, 20).await;
    assert_eq!(world.ledger.violations(), Vec::<String>::new());
    worker.shutdown().await.unwrap();
}
