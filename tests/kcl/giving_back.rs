//! Adopted, worked on, given back: what KCL would read then.

use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::aws::{AwsLeases, Clients, Timeouts};
use shardkeeper_core::kcl::giving_back::{Form, GiveBack, plan};
use shardkeeper_core::ports::{Answer, LeaseStore};
use shardkeeper_core::row::Write;
use shardkeeper_tests::{APPLICATION, TABLE, World};

use super::java::{create_table, multi, put, row, sequence_numbers, shard_ids, v1, v3};
use super::{delivered, done, shards};

fn store(world: &World) -> AwsLeases {
    let clients = Clients::from_config(&world.emulator.sdk_config(), Timeouts::default());
    AwsLeases::new(&clients, APPLICATION)
}

/// What `shardkeeper leases --give-back --yes` writes.
async fn give_back(world: &World) -> GiveBack {
    let store = store(world);
    let rows = store.sweep().await.unwrap();
    let back = plan(&rows, Form::of(&rows).unwrap());
    let leases = back.leases.iter().map(|lease| lease.writes.clone());
    let workers = back.workers.iter().map(|(_, write)| vec![write.clone()]);
    let writes: Vec<Vec<Write>> = leases.chain(workers).collect();
    for writes in writes
        .into_iter()
        .chain(back.group.clone().map(|write| vec![write]))
    {
        let answer = store.write(&writes).await.unwrap();
        assert!(matches!(answer, Answer::Applied(_)), "{writes:?}");
    }
    back
}

/// What may differ from the row that KCL left: the owner is gone, and three columns moved on.
fn moved_on(golden: Value, checkpoint: &str, now: &Value) -> Value {
    let mut golden = golden;
    golden.as_object_mut().unwrap().remove("leaseOwner");
    golden["checkpoint"] = json!({"S": checkpoint});
    for counted in ["leaseCounter", "ownerSwitchesSinceCheckpoint"] {
        golden[counted] = now[counted].clone();
    }
    golden
}

#[tokio::test(start_paused = true)]
async fn a_single_stream_table_that_was_adopted_and_worked_on_is_given_back_as_kcl_would_have_it() {
    let world = World::with(95, shards(2)).await;
    world.write(20, 1).await;
    let ids = shard_ids(&world);
    create_table(&world);
    let golden = [
        v1(&ids[0], "TRIM_HORIZON", None),
        v3(&ids[1], &sequence_numbers(&world, &ids[1])[0], None),
    ];
    golden.iter().for_each(|row| put(&world, row.clone()));
    let leader = json!({"leaseKey": {"S": "Leader"}, "entityType": {"S": "LEADER"}});
    put(&world, leader.clone());
    let worker = world.start_with("a", done).await;
    delivered(&world, 19).await;
    let child = world.emulator.roll_over(TABLE, &ids[0]).unwrap();
    world.write(20, 2).await;
    delivered(&world, 39).await;
    worker.shutdown().await.unwrap();
    give_back(&world).await;

    let mut keys: Vec<String> = world
        .lease_rows()
        .iter()
        .map(|row| row["leaseKey"]["S"].as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    let mut expected = vec![
        "Leader".to_owned(),
        ids[0].clone(),
        ids[1].clone(),
        child.clone(),
    ];
    expected.sort();
    assert_eq!(keys, expected, "KCL's rows and nothing else");
    assert_eq!(row(&world, "Leader"), leader);

    let ended = row(&world, &ids[0]);
    let mut parent = moved_on(golden[0].clone(), "SHARD_END", &ended);
    parent["childShardIds"] = json!({"SS": [child.as_str()]});
    assert_eq!(ended, parent);

    let now = row(&world, &ids[1]);
    let newest = sequence_numbers(&world, &ids[1]).pop().unwrap();
    let mut other = moved_on(golden[1].clone(), &newest, &now);
    // An absent entityType is a lease to every version of KCL.
    other.as_object_mut().unwrap().remove("entityType");
    assert_eq!(now, other);

    let born = row(&world, &child);
    let newest = sequence_numbers(&world, &child).pop().unwrap();
    let like_kcl = moved_on(v1(&child, &newest, Some(&ids[0])), &newest, &born);
    assert_eq!(born, like_kcl);
}

#[tokio::test(start_paused = true)]
async fn a_multi_stream_table_is_given_back_under_its_own_keys() {
    let world = World::with(96, shards(1)).await;
    world.write(5, 1).await;
    let parent = shard_ids(&world).remove(0);
    let stream = world.emulator.stream_arn(TABLE).unwrap();
    create_table(&world);
    put(&world, multi(&stream, &parent, "TRIM_HORIZON"));
    let worker = world.start_with("a", done).await;
    delivered(&world, 5).await;
    let child = world.emulator.roll_over(TABLE, &parent).unwrap();
    world.write(5, 2).await;
    delivered(&world, 10).await;
    worker.shutdown().await.unwrap();
    give_back(&world).await;
    assert_eq!(world.lease_rows().len(), 2);
    let like_kcl = multi(&stream, &child, "");
    let born = row(&world, like_kcl["leaseKey"]["S"].as_str().unwrap());
    for column in ["streamName", "shardId"] {
        assert_eq!(born[column], like_kcl[column]);
    }
    assert_eq!(born.get("epoch"), None);
}

#[tokio::test(start_paused = true)]
async fn s10_a_table_that_went_to_kcl_and_back_repeats_nothing() {
    let world = World::with(97, shards(2)).await;
    world.write(20, 1).await;
    create_table(&world);
    for shard in shard_ids(&world) {
        put(&world, v1(&shard, "TRIM_HORIZON", None));
    }
    let worker = world.start_with("a", done).await;
    delivered(&world, 20).await;
    worker.shutdown().await.unwrap();
    give_back(&world).await;
    world.write(20, 2).await;
    world.pass(Duration::from_secs(5)).await;
    let worker = world.worker("b");
    let worker = worker.build().await.unwrap();
    let worker = worker.spawn(world.ledger.processors(done));
    world
        .until(super::ADOPTED, "all", |w| w.ledger.distinct() == 40)
        .await;
    assert_eq!(world.ledger.repeated(), 0);
    worker.shutdown().await.unwrap();
}
