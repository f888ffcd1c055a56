//! A lease table that is set back in time: nobody goes on, and everybody says why.

use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::{ErrorKind, Event, WorkerHandle};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, World};

use super::{SOON, delivered, done, ours, shards};

/// Puts these rows back as they were, whatever is there now.
fn restore(world: &World, rows: &[Value]) {
    for row in rows {
        let put = json!({ "TableName": APPLICATION, "Item": row });
        world.emulator.request("PutItem", &put).unwrap();
    }
}

fn leases(rows: Vec<Value>) -> Vec<Value> {
    let is_lease = |row: &Value| row["entityType"]["S"] == "LEASE";
    rows.into_iter().filter(is_lease).collect()
}

/// Two workers that have exchanged leases, and the table as it was before.
async fn later(seed: u64) -> (World, [WorkerHandle; 2], Vec<Value>) {
    let world = World::with(seed, shards(4)).await;
    let first = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    world.pass(Duration::from_secs(5)).await;
    let before = world.lease_rows();
    let second = world.start_with("b", done).await;
    world
        .until(SOON * 2, "shared", |_| ours(&second) == 2)
        .await;
    world.write(20, 2).await;
    delivered(&world, SOON, 40).await;
    (world, [first, second], before)
}

async fn everybody_ends(world: &World, fleet: [WorkerHandle; 2]) {
    for worker in fleet {
        let ended = worker.join().await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Invalid);
        assert!(ended.to_string().contains("--resume"), "{ended}");
    }
    assert!(world.events.count(stopped) >= 1);
}

#[tokio::test(start_paused = true)]
async fn hole_18_an_epoch_that_falls_stops_the_group() {
    let (world, fleet, before) = later(51).await;
    restore(&world, &leases(before));
    everybody_ends(&world, fleet).await;
    let worker = world.worker("c").build().await.unwrap();
    let refused = worker.spawn(world.ledger.processors(done)).join().await;
    assert!(refused.unwrap_err().to_string().contains("fencing tokens"));
    let calls = world.ledger.dispatches().len();
    world.write(20, 3).await;
    world.pass(SOON * 3).await;
    assert_eq!(world.ledger.dispatches().len(), calls, "nobody goes on");
}

#[tokio::test(start_paused = true)]
async fn hole_18_a_whole_table_that_was_restored_stops_the_group() {
    let (world, fleet, before) = later(52).await;
    restore(&world, &before);
    everybody_ends(&world, fleet).await;
}

/// The copy is from a moment at which nobody owned the leases: whoever may take one has just seen that its token was used.
#[tokio::test(start_paused = true)]
async fn hole_18_who_sees_an_epoch_fall_takes_no_lease_any_more() {
    let (world, fleet, before) = later(58).await;
    let mut copy = leases(before);
    for row in &mut copy {
        row.as_object_mut().unwrap().remove("leaseOwner");
    }
    restore(&world, &copy);
    everybody_ends(&world, fleet).await;
    let epochs = |rows: Vec<Value>| -> Vec<Value> {
        let rows = rows.into_iter();
        rows.map(|row| row["epoch"]["N"].clone()).collect()
    };
    assert_eq!(epochs(leases(world.lease_rows())), epochs(copy));
}

fn stopped(event: &Event) -> bool {
    matches!(event, Event::GroupStopped { .. })
}

/// Deletes the lease table, and makes it again after a while with these rows.
async fn delete_and_restore(world: &World, rows: &[Value]) {
    let table = json!({ "TableName": APPLICATION });
    let old = world.emulator.request("DescribeTable", &table).unwrap();
    world.emulator.request("DeleteTable", &table).unwrap();
    world.pass(Duration::from_secs(300)).await;
    let again = json!({
        "TableName": APPLICATION,
        "KeySchema": old["Table"]["KeySchema"],
        "AttributeDefinitions": old["Table"]["AttributeDefinitions"],
        "BillingMode": "PAY_PER_REQUEST",
    });
    world.emulator.request("CreateTable", &again).unwrap();
    restore(world, rows);
}

/// A copy is restored under another name, so who wants it under this one deletes the table first. That takes longer than
/// any incarnation believes in itself. What comes back may be all of the copy, or less.
#[tokio::test(start_paused = true)]
async fn hole_18_a_table_that_is_gone_while_it_is_restored_stops_the_group_too() {
    let kinds: [&[&str]; 4] = [
        &["LEASE", "SHARDKEEPER_GROUP", "SHARDKEEPER_WORKER"],
        &["LEASE", "SHARDKEEPER_GROUP"],
        &["LEASE"],
        &[],
    ];
    for (seed, kinds) in (54..).zip(kinds) {
        let (world, fleet, before) = later(seed).await;
        let kept = |row: &&Value| kinds.iter().any(|kind| row["entityType"]["S"] == *kind);
        let copy: Vec<Value> = before.iter().filter(kept).cloned().collect();
        delete_and_restore(&world, &copy).await;
        let calls = world.ledger.dispatches().len();
        world
            .until(SOON * 8, "stopped", |w| w.events.count(stopped) > 0)
            .await;
        everybody_ends(&world, fleet).await;
        assert_eq!(world.ledger.dispatches().len(), calls, "nobody went on");
    }
}

/// Between the two the table is set back, so that no incarnation has ever swept it as it was.
#[tokio::test(start_paused = true)]
async fn hole_18_what_was_read_before_joining_counts_in_the_first_sweep() {
    let (world, fleet, _) = later(59).await;
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
    // What joining reads is answered, no sweep after that.
    let joining = 2;
    let sweeps = Fault::new("Scan", Effect::throttle()).skip(joining);
    world.emulator.faults().inject(sweeps.times(1000));
    let worker = world.start_with("c", done).await;
    let joined = |event: &Event| matches!(event, Event::WorkerJoined { .. });
    world
        .until(SOON, "joined", |w| w.events.count(joined) == 3)
        .await;
    let mut rows = leases(world.lease_rows());
    for row in &mut rows {
        row["epoch"]["N"] = "0".into();
    }
    restore(&world, &rows);
    world.emulator.faults().clear();
    world
        .until(SOON, "stopped", |w| w.events.count(stopped) == 1)
        .await;
    assert_eq!(worker.join().await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn hole_18_a_row_deleted_by_hand_begins_above_every_token_that_was_used() {
    let world = World::with(53, shards(1)).await;
    let first = world.start_with("a", done).await;
    world.write(5, 1).await;
    delivered(&world, SOON, 5).await;
    first.abort();
    let second = world.start_with("b", done).await;
    world
        .until(SOON, "taken over", |_| ours(&second) == 1)
        .await;
    let key = leases(world.lease_rows())[0]["leaseKey"]["S"].clone();
    let used = world
        .ledger
        .dispatches()
        .iter()
        .map(|call| call.epoch)
        .max();
    world.write(5, 2).await;
    delivered(&world, SOON, 10).await;
    let used = used.max(
        world
            .ledger
            .dispatches()
            .iter()
            .map(|call| call.epoch)
            .max(),
    );
    world.delete_row(key.as_str().unwrap()).await;
    world.pass(Duration::from_secs(240)).await;
    let calls = world.ledger.dispatches().len();
    world.write(5, 3).await;
    delivered(&world, SOON, 15).await;
    let fresh = &world.ledger.dispatches()[calls..];
    assert!(fresh.iter().all(|call| Some(call.epoch) > used), "{used:?}");
    assert_eq!(world.events.count(stopped), 0);
    second.shutdown().await.unwrap();
}
