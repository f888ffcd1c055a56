//! A Java worker that is started again on a table that is ours.

use std::time::Duration;

use shardkeeper::{Env, Event};
use shardkeeper_tests::{TABLE, World};

use super::java::{Java, left_behind, put, row, shard_ids, v1};
use super::{ADOPTED, delivered, done, shards};

fn stops(world: &World) -> Vec<String> {
    let all = world.events.all();
    let why = |event: &Event| match event {
        Event::ShardStopped { why, .. } => Some(why.clone()),
        _ => None,
    };
    all.iter().filter_map(|(_, event)| why(event)).collect()
}

/// DynamoDBLeaseTakerTest: a lease whose counter does not move is taken, and ours do not move.
#[tokio::test(start_paused = true)]
async fn rule_16_a_lease_that_a_kcl_worker_takes_from_us_stops_and_the_others_go_on() {
    let world = World::with(91, shards(2)).await;
    world.write(20, 1).await;
    let ids = shard_ids(&world);
    left_behind(
        &world,
        &[
            (&ids[0], "TRIM_HORIZON", None),
            (&ids[1], "TRIM_HORIZON", None),
        ],
    );
    let worker = world.start_with("a", done).await;
    delivered(&world, 20).await;
    let java = Java::new(&world, &ids[0], "java-7");
    let env = Env::simulated(1);
    java.take();
    world.write(20, 2).await;
    java.renews(&env, Duration::from_millis(3308), 10).await;
    let stopped = stops(&world);
    assert_eq!(stopped.len(), 1, "told once: {stopped:?}");
    assert!(stopped[0].contains("java-7"), "{stopped:?}");
    let stolen = row(&world, &ids[0]);
    assert!(stolen["stoppedWhy"]["S"].as_str().unwrap().contains("KCL"));
    assert_eq!(world.ledger.lost().len(), 1);
    let before = world.ledger.distinct();
    world.write(20, 3).await;
    world.pass(Duration::from_secs(60)).await;
    assert!(world.ledger.distinct() > before, "the other shard goes on");
    let last = world.ledger.dispatches().pop().unwrap();
    assert_eq!(last.shard.to_string(), ids[1]);
    worker.shutdown().await.unwrap();
}

/// HierarchicalShardSyncerTest: the lease that a Java worker makes for a shard that it finds.
#[tokio::test(start_paused = true)]
async fn s9_a_lease_that_kcl_made_later_covers_its_shard_is_told_and_adopted_when_it_stands_still()
{
    let world = World::with(92, shards(1)).await;
    world.write(5, 1).await;
    let parent = shard_ids(&world).remove(0);
    left_behind(&world, &[(&parent, "TRIM_HORIZON", None)]);
    let worker = world.start_with("a", done).await;
    delivered(&world, 5).await;
    let children = world.emulator.split(TABLE, &parent, 2).unwrap();
    let (one, other) = (children[0].clone(), children[1].clone());
    put(&world, v1(&other, "TRIM_HORIZON", Some(&parent)));
    world.write(30, 2).await;
    world
        .until(ADOPTED, "told", |w| {
            w.events
                .count(|event| matches!(event, Event::LeaseUnreadable { key, .. } if *key == other))
                == 1
        })
        .await;
    world
        .until(ADOPTED * 3, "both are read", |w| w.ledger.distinct() == 35)
        .await;
    assert_eq!(world.ledger.repeated(), 0);
    for shard in [&one, &other] {
        let rows = world.lease_rows();
        let leases = rows.iter().filter(|row| {
            row["leaseKey"]["S"]
                .as_str()
                .unwrap()
                .ends_with(shard.as_str())
        });
        assert_eq!(leases.count(), 1, "{shard}");
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_a_lease_that_kcl_made_for_a_shard_of_ours_is_told_and_never_used() {
    let world = World::with(93, shards(1)).await;
    world.write(5, 1).await;
    let worker = world.start_with("a", done).await;
    delivered(&world, 5).await;
    let shard = shard_ids(&world).remove(0);
    let row_of_kcl = v1(&shard, "TRIM_HORIZON", None);
    put(&world, row_of_kcl.clone());
    world.pass(ADOPTED * 5).await;
    world.write(5, 2).await;
    delivered(&world, 10).await;
    assert_eq!(row(&world, &shard), row_of_kcl, "left as it is");
    let told = |event: &Event| matches!(event, Event::LeaseUnreadable { key, .. } if *key == shard);
    assert_eq!(world.events.count(told), 1);
    worker.shutdown().await.unwrap();
}
