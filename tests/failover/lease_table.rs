//! Somebody else's hand in the lease table.

use std::time::Duration;

use shardkeeper::{ErrorKind, Event, Settings};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, TABLE, World};

use super::{SOON, TAKE_OVER, delivered, done, ours, shards};

/// The key of the lease of the only shard.
fn the_lease(world: &World) -> String {
    let rows = world.lease_rows();
    let mut keys = rows
        .into_iter()
        .filter(|row| row["entityType"]["S"] == "LEASE");
    keys.next().expect("a lease")["leaseKey"]["S"]
        .as_str()
        .expect("text")
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn s2_a_lease_row_that_was_deleted_comes_back_and_nothing_is_lost() {
    let world = World::with(31, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    world.pass(Duration::from_secs(5)).await;
    world.delete_row(&the_lease(&world)).await;
    world.write(10, 2).await;
    // Discovery covers the shard again, from its oldest record.
    delivered(&world, Duration::from_secs(240), 20).await;
    world
        .until(Duration::from_secs(240), "owned", |_| ours(&worker) == 1)
        .await;
    world.write(10, 3).await;
    delivered(&world, SOON, 30).await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s5_an_owner_written_by_hand_ends_the_readers_claim() {
    let world = World::with(32, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    world.pass(Duration::from_secs(5)).await;
    let key = the_lease(&world);
    world
        .edit_row(&key, "SET leaseOwner = :v", "an operator")
        .await;
    world.write(10, 2).await;
    world
        .until(SOON, "lost", |w| {
            w.events
                .count(|event| matches!(event, Event::LeaseLost { .. }))
                == 1
        })
        .await;
    // The operator never beats, so the row expires like any other.
    delivered(&world, TAKE_OVER * 2, 20).await;
    world
        .until(TAKE_OVER * 2, "ours again", |_| ours(&worker) == 1)
        .await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_damaged_lease_row_is_told_and_left_alone_and_the_others_go_on() {
    let world = World::with(33, shards(4)).await;
    let worker = world.start_with("a", done).await;
    world.write(40, 1).await;
    delivered(&world, SOON, 40).await;
    worker.shutdown().await.unwrap();
    let key = the_lease(&world);
    world
        .edit_row(&key, "SET checkpoint = :v", "half past nine")
        .await;
    let worker = world.start_with("b", done).await;
    world.write(40, 2).await;
    world.until(SOON, "owned", |_| ours(&worker) == 3).await;
    world.pass(Duration::from_secs(60)).await;
    let told: Vec<String> = world
        .events
        .all()
        .into_iter()
        .filter_map(|(_, event)| match event {
            Event::LeaseUnreadable { key, why } => Some(format!("{key}: {why}")),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(told[0].contains("half past nine"), "{told:?}");
    assert!(world.ledger.distinct() > 40 && world.ledger.distinct() < 80);
    world
        .edit_row(&key, "SET checkpoint = :v", "TRIM_HORIZON")
        .await;
    delivered(&world, Duration::from_secs(240), 80).await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_of_another_application_is_refused_and_left_alone() {
    let world = World::with(34, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(3, 1).await;
    delivered(&world, SOON, 3).await;
    let before = world.lease_rows().len();
    let stranger = shardkeeper::Worker::builder("another")
        .table(TABLE)
        .lease_table(APPLICATION)
        .aws_config(&world.emulator.sdk_config())
        .env(shardkeeper::Env::simulated(7))
        .build()
        .await
        .map(|worker| worker.spawn(world.ledger.processors(done)));
    let error = match stranger {
        Ok(handle) => handle.join().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    for part in [APPLICATION, "another", "table of its own"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(world.lease_rows().len(), before);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_lease_table_that_is_deleted_under_a_running_worker_is_never_created_again_in_silence()
{
    let world = World::with(35, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(3, 1).await;
    delivered(&world, SOON, 3).await;
    world
        .dynamodb
        .delete_table()
        .table_name(APPLICATION)
        .send()
        .await
        .unwrap();
    world.write(3, 2).await;
    world.pass(Duration::from_secs(120)).await;
    let tables = world.dynamodb.list_tables().send().await.unwrap();
    assert_eq!(tables.table_names(), [TABLE]);
    let troubles = world.events.troubles().join("\n");
    assert!(troubles.contains(APPLICATION), "{troubles}");
    let calls: u64 = world.emulator.calls().values().sum();
    world.pass(Duration::from_secs(600)).await;
    let after: u64 = world.emulator.calls().values().sum();
    assert!(
        after - calls < 600,
        "L9: {} calls in ten minutes",
        after - calls
    );
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_the_epoch_floor_never_falls_when_leases_are_forgotten() {
    let world = World::with(36, shards(2)).await;
    // Two lineages with different histories: the first shard changed hands more often.
    let first = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    first.shutdown().await.unwrap();
    let mut keys: Vec<String> = world
        .lease_rows()
        .iter()
        .filter(|row| row["entityType"]["S"] == "LEASE")
        .map(|row| row["leaseKey"]["S"].as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    world.edit_number(&keys[0], "SET epoch = :v", 70).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    let second = world.start_with("b", done).await;
    world.write(20, 2).await;
    delivered(&world, SOON, 40).await;
    let parents: Vec<String> = world
        .emulator
        .shards(TABLE)
        .unwrap()
        .into_iter()
        .filter(|shard| !shard.open)
        .map(|shard| shard.id)
        .collect();
    world.pass(Duration::from_secs(5)).await;
    for parent in &parents {
        world.emulator.forget_shard(TABLE, parent).unwrap();
    }
    world
        .until(Duration::from_secs(120), "forgotten", |w| {
            let rows = w.lease_rows();
            rows.iter()
                .filter(|row| row["entityType"]["S"] == "LEASE")
                .count()
                == 2
        })
        .await;
    let group = world
        .lease_rows()
        .into_iter()
        .find(|row| row.get("epochFloor").is_some())
        .unwrap();
    let floor: u64 = group["epochFloor"]["N"].as_str().unwrap().parse().unwrap();
    assert!(
        floor >= 70,
        "the floor is {floor} though epoch 70 and more was used"
    );
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l9_the_rows_of_workers_that_are_gone_do_not_pile_up() {
    let world = World::with(37, shards(1)).await;
    for life in 0..10 {
        let worker = world.start_with(&format!("w{life}"), done).await;
        world.pass(Duration::from_secs(5)).await;
        worker.shutdown().await.unwrap();
    }
    let worker = world.start_with("last", done).await;
    world.pass(Duration::from_secs(600)).await;
    let rows = world.lease_rows();
    let workers = rows
        .iter()
        .filter(|row| row["entityType"]["S"] == "SHARDKEEPER_WORKER")
        .count();
    assert_eq!(workers, 1, "of eleven workers one lives");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l9_an_idle_fleet_reads_its_whole_table_once_in_a_sweep_interval_and_worker() {
    let world = World::with(38, shards(6)).await;
    let mut settings = Settings::default();
    settings.idle_poll_max = Duration::from_secs(30);
    let mut fleet = Vec::new();
    for name in ["a", "b", "c"] {
        let worker = world.worker(name).settings(settings.clone());
        fleet.push(world.spawn(worker, done).await);
    }
    world.pass(Duration::from_secs(120)).await;
    let sweeps = |world: &World| world.emulator.calls().get("Scan").copied().unwrap_or(0);
    let before = sweeps(&world);
    world.pass(Duration::from_secs(1800)).await;
    let took = sweeps(&world) - before;
    // Ten in half an hour for each worker, and as many for discovery.
    assert!(took <= 10 * (3 + 1) + 4, "{took} sweeps in half an hour");
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn l9_sweeps_that_fail_slowly_rest_like_those_that_are_answered() {
    let world = World::with(39, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.pass(Duration::from_secs(60)).await;
    let hangs = Fault::new("Scan", Effect::Hangs);
    world.emulator.faults().inject(hangs);
    // The next one is due within three minutes.
    world.pass(Duration::from_secs(240)).await;
    let failed =
        |event: &Event| matches!(event, Event::CallFailed { action, .. } if *action == "Scan");
    let sweeps = || world.events.count(failed);
    let before = sweeps();
    world.pass(Duration::from_secs(1200)).await;
    let took = sweeps() - before;
    // Each takes five seconds, and the keeper rests for half a lease duration; discovery's come once in 20 to 35 s.
    assert!((60..=1200 / 10 + 60).contains(&took), "{took} sweeps");
    world.emulator.faults().clear();
    worker.shutdown().await.unwrap();
}
