//! Becoming a member when the table is at its worst.

use std::collections::BTreeSet;
use std::time::Duration;

use shardkeeper::WorkerHandle;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::World;

use super::{SOON, delivered, done, ours, shards};

fn members(world: &World) -> BTreeSet<String> {
    let rows = world.lease_rows();
    let group = rows
        .iter()
        .find(|row| row["leaseKey"]["S"] == "shardkeeper/group")
        .expect("a group");
    let named = group["members"]["SS"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    named
        .iter()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect()
}

fn name(worker: &WorkerHandle) -> String {
    worker.status().worker.expect("it joined").to_string()
}

fn worker_rows(world: &World) -> BTreeSet<String> {
    let rows = world.lease_rows();
    let key = |row: &serde_json::Value| row["leaseKey"]["S"].as_str().map(str::to_owned);
    rows.iter()
        .filter_map(key)
        .filter_map(|key| key.strip_prefix("shardkeeper/worker/").map(str::to_owned))
        .collect()
}

/// Enrolling goes wrong, and nothing else.
fn enrolling(effect: Effect) -> Fault {
    Fault::new("UpdateItem", effect)
        .containing("members")
        .times(2)
}

#[tokio::test(start_paused = true)]
async fn l6_who_owns_leases_is_a_member_however_the_enrolment_went() {
    for (seed, effect) in [
        (41, Effect::error(400, "TransactionConflictException")),
        (42, Effect::error(400, "ConditionalCheckFailedException")),
        (43, Effect::internal_error()),
        (44, Effect::throttle()),
        (45, Effect::empty_object()),
    ] {
        let world = World::with(seed, shards(4)).await;
        world.emulator.faults().inject(enrolling(effect));
        let worker = world.start_with("a", done).await;
        world.until(SOON, "owned", |_| ours(&worker) == 4).await;
        let me = worker.status().worker.unwrap().to_string();
        assert!(
            members(&world).contains(&me),
            "{seed}: {:?}",
            members(&world)
        );
        world.write(10, 1).await;
        delivered(&world, SOON, 10).await;
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn l1_who_was_struck_off_while_it_beats_enrols_again() {
    let world = World::with(48, shards(4)).await;
    let fleet = [
        world.start_with("a", done).await,
        world.start_with("b", done).await,
    ];
    let spread = |_: &World| fleet.iter().all(|worker| ours(worker) == 2);
    world.until(SOON * 4, "spread", spread).await;
    let all: BTreeSet<String> = fleet.iter().map(name).collect();
    assert_eq!(members(&world), all);
    world.remove_column("shardkeeper/group", "members").await;
    assert_eq!(members(&world), BTreeSet::new());
    world
        .until(SOON, "members again", |world| members(world) == all)
        .await;
    let names: BTreeSet<String> = fleet.iter().map(name).collect();
    assert_eq!(names, all, "neither had to begin again");
    assert!(spread(&world), "neither lost a lease");
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn l6_the_row_of_a_worker_that_never_became_a_member_is_removed() {
    let world = World::with(46, shards(2)).await;
    world
        .emulator
        .faults()
        .inject(enrolling(Effect::internal_error()));
    let worker = world.start_with("a", done).await;
    world.until(SOON, "owned", |_| ours(&worker) == 2).await;
    assert_eq!(
        worker_rows(&world).len(),
        3,
        "two of them never became members"
    );
    world.pass(Duration::from_secs(600)).await;
    let me = worker.status().worker.unwrap().to_string();
    assert_eq!(worker_rows(&world), [me.clone()].into());
    assert_eq!(members(&world), [me].into());
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_worker_says_which_stream_it_reads() {
    let world = World::with(47, shards(2)).await;
    let fleet = [
        world.start_with("a", done).await,
        world.start_with("b", done).await,
    ];
    let stream = world.emulator.stream_arn(shardkeeper_tests::TABLE).unwrap();
    world
        .until(SOON * 2, "known", |_| {
            fleet.iter().all(|worker| {
                worker
                    .status()
                    .stream
                    .is_some_and(|arn| arn.as_str() == stream)
            })
        })
        .await;
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}
