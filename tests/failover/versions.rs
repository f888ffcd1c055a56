//! Other versions of shardkeeper, and other programs, at the same table.

use std::time::Duration;

use shardkeeper::{ErrorKind, Event};
use shardkeeper_tests::{APPLICATION, TABLE, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, ours, shards};

/// The keys of the rows of one kind.
fn keys(world: &World, kind: &str) -> Vec<String> {
    let rows = world.lease_rows();
    let rows = rows.iter().filter(|row| row["entityType"]["S"] == kind);
    rows.map(|row| row["leaseKey"]["S"].as_str().unwrap().to_owned())
        .collect()
}

/// How many rows have this text in this column.
fn with(world: &World, column: &str, text: &str) -> usize {
    let rows = world.lease_rows();
    rows.iter().filter(|row| row[column]["S"] == text).count()
}

#[tokio::test(start_paused = true)]
async fn failure_42_attributes_of_a_later_version_survive_everything_that_is_written() {
    let world = World::with(801, shards(2)).await;
    let first = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    let leases = keys(&world, "LEASE");
    let group = keys(&world, "SHARDKEEPER_GROUP");
    for key in leases.iter().chain(&group) {
        world
            .edit_row(key, "SET mood = :v", "of a later version")
            .await;
    }
    // Checkpoints, hand-overs, a crash and a take, a death, the end of every shard.
    let second = world.start_with("b", done).await;
    world
        .until(SOON * 2, "shared", |_| ours(&second) == 1)
        .await;
    world.write(20, 2).await;
    delivered(&world, SOON, 40).await;
    first.shutdown().await.unwrap();
    second.abort();
    let third = world.start_with("c", done).await;
    world.write(20, 3).await;
    delivered(&world, TAKE_OVER, 60).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(20, 4).await;
    delivered(&world, SOON, 80).await;
    world.pass(SOON).await;
    assert_eq!(with(&world, "mood", "of a later version"), 3);
    assert_in_order(&world);
    third.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failure_42_a_table_of_a_later_format_is_refused_and_left_alone() {
    let world = World::with(802, shards(2)).await;
    let first = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    first.shutdown().await.unwrap();
    let group = keys(&world, "SHARDKEEPER_GROUP").remove(0);
    let mut row = world.lease_rows();
    row.retain(|row| row["leaseKey"]["S"] == *group);
    row[0]["schema"]["N"] = "2".into();
    let put = serde_json::json!({"TableName": APPLICATION, "Item": row[0]});
    world.emulator.request("PutItem", &put).unwrap();
    let before = world.lease_rows();
    let late = world.start_with("b", done).await;
    let error = late.join().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    for part in ["format 2", "upgrade"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(world.lease_rows(), before);
}

#[tokio::test(start_paused = true)]
async fn s2_rows_of_other_kinds_are_left_alone() {
    let world = World::with(803, shards(2)).await;
    let first = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    for key in ["Leader", "Migration3.0", "worker-7"] {
        world.edit_row(key, "SET entityType = :v", "LEADER").await;
    }
    let second = world.start_with("b", done).await;
    world
        .until(SOON * 2, "shared", |_| ours(&second) == 1)
        .await;
    world.write(20, 2).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    delivered(&world, SOON, 40).await;
    world.pass(Duration::from_secs(600)).await;
    let unreadable = |event: &Event| matches!(event, Event::LeaseUnreadable { .. });
    assert_eq!(world.events.count(unreadable), 0, "they are no leases");
    let rows = world.lease_rows();
    let foreign: Vec<_> = rows
        .iter()
        .filter(|row| row["entityType"]["S"] == "LEADER")
        .collect();
    assert_eq!(foreign.len(), 3, "in {APPLICATION}");
    for row in foreign {
        assert_eq!(row.as_object().unwrap().len(), 2, "{row}");
    }
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}
