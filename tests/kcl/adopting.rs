//! The rows stay, and so do the checkpoints in them.

use serde_json::json;
use shardkeeper::{Event, StartPosition};
use shardkeeper_tests::{APPLICATION, TABLE, World};

use super::java::{
    create_table, left_behind, multi, put, row, sequence_numbers, shard_ids, v1, v3,
};
use super::{ADOPTED, delivered, done, shards};

#[tokio::test(start_paused = true)]
async fn s1_every_shard_goes_on_right_behind_the_checkpoint_that_kcl_stored() {
    let world = World::with(61, shards(2)).await;
    world.write(20, 1).await;
    let mut expected = 0;
    create_table(&world);
    for (n, shard) in shard_ids(&world).iter().enumerate() {
        let numbers = sequence_numbers(&world, shard);
        assert!(numbers.len() > 3, "both shards have records");
        expected += numbers.len() - 3;
        let row = [v1, v3][n](shard, &numbers[2], None);
        put(&world, row);
    }
    let worker = world.start_with("a", done).await;
    delivered(&world, expected).await;
    // And on, in the rows that were there.
    world.write(20, 2).await;
    delivered(&world, expected + 20).await;
    let leases = world
        .lease_rows()
        .into_iter()
        .filter(|row| row["entityType"]["S"] == "LEASE");
    assert_eq!(leases.count(), 2, "no shard has two leases");
    worker.shutdown().await.unwrap();
    for shard in shard_ids(&world) {
        let numbers = sequence_numbers(&world, &shard);
        let row = row(&world, &shard);
        assert_eq!(row["checkpoint"]["S"], *numbers.last().unwrap(), "{row}");
    }
}

/// DynamoDBMultiStreamLeaseSerializerTest, DynamoDBLeaseTableDaoTest: attributes round trip, rows of other kinds are skipped.
#[tokio::test(start_paused = true)]
async fn rows_of_other_kinds_and_attributes_that_nobody_knows_are_left_as_they_are() {
    let world = World::with(62, shards(1)).await;
    world.write(5, 1).await;
    let [shard] = &shard_ids(&world)[..] else {
        panic!("one shard")
    };
    create_table(&world);
    let mut lease = v3(shard, "TRIM_HORIZON", None);
    lease["somebodysOwn"] = json!({"L": [{"BOOL": true}]});
    lease["pendingCheckpointState"] = json!({"B": "AAEC"});
    lease["checkpointOwner"] = json!({"S": "java-0"});
    put(&world, lease.clone());
    let others = [
        json!({"leaseKey": {"S": "Leader"}, "entityType": {"S": "LEADER"}, "ownerName": {"S": "java-1"}}),
        json!({"leaseKey": {"S": "java-1"}, "entityType": {"S": "WORKER_METRIC_STATS"}, "lut": {"N": "1795000000"}}),
        json!({"leaseKey": {"S": "Migration3.0"}, "entityType": {"S": "CLIENT_VERSION_MIGRATION"}}),
        json!({"leaseKey": {"S": "a note"}, "text": {"S": "not of anybody we know"}}),
    ];
    others.iter().for_each(|row| put(&world, row.clone()));
    let worker = world.start_with("a", done).await;
    delivered(&world, 5).await;
    for other in &others {
        let key = other["leaseKey"]["S"].as_str().unwrap();
        assert_eq!(row(&world, key), *other);
    }
    let now = row(&world, shard);
    for kept in [
        "somebodysOwn",
        "pendingCheckpointState",
        "throughputKBps",
        "startingHashKey",
    ] {
        assert_eq!(now[kept], lease[kept], "{kept}");
    }
    assert_ne!(now["leaseOwner"], lease["leaseOwner"]);
    assert_eq!(now.get("checkpointOwner"), None);
    assert_eq!(
        now["epoch"]["N"], "2",
        "adopted above the floor, then taken"
    );
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_lease_at_latest_begins_at_its_oldest_record_and_says_so() {
    let world = World::with(63, shards(1)).await;
    world.write(5, 1).await;
    let shard = shard_ids(&world).remove(0);
    left_behind(&world, &[(&shard, "LATEST", None)]);
    let latest = world.worker("a").start(StartPosition::Latest);
    let worker = world.spawn(latest, done).await;
    delivered(&world, 5).await;
    let told = world
        .events
        .count(|event| matches!(event, Event::StartIgnored { why } if why.contains("no position")));
    assert_eq!(told, 1);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn multi_stream_rows_keep_their_key_which_is_ours_too() {
    let world = World::with(64, shards(2)).await;
    world.write(20, 1).await;
    let stream = world.emulator.stream_arn(TABLE).unwrap();
    create_table(&world);
    let mut expected = 0;
    for shard in shard_ids(&world) {
        let numbers = sequence_numbers(&world, &shard);
        expected += numbers.len() - 1;
        put(&world, multi(&stream, &shard, &numbers[0]));
    }
    let before = world.lease_rows().len();
    let worker = world.start_with("a", done).await;
    delivered(&world, expected).await;
    let added = world.lease_rows().len() - before;
    assert_eq!(added, 2, "the group's row and the worker's");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn workers_that_start_at_once_share_what_kcl_left() {
    let world = World::with(65, shards(4)).await;
    world.write(40, 1).await;
    create_table(&world);
    for shard in shard_ids(&world) {
        put(&world, v1(&shard, "TRIM_HORIZON", None));
    }
    let (a, b) = (
        world.start_with("a", done).await,
        world.start_with("b", done).await,
    );
    delivered(&world, 40).await;
    let leases = |worker: &shardkeeper::WorkerHandle| {
        let shards = worker.status().shards;
        shards.iter().filter(|shard| shard.ours).count()
    };
    world
        .until(ADOPTED, "shared", |_| (leases(&a), leases(&b)) == (2, 2))
        .await;
    let adopted: usize = world
        .events
        .all()
        .iter()
        .filter_map(|(_, event)| match event {
            Event::KclLeasesAdopted { leases } => Some(*leases),
            _ => None,
        })
        .sum();
    assert_eq!(adopted, 4, "each by one of them");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

/// It had founded the group, and adopted one row of two.
#[tokio::test(start_paused = true)]
async fn s1_what_a_worker_had_not_adopted_when_it_died_the_next_one_adopts() {
    let world = World::with(66, shards(2)).await;
    world.write(20, 1).await;
    let ids = shard_ids(&world);
    let stream = world.emulator.stream_arn(TABLE).unwrap();
    let mut left = 0;
    create_table(&world);
    for shard in &ids {
        let numbers = sequence_numbers(&world, shard);
        left += numbers.len() - 1;
        put(&world, v1(shard, &numbers[0], None));
    }
    let group = json!({
        "leaseKey": {"S": "shardkeeper/group"}, "entityType": {"S": "SHARDKEEPER_GROUP"},
        "application": {"S": APPLICATION}, "schema": {"N": "1"}, "listedStreams": {"SS": [stream]},
    });
    put(&world, group);
    for (name, value) in [
        ("entityType", "LEASE"),
        ("streamArn", &stream),
        ("shardId", &ids[0]),
    ] {
        let set = format!("SET {name} = :v");
        world.edit_row(&ids[0], &set, value).await;
    }
    world.edit_number(&ids[0], "SET epoch = :v", 1).await;
    world.remove_column(&ids[0], "leaseOwner").await;
    let second = world.start_with("b", done).await;
    world
        .until(ADOPTED * 4, "adopted too", |w| w.ledger.distinct() == left)
        .await;
    delivered(&world, left).await;
    second.shutdown().await.unwrap();
}
