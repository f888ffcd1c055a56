//! Parents before children, whoever wrote their leases.

use std::time::Duration;

use serde_json::Value;
use shardkeeper_tests::{TABLE, World};

use super::java::{left_behind, row, sequence_numbers, shard_ids};
use super::{ADOPTED, delivered, done, shards};

fn leases_of(world: &World, shard: &str) -> Vec<Value> {
    let rows = world.lease_rows().into_iter();
    let of_it = rows.filter(|row| row["leaseKey"]["S"].as_str().unwrap().ends_with(shard));
    of_it.collect()
}

/// BlockOnParentShardTaskTest: parent not done. ShutdownTaskTest: the child has its lease already.
#[tokio::test(start_paused = true)]
async fn s4_a_child_waits_for_its_parent_and_keeps_the_one_lease_that_kcl_gave_it() {
    let world = World::with(71, shards(1)).await;
    world.write(10, 1).await;
    let parent = shard_ids(&world).remove(0);
    let child = world.emulator.roll_over(TABLE, &parent).unwrap();
    world.write(10, 2).await;
    let at = sequence_numbers(&world, &parent)[4].clone();
    left_behind(
        &world,
        &[
            (&parent, &at, None),
            (&child, "TRIM_HORIZON", Some(&parent)),
        ],
    );
    let worker = world.start_with("a", done).await;
    delivered(&world, 15).await;
    let order: Vec<String> = world
        .ledger
        .dispatches()
        .iter()
        .map(|call| call.shard.to_string())
        .collect();
    let first_of_child = order.iter().position(|shard| *shard == child).unwrap();
    assert!(order[first_of_child..].iter().all(|shard| *shard == child));
    assert_eq!(leases_of(&world, &child).len(), 1);
    let ended = row(&world, &parent);
    assert_eq!(ended["checkpoint"]["S"], "SHARD_END");
    assert_eq!(ended["childShardIds"]["SS"][0], child.as_str());
    worker.shutdown().await.unwrap();
}

/// BlockOnParentShardTaskTest: parent missing. LeaseCleanupManagerTest: parent deleted after children progressed.
#[tokio::test(start_paused = true)]
async fn s10_a_finished_parent_whose_lease_kcl_deleted_is_not_read_again() {
    let world = World::with(72, shards(1)).await;
    world.write(10, 1).await;
    let parent = shard_ids(&world).remove(0);
    let child = world.emulator.roll_over(TABLE, &parent).unwrap();
    world.write(10, 2).await;
    let at = sequence_numbers(&world, &child)[6].clone();
    left_behind(&world, &[(&child, &at, Some(&parent))]);
    let worker = world.start_with("a", done).await;
    delivered(&world, 3).await;
    // Nor after discovery has looked many times.
    world.pass(Duration::from_secs(600)).await;
    assert_eq!(world.ledger.distinct(), 3);
    worker.shutdown().await.unwrap();
}

/// HierarchicalShardSyncerTest: the sibling of a leased shard that has no lease yet.
#[tokio::test(start_paused = true)]
async fn s1_a_child_that_kcl_had_not_leased_yet_is_read_from_its_oldest_record() {
    let world = World::with(73, shards(1)).await;
    world.write(30, 1).await;
    let parent = shard_ids(&world).remove(0);
    let children = world.emulator.split(TABLE, &parent, 2).unwrap();
    let (one, other) = (children[0].clone(), children[1].clone());
    world.write(30, 2).await;
    let kept = sequence_numbers(&world, &one);
    let unseen = sequence_numbers(&world, &other).len();
    assert!(kept.len() > 1 && unseen > 0);
    let newest = kept.last().unwrap();
    left_behind(
        &world,
        &[(&parent, "SHARD_END", None), (&one, newest, Some(&parent))],
    );
    // Even if the user wants the latest records: this application began long ago.
    let latest = world.worker("a").start(shardkeeper::StartPosition::Latest);
    let worker = world.spawn(latest, done).await;
    delivered(&world, unseen).await;
    worker.shutdown().await.unwrap();
}

/// ADP#77 of the adapter: children of an adopted shard get their leases at its end.
#[tokio::test(start_paused = true)]
async fn l2_children_of_adopted_shards_are_born_owned_under_our_key() {
    let world = World::with(74, shards(1)).await;
    world.write(5, 1).await;
    let parent = shard_ids(&world).remove(0);
    left_behind(&world, &[(&parent, "TRIM_HORIZON", None)]);
    let worker = world.start_with("a", done).await;
    delivered(&world, 5).await;
    let child = world.emulator.roll_over(TABLE, &parent).unwrap();
    world.write(5, 2).await;
    delivered(&world, 10).await;
    let leases = leases_of(&world, &child);
    assert_eq!(leases.len(), 1);
    let key = leases[0]["leaseKey"]["S"].as_str().unwrap();
    assert!(key.contains(&format!("${TABLE}$")), "{key}");
    assert_eq!(leases[0]["parentShardId"]["SS"][0], parent.as_str());
    let owned = leases[0]["leaseOwner"]["S"].as_str().unwrap();
    assert!(owned.starts_with("a#"), "{owned}");
    world
        .until(ADOPTED, "ended", |w| w.ledger.ended().len() == 1)
        .await;
    worker.shutdown().await.unwrap();
}
