//! What is around the workers fails for minutes and hours: calls stay bounded, nobody is restarted, nothing is lost.

use std::time::Duration;

use shardkeeper::{Event, Health, Settings, WorkerHandle};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, TABLE, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, ours, shards};

const HOUR: Duration = Duration::from_secs(3600);
/// More calls than any outage here makes: what is left of them tells how many were made.
const MANY: u64 = 1_000_000;

/// Two workers that share four shards and have read something.
async fn at_work(seed: u64) -> (World, [WorkerHandle; 2]) {
    let world = World::with(seed, shards(4)).await;
    // An idle shard is asked seldom, so that an hour is short.
    let mut settings = Settings::default();
    settings.idle_poll_max = Duration::from_secs(15);
    let worker = |name| world.worker(name).settings(settings.clone());
    let first = world.spawn(worker("a"), done).await;
    let second = world.spawn(worker("b"), done).await;
    world
        .until(SOON * 2, "shared", |_| {
            ours(&first) == 2 && ours(&second) == 2
        })
        .await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    (world, [first, second])
}

/// Lets this go wrong for so long; says how many calls were made against it.
async fn outage(
    world: &World,
    operations: &[&'static str],
    effect: &Effect,
    time: Duration,
) -> u64 {
    let faults = world.emulator.faults();
    for operation in operations {
        faults.inject(Fault::new(*operation, effect.clone()).times(MANY));
    }
    world.pass(time).await;
    let made = MANY * operations.len() as u64 - faults.pending();
    faults.clear();
    made
}

/// Everything is as it should be: what was written meanwhile is read, and the fleet is balanced.
async fn recovers(world: &World, fleet: [WorkerHandle; 2], records: usize) {
    delivered(world, TAKE_OVER * 3, records).await;
    world
        .until(TAKE_OVER * 3, "balanced", |_| {
            fleet.iter().all(|worker| ours(worker) == 2)
        })
        .await;
    assert_in_order(world);
    assert_eq!(world.events.losses(), []);
    for worker in fleet {
        assert_ne!(worker.health(), Health::Ended, "nobody had to be restarted");
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn failure_30_a_lease_table_that_is_throttled_for_minutes_costs_only_time() {
    let operations = [
        "UpdateItem",
        "TransactWriteItems",
        "Scan",
        "BatchGetItem",
        "Query",
    ];
    let (world, fleet) = at_work(601).await;
    let made = outage(
        &world,
        &operations,
        &Effect::throttle(),
        Duration::from_secs(600),
    )
    .await;
    assert!(made < 600 * 10, "L9: {made} calls in ten minutes");
    world.write(20, 2).await;
    recovers(&world, fleet, 40).await;
}

#[tokio::test(start_paused = true)]
async fn failure_30_beats_go_first_while_everything_else_of_the_table_is_throttled() {
    let (world, fleet) = at_work(602).await;
    for fault in [
        Fault::new("UpdateItem", Effect::throttle()).containing("leaseCounter"),
        Fault::new("TransactWriteItems", Effect::throttle()),
        Fault::new("Scan", Effect::throttle()),
    ] {
        world.emulator.faults().inject(fault);
    }
    world.write(20, 2).await;
    world.pass(Duration::from_secs(300)).await;
    world.emulator.faults().clear();
    let given_up =
        |event: &shardkeeper::Event| matches!(event, shardkeeper::Event::WorkerDemoted { .. });
    assert_eq!(world.events.count(given_up), 0, "their beats got through");
    recovers(&world, fleet, 40).await;
}

/// One permission after another is withdrawn from a fleet at work, for an hour.
async fn withdrawn(operations: &[&'static str]) {
    for operation in operations {
        let (world, fleet) = at_work(603).await;
        world.emulator.expire_iterators();
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(20, 2).await;
        let made = outage(&world, &[operation], &Effect::access_denied(), HOUR).await;
        assert!(made > 0, "{operation} was not needed");
        assert!(
            made < 3600 * 4,
            "L9: {operation} was called {made} times in an hour"
        );
        recovers(&world, fleet, 40).await;
    }
}

#[tokio::test(start_paused = true)]
async fn failure_32_a_permission_for_the_lease_table_that_is_withdrawn_is_asked_for_sparingly() {
    withdrawn(&["UpdateItem", "TransactWriteItems", "Scan", "BatchGetItem"]).await;
}

#[tokio::test(start_paused = true)]
async fn failure_32_a_permission_for_the_stream_that_is_withdrawn_is_asked_for_sparingly() {
    withdrawn(&["GetRecords", "GetShardIterator", "DescribeStream"]).await;
}

#[tokio::test(start_paused = true)]
async fn failure_33_credentials_that_expire_and_are_renewed_an_hour_later_need_no_restart() {
    for code in ["ExpiredTokenException", "UnrecognizedClientException"] {
        let (world, fleet) = at_work(604).await;
        world.write(20, 2).await;
        let made = outage(&world, &["*"], &Effect::error(400, code), HOUR).await;
        assert!(made < 3600 * 10, "L9: {made} calls in an hour");
        recovers(&world, fleet, 40).await;
    }
}

#[tokio::test(start_paused = true)]
async fn failure_34_connections_that_are_refused_for_three_hours_are_tried_sparingly() {
    let (world, fleet) = at_work(605).await;
    world.write(20, 2).await;
    let made = outage(&world, &["*"], &Effect::Dropped, HOUR * 3).await;
    assert!(
        made > 0 && made < 3 * 3600 * 10,
        "L9: {made} calls in three hours"
    );
    recovers(&world, fleet, 40).await;
}

#[tokio::test(start_paused = true)]
async fn failure_35_sockets_that_never_answer_hold_up_nobody_for_longer_than_a_timeout() {
    let (world, fleet) = at_work(606).await;
    world.write(20, 2).await;
    let made = outage(&world, &["*"], &Effect::Hangs, HOUR).await;
    assert!(made > 100, "only {made} calls in an hour: something hangs");
    recovers(&world, fleet, 40).await;
}

#[tokio::test(start_paused = true)]
async fn failure_10_a_worker_that_reaches_only_the_table_keeps_its_leases_and_reads_on_afterwards()
{
    let operations = ["GetRecords", "GetShardIterator", "DescribeStream"];
    for effect in [Effect::Hangs, Effect::Dropped] {
        let (world, fleet) = at_work(607).await;
        world.write(20, 2).await;
        outage(&world, &operations, &effect, Duration::from_secs(600)).await;
        let lost =
            |event: &shardkeeper::Event| matches!(event, shardkeeper::Event::LeaseLost { .. });
        assert_eq!(world.events.count(lost), 0, "{effect:?}");
        recovers(&world, fleet, 40).await;
        assert_eq!(world.ledger.repeated(), 0, "{effect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn failure_10_a_worker_whose_answers_are_lost_but_whose_writes_arrive_stops_by_its_own_clock()
{
    let (world, fleet) = at_work(608).await;
    let operations = ["UpdateItem", "TransactWriteItems", "Scan", "BatchGetItem"];
    let cut = world.emulator.now();
    let faults = world.emulator.faults();
    for operation in operations {
        faults.inject(Fault::new(operation, Effect::AppliedButHangs).containing(APPLICATION));
    }
    for round in 0..60 {
        world.write(2, 10 + round).await;
        world.pass(Duration::from_secs(1)).await;
    }
    let last = world.ledger.dispatches().iter().map(|call| call.at).max();
    let believed = Duration::from_secs(9);
    assert!(last.unwrap() <= cut + believed, "{:?}", last.unwrap() - cut);
    faults.clear();
    recovers(&world, fleet, 140).await;
}

/// Five workers die at once, and what is written about their deaths is answered by nothing for a while.
#[tokio::test(start_paused = true)]
async fn s12_a_worker_whose_calls_hang_one_after_another_is_at_work_all_the_same() {
    let world = World::with(606, shards(6)).await;
    let worker = world.start_with("a", done).await;
    let mut others = Vec::new();
    for name in ["b", "c", "d", "e", "f"] {
        others.push(world.start_with(name, done).await);
    }
    world
        .until(SOON * 4, "shared", |_| ours(&worker) == 1)
        .await;
    for other in others {
        other.abort();
    }
    let hangs = Fault::new("TransactWriteItems", Effect::Hangs);
    world.emulator.faults().inject(hangs);
    world.pass(Duration::from_secs(90)).await;
    world.emulator.faults().clear();
    world
        .until(TAKE_OVER, "all taken over", |_| ours(&worker) == 6)
        .await;
    let given_up = |event: &Event| matches!(event, Event::WorkerDemoted { .. });
    assert_eq!(world.events.count(given_up), 0);
    worker.shutdown().await.unwrap();
}
