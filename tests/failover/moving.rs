//! Leases on their way from one living worker to another, and what may come between.

use std::time::Duration;

use shardkeeper::{Batch, Event, Settings, ShardContext, WorkerHandle};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, Act, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, ours, shards};

/// The leases that somebody asked for and did not get yet.
fn asked_for(world: &World) -> usize {
    let rows = world.lease_rows();
    rows.iter()
        .filter(|row| row.get("nextOwner").is_some())
        .count()
}

/// A worker that has every lease and is busy with a batch of each for so long, and one that has just asked for one.
async fn asked(world: &World, busy: Duration) -> (WorkerHandle, WorkerHandle) {
    world.write(20, 1).await;
    let owner = world
        .start_with("a", move |_: &Batch, _: &ShardContext| Act::Slow(busy))
        .await;
    world
        .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 2)
        .await;
    let asker = world.start_with("b", done).await;
    world.until(SOON, "asked", |w| asked_for(w) == 1).await;
    (owner, asker)
}

#[tokio::test(start_paused = true)]
async fn g6_a_request_that_is_not_answered_in_time_lapses_and_nothing_is_forced() {
    let world = World::with(501, shards(2)).await;
    let busy = Duration::from_secs(100);
    let (owner, asker) = asked(&world, busy).await;
    let wait = Settings::default().hand_off_timeout + Duration::from_secs(4);
    // In between it may ask for the other one; whatever it asks for is taken back in time.
    let mut first = None;
    let mut longest = Duration::ZERO;
    for _ in 0..700 {
        world.pass(Duration::from_millis(100)).await;
        let rows = world.lease_rows();
        let request = rows.iter().find_map(|row| row["requestId"]["S"].as_str());
        match (&first, request) {
            (Some((id, since)), Some(now)) if id == now => {
                longest = longest.max(world.emulator.now() - *since);
            }
            (_, Some(now)) => first = Some((now.to_owned(), world.emulator.now())),
            (_, None) => first = None,
        }
    }
    assert!(
        longest > SOON && longest < wait,
        "a request stood for {longest:?}"
    );
    assert_eq!((ours(&owner), ours(&asker)), (2, 0), "nothing was forced");
    // The batches return, and then the lease moves together with its checkpoint.
    world
        .until(busy, "shared", |_| ours(&owner) == 1 && ours(&asker) == 1)
        .await;
    assert_eq!(world.ledger.repeated(), 0);
    assert_in_order(&world);
    owner.shutdown().await.unwrap();
    asker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l6_an_owner_that_dies_while_it_is_asked_leaves_nothing_stuck() {
    let world = World::with(502, shards(2)).await;
    let (owner, asker) = asked(&world, Duration::from_secs(100)).await;
    owner.abort();
    world
        .until(TAKE_OVER, "taken over", |_| ours(&asker) == 2)
        .await;
    world.write(20, 2).await;
    delivered(&world, SOON, 40).await;
    assert_eq!(asked_for(&world), 0, "the request went with the take");
    assert_in_order(&world);
    asker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l6_a_worker_that_dies_while_it_waits_for_a_lease_leaves_nothing_stuck() {
    for seconds in [3, 60] {
        let world = World::with(503, shards(2)).await;
        // Handed to a worker that is dead but not found dead yet, or long after that.
        let (owner, asker) = asked(&world, Duration::from_secs(seconds)).await;
        asker.abort();
        world.pass(Duration::from_secs(seconds)).await;
        world
            .until(TAKE_OVER * 2, "back", |_| ours(&owner) == 2)
            .await;
        world.write(20, 2).await;
        delivered(&world, SOON + Duration::from_secs(seconds), 40).await;
        world.until(SOON, "forgotten", |w| asked_for(w) == 0).await;
        assert_eq!(
            world.ledger.repeated(),
            0,
            "nothing was given out by the dead one"
        );
        assert_in_order(&world);
        owner.abort();
    }
}

/// A request that lands late, or was made before a worker lost its memory.
fn ask_by_hand(world: &World, owner: &str, asker: &str) {
    let rows = world.lease_rows();
    let owned = |row: &&serde_json::Value| {
        let of = row["leaseOwner"]["S"].as_str();
        of.is_some_and(|of| of.starts_with(owner)) && row.get("nextOwner").is_none()
    };
    let row = rows
        .iter()
        .find(owned)
        .expect("a lease that nobody asks for");
    let request = serde_json::json!({
        "TableName": APPLICATION,
        "Key": { "leaseKey": row["leaseKey"] },
        "UpdateExpression": "SET nextOwner = :asker, requestId = :id",
        "ExpressionAttributeValues": { ":asker": { "S": asker }, ":id": { "S": "of another life" } },
    });
    let asked = world.emulator.request("UpdateItem", &request);
    asked.expect("the row is written");
}

/// Every name under which a worker joined, in order.
fn names(world: &World) -> Vec<String> {
    let name = |(_, event)| match event {
        Event::WorkerJoined { worker } => Some(worker.to_string()),
        _ => None,
    };
    world.events.all().into_iter().filter_map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn g6_a_request_in_its_own_name_that_a_worker_does_not_remember_lapses_too() {
    let world = World::with(508, shards(3)).await;
    world.write(30, 1).await;
    let busy = Duration::from_secs(600);
    let owner = world
        .start_with("a", move |_: &Batch, _: &ShardContext| Act::Slow(busy))
        .await;
    world
        .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 3)
        .await;
    let asker = world.start_with("b", done).await;
    world.until(SOON, "joined", |w| names(w).len() == 2).await;
    ask_by_hand(&world, "a#", &names(&world)[1]);
    let unknown = |w: &World| {
        let rows = w.lease_rows();
        rows.iter()
            .any(|row| row["requestId"]["S"] == "of another life")
    };
    let wait = Settings::default().hand_off_timeout * 2 + SOON;
    world.until(wait, "withdrawn", |w| !unknown(w)).await;
    assert_eq!((ours(&owner), ours(&asker)), (3, 0), "nothing was forced");
    owner.abort();
    asker.abort();
}

#[tokio::test(start_paused = true)]
async fn l6_a_request_lapses_in_time_though_the_leases_are_spread_evenly() {
    let world = World::with(509, shards(1)).await;
    world.write(10, 1).await;
    let busy = Duration::from_secs(600);
    let owner = world
        .start_with("a", move |_: &Batch, _: &ShardContext| Act::Slow(busy))
        .await;
    world
        .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 1)
        .await;
    let asker = world.start_with("b", done).await;
    world.until(SOON, "joined", |w| names(w).len() == 2).await;
    world.pass(SOON).await;
    ask_by_hand(&world, "a#", &names(&world)[1]);
    // Nothing tells the worker of this request but its next sweep; from then on it has its time.
    let settings = Settings::default();
    let wait = settings.sweep_interval + settings.hand_off_timeout + SOON;
    world.until(wait, "withdrawn", |w| asked_for(w) == 0).await;
    owner.abort();
    asker.abort();
}

#[tokio::test(start_paused = true)]
async fn l10_a_copy_of_a_dead_worker_under_its_name_gets_its_share() {
    let world = World::with(509, shards(2)).await;
    let owner = world.start_with("a", done).await;
    world.until(SOON, "owned", |_| ours(&owner) == 2).await;
    let other = world.start_with("b", done).await;
    world
        .until(TAKE_OVER, "shared", |_| ours(&other) == 1)
        .await;
    other.abort();
    world
        .until(TAKE_OVER, "taken over", |_| ours(&owner) == 2)
        .await;
    // The owner knows that the asker is dead, and remembers it as long as its name stands in the row.
    ask_by_hand(&world, "a#", &names(&world)[1]);
    let buried = |w: &World| {
        let rows = w.lease_rows();
        let key = format!("shardkeeper/worker/{}", names(w)[1]);
        rows.iter().any(|row| row["leaseKey"]["S"] == key.as_str())
    };
    world
        .until(Duration::from_secs(600), "reaped", |w| !buried(w))
        .await;
    // The same dice, as on a copied machine: it begins under the same name.
    let copy = world.start_with("b", done).await;
    world.until(SOON, "joined", |w| names(w).len() == 3).await;
    assert_eq!(names(&world)[1], names(&world)[2], "both had one name");
    world
        .until(TAKE_OVER * 6, "shared again", |_| {
            ours(&owner) == 1 && ours(&copy) == 1
        })
        .await;
    owner.shutdown().await.unwrap();
    copy.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g6_a_worker_asks_for_one_lease_at_a_time() {
    let world = World::with(504, shards(8)).await;
    let first = world.start_with("a", done).await;
    world.until(SOON, "owned", |_| ours(&first) == 8).await;
    world.pass(SOON).await;
    let second = world.start_with("b", done).await;
    let mut moved = 0;
    for _ in 0..1200 {
        world.pass(Duration::from_millis(50)).await;
        assert!(
            asked_for(&world) <= 1,
            "{} are asked for",
            asked_for(&world)
        );
        moved = ours(&second);
    }
    assert_eq!((ours(&first), moved), (4, 4));
    let asked = |event: &Event| matches!(event, Event::LeaseRequested { .. });
    assert_eq!(
        world.events.count(asked),
        4,
        "and for no more than its share"
    );
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g6_a_hand_over_that_the_table_refuses_for_a_while_loses_and_repeats_nothing() {
    for (seed, effect) in [
        (505, Effect::internal_error()),
        (506, Effect::throttle()),
        (507, Effect::access_denied()),
        (508, Effect::Dropped),
    ] {
        let world = World::with(seed, shards(4)).await;
        let first = world.start_with("a", done).await;
        world.until(SOON, "owned", |_| ours(&first) == 4).await;
        let fault = Fault::new("TransactWriteItems", effect.clone());
        world.emulator.faults().inject(fault);
        let second = world.start_with("b", done).await;
        let mut written = 0;
        for round in 0..30 {
            world.write(4, round).await;
            written += 4;
            world.pass(Duration::from_secs(1)).await;
        }
        assert_eq!(ours(&second), 0, "{effect:?}: nothing can be asked for");
        world.emulator.faults().clear();
        world
            .until(SOON * 2, "shared", |_| {
                ours(&first) == 2 && ours(&second) == 2
            })
            .await;
        delivered(&world, SOON, written).await;
        assert_eq!(world.ledger.repeated(), 0, "{effect:?}");
        assert_in_order(&world);
        first.shutdown().await.unwrap();
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn s5_a_lease_that_comes_back_to_its_former_owner_has_a_new_token() {
    let world = World::with(509, shards(1)).await;
    let first = world.start_with("a", done).await;
    world.put("order", 1).await;
    delivered(&world, SOON, 1).await;
    let second = world.start_with("b", done).await;
    world.pass(SOON).await;
    first.shutdown().await.unwrap();
    world.put("order", 2).await;
    delivered(&world, SOON, 2).await;
    let third = world.start_with("a", done).await;
    world.pass(SOON).await;
    second.shutdown().await.unwrap();
    world.put("order", 3).await;
    delivered(&world, SOON, 3).await;
    let tokens: Vec<u64> = world
        .ledger
        .dispatches()
        .iter()
        .map(|call| call.epoch)
        .collect();
    assert!(
        tokens.is_sorted() && tokens[0] < tokens[1] && tokens[1] < tokens[2],
        "{tokens:?}"
    );
    assert_eq!(world.ledger.repeated(), 0);
    third.shutdown().await.unwrap();
}
