//! Nobody adopts a table that a Java worker still uses.

use std::time::Duration;

use serde_json::json;
use shardkeeper::{Env, ErrorKind, WorkerHandle};
use shardkeeper_tests::World;

use super::java::{Java, create_table, left_behind, put, row, shard_ids, v1};
use super::{ADOPTED, delivered, done, shards};

async fn refused(worker: WorkerHandle) -> String {
    let env = Env::simulated(1);
    let ended = env.within(ADOPTED, worker.join()).await;
    let error = ended.expect("it does not go to work").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

/// DynamoDBLeaseRenewerTest: the counter moves while the owner lives.
#[tokio::test(start_paused = true)]
async fn s5_a_table_whose_java_worker_renews_is_refused_by_the_workers_name_and_untouched() {
    let world = World::with(81, shards(2)).await;
    world.write(10, 1).await;
    let ids = shard_ids(&world);
    left_behind(
        &world,
        &[
            (&ids[0], "TRIM_HORIZON", None),
            (&ids[1], "TRIM_HORIZON", None),
        ],
    );
    let before = world.lease_rows();
    let worker = world.start_with("a", done).await;
    let env = Env::simulated(1);
    let java = Java::new(&world, &ids[1], "java-1");
    java.renews(&env, Duration::from_millis(3308), 3).await;
    let said = refused(worker).await;
    for part in ["java-1", "leaseCounter", &ids[1], "stop every KCL worker"] {
        assert!(said.contains(part), "{said}");
    }
    let mut after = world.lease_rows();
    assert_eq!(after.len(), before.len(), "no row of ours");
    for row in &mut after {
        row["leaseCounter"] = json!({"N": "412"});
    }
    assert_eq!(after, before);
    assert_eq!(world.ledger.distinct(), 0);
}

/// A fleet that renews three times in a minute, as large ones were told to.
#[tokio::test(start_paused = true)]
async fn s5_a_java_worker_that_renews_every_twenty_seconds_is_noticed_too() {
    let world = World::with(82, shards(1)).await;
    let shard = shard_ids(&world).remove(0);
    left_behind(&world, &[(&shard, "TRIM_HORIZON", None)]);
    let worker = world.start_with("a", done).await;
    let env = Env::simulated(1);
    let java = Java::new(&world, &shard, "java-1");
    java.renews(&env, Duration::from_secs(20), 1).await;
    assert!(refused(worker).await.contains("java-1"));
}

#[tokio::test(start_paused = true)]
async fn after_the_java_workers_stopped_the_same_worker_is_taken() {
    let world = World::with(83, shards(1)).await;
    world.write(5, 1).await;
    let shard = shard_ids(&world).remove(0);
    left_behind(&world, &[(&shard, "TRIM_HORIZON", None)]);
    let worker = world.start_with("a", done).await;
    world.pass(Duration::from_secs(5)).await;
    Java::new(&world, &shard, "java-2").take();
    assert!(refused(worker).await.contains("java-2"));
    let worker = world.start_with("a", done).await;
    delivered(&world, 5).await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_one_row_that_cannot_be_read_keeps_the_whole_table_from_being_adopted() {
    let world = World::with(84, shards(2)).await;
    let ids = shard_ids(&world);
    create_table(&world);
    put(&world, v1(&ids[0], "TRIM_HORIZON", None));
    put(&world, v1(&ids[1], "half past nine", None));
    let said = refused(world.start_with("a", done).await).await;
    assert!(
        said.contains("half past nine") && said.contains(&ids[1]),
        "{said}"
    );
    assert_eq!(row(&world, &ids[0]), v1(&ids[0], "TRIM_HORIZON", None));
    assert_eq!(world.lease_rows().len(), 2);
}
