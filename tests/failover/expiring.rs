//! A lease table that deletes its own items: somebody switched its time to live on.

use std::time::Duration;

use shardkeeper_tests::{APPLICATION, World};

use super::{SOON, delivered, done, ours, shards};

/// Every column of a worker's own that is a number, and so could be named as the time to live.
fn numbers(world: &World) -> Vec<String> {
    let rows = world.lease_rows();
    let columns = rows.iter().flat_map(|row| row.as_object().expect("a row"));
    let numbers = columns.filter(|(_, value)| value.get("N").is_some());
    let mut names: Vec<String> = numbers.map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test(start_paused = true)]
async fn failure_31_no_number_of_ours_can_be_taken_for_a_time_to_live() {
    let world = World::with(41, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    let before = world.lease_rows().len();
    let columns = numbers(&world);
    assert!(columns.len() >= 5, "{columns:?}");
    for column in columns {
        world.expire_rows(&column, true).await;
        world.pass(Duration::from_secs(10)).await;
        assert_eq!(world.emulator.expire_ttl(APPLICATION), Ok(0), "{column}");
        world.expire_rows(&column, false).await;
    }
    assert_eq!(world.lease_rows().len(), before);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failure_31_leases_that_expire_by_a_column_of_somebody_elses_come_back_and_lose_nothing() {
    let world = World::with(42, shards(3)).await;
    let worker = world.start_with("a", done).await;
    world.write(30, 1).await;
    delivered(&world, SOON, 30).await;
    world.expire_rows("expiresAt", true).await;
    let yesterday = world.emulator.now().as_secs() - 24 * 3600;
    let leases = world.lease_rows();
    let leases = leases
        .iter()
        .filter(|row| row["entityType"]["S"] == "LEASE");
    for lease in leases {
        let key = lease["leaseKey"]["S"].as_str().expect("a key");
        world
            .edit_number(key, "SET expiresAt = :v", yesterday)
            .await;
    }
    assert_eq!(world.emulator.expire_ttl(APPLICATION), Ok(3));
    world.write(30, 2).await;
    delivered(&world, Duration::from_secs(240), 60).await;
    world
        .until(Duration::from_secs(240), "owned", |_| ours(&worker) == 3)
        .await;
    world.write(30, 3).await;
    delivered(&world, SOON, 90).await;
    worker.shutdown().await.unwrap();
}
