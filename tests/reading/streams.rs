//! Streams that are switched off and on, and what their records carry.

use std::time::Duration;

use aws_sdk_dynamodb::types::StreamViewType;
use shardkeeper::{Event, Outcome};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

use super::{SOON, assert_once, delivered, done, shards};

#[tokio::test(start_paused = true)]
async fn l5_f16_q12_a_stream_that_is_switched_off_is_drained_to_its_end() {
    for delay in [0, 20] {
        let settings = EmulatorSettings {
            stream_disable_delay: Duration::from_secs(delay),
            ..shards(3)
        };
        let world = World::with(131, settings).await;
        let worker = world.start_with("a", done).await;
        world.write(30, 1).await;
        world.emulator.disable_stream(TABLE).unwrap();
        delivered(&world, SOON, 30).await;
        world
            .until(SOON * 3, "ended", |w| w.ledger.ended().len() == 3)
            .await;
        let rows = world.lease_rows();
        let finished = rows
            .iter()
            .filter(|row| row["checkpoint"]["S"] == "SHARD_END")
            .count();
        assert_eq!(finished, 3);
        assert_once(&world);
        worker.shutdown().await.unwrap();
    }
}

/// The streams in the order in which workers came to them.
pub(super) fn followed(world: &World) -> Vec<String> {
    let said = world.events.all().into_iter();
    said.filter_map(|(_, event)| match event {
        Event::StreamChanged { stream } => Some(stream.to_string()),
        _ => None,
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn s13_f52_q12_b34_the_old_stream_is_drained_before_the_new_one_is_read() {
    let settings = EmulatorSettings {
        page_records: 2,
        ..shards(2)
    };
    let world = World::with(132, settings).await;
    let slow = |_: &_, _: &_| shardkeeper_tests::Act::Slow(Duration::from_secs(1));
    let worker = world.start_with("a", slow).await;
    world.write(30, 1).await;
    let old = world.emulator.stream_arn(TABLE).unwrap();
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(Duration::from_secs(1)).await;
    world.enable_stream().await;
    let new = world.emulator.stream_arn(TABLE).unwrap();
    assert_ne!(old, new);
    world.write(30, 2).await;
    delivered(&world, Duration::from_secs(180), 60).await;
    assert_once(&world);
    assert_eq!(followed(&world), [old, new]);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s13_a_fleet_follows_a_table_through_several_streams() {
    let world = World::with(133, shards(3)).await;
    let fleet = [
        world.start_with("a", done).await,
        world.start_with("b", done).await,
    ];
    for round in 1..=4 {
        world.write(20, round).await;
        world.pass(Duration::from_secs(3)).await;
        world.emulator.disable_stream(TABLE).unwrap();
        world.pass(Duration::from_secs(2)).await;
        world.enable_stream().await;
        world.pass(Duration::from_secs(60)).await;
    }
    world.write(20, 5).await;
    delivered(&world, Duration::from_secs(240), 100).await;
    assert_once(&world);
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn s13_a_pinned_stream_is_read_and_no_other() {
    let world = World::with(134, shards(2)).await;
    let pinned = world.emulator.stream_arn(TABLE).unwrap();
    let worker = world
        .spawn(world.worker("a").stream_arn(&pinned), done)
        .await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.enable_stream().await;
    world.write(10, 2).await;
    world.pass(Duration::from_secs(180)).await;
    assert_eq!(world.ledger.distinct(), 10);
    assert_eq!(worker.join().await.unwrap(), Outcome::StreamEnded);
}

#[tokio::test(start_paused = true)]
async fn f16_a_table_that_is_deleted_is_read_to_the_end_of_what_it_had() {
    let settings = EmulatorSettings {
        page_records: 2,
        ..shards(2)
    };
    let world = World::with(141, settings).await;
    let slow = |_: &_, _: &_| shardkeeper_tests::Act::Slow(Duration::from_secs(1));
    let worker = world.start_with("a", slow).await;
    world.write(30, 1).await;
    let delete = serde_json::json!({ "TableName": TABLE });
    world.emulator.request("DeleteTable", &delete).unwrap();
    delivered(&world, SOON * 2, 30).await;
    world
        .until(SOON * 3, "ended", |w| w.ledger.ended().len() == 2)
        .await;
    assert_once(&world);
    assert_eq!(world.events.losses(), []);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f16_f47_a_view_that_is_changed_is_another_stream_and_is_followed() {
    let world = World::viewed(142, shards(2), StreamViewType::KeysOnly).await;
    let views = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&views);
    let worker = world
        .start_with("a", move |batch, _| {
            let of_batch = batch.iter().map(|record| record.new_image_json().is_some());
            seen.lock().unwrap().extend(of_batch);
            shardkeeper_tests::Act::Done
        })
        .await;
    world.write(10, 1).await;
    // The service takes no other view for a stream that is on.
    world.emulator.disable_stream(TABLE).unwrap();
    world.enable_stream().await;
    world.write(10, 2).await;
    delivered(&world, Duration::from_secs(180), 20).await;
    assert_once(&world);
    let expected: Vec<bool> = (0..20).map(|record| record >= 10).collect();
    assert_eq!(*views.lock().unwrap(), expected, "keys first, then images");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_stream_that_aged_away_unread_is_told_and_the_next_one_is_read() {
    let world = World::with(135, shards(1)).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    worker.shutdown().await.unwrap();
    world.write(10, 2).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(Duration::from_secs(25 * 3600)).await;
    world.enable_stream().await;
    world.write(10, 3).await;
    let worker = world.start_with("b", done).await;
    delivered(&world, Duration::from_secs(180), 20).await;
    assert_eq!(world.events.losses().len(), 1, "the ten that nobody read");
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l10_f6_f16_a_stream_that_is_being_switched_on_is_waited_for() {
    let settings = EmulatorSettings {
        stream_enable_delay: Duration::from_secs(45),
        ..shards(2)
    };
    let world = World::with(136, settings).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    delivered(&world, Duration::from_secs(120), 10).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f47_all_four_view_types_are_read() {
    for (view, new, old) in [
        (StreamViewType::KeysOnly, false, false),
        (StreamViewType::NewImage, true, false),
        (StreamViewType::OldImage, false, true),
        (StreamViewType::NewAndOldImages, true, true),
    ] {
        let world = World::viewed(137, shards(2), view.clone()).await;
        world.write(5, 1).await;
        world.write(5, 2).await;
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let records = std::sync::Arc::clone(&seen);
        let worker = world
            .start_with("a", move |batch, _| {
                records.lock().unwrap().extend(batch.iter().cloned());
                shardkeeper_tests::Act::Done
            })
            .await;
        delivered(&world, SOON, 10).await;
        for record in seen.lock().unwrap().iter() {
            let modified = record.kind() == shardkeeper::ChangeKind::Modify;
            assert_eq!(record.new_image_json().is_some(), new, "{view:?}");
            assert_eq!(
                record.old_image_json().is_some(),
                old && modified,
                "{view:?}"
            );
            assert!(record.keys_json().contains("order-"));
            assert_eq!(record.view_type().as_deref(), Some(view.as_str()));
        }
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn f45_deletes_by_time_to_live_are_told_from_the_users() {
    let world = World::with(138, shards(2)).await;
    let now = world.emulator.now().as_secs();
    world.enable_time_to_live("value").await;
    for item in 0..6 {
        let at = if item < 3 { now - 10 } else { now + 100_000 };
        world
            .put(&format!("order-{item}"), usize::try_from(at).unwrap())
            .await;
    }
    assert_eq!(world.emulator.expire_ttl(TABLE).unwrap(), 3);
    world.delete("order-5").await;
    let seen = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    let counts = std::sync::Arc::clone(&seen);
    let worker = world
        .start_with("a", move |batch, _| {
            let mut counts = counts.lock().unwrap();
            for record in batch
                .iter()
                .filter(|r| r.kind() == shardkeeper::ChangeKind::Remove)
            {
                if record.is_ttl_delete() {
                    counts.0 += 1;
                } else {
                    counts.1 += 1;
                }
            }
            shardkeeper_tests::Act::Done
        })
        .await;
    delivered(&world, SOON, 10).await;
    assert_eq!(*seen.lock().unwrap(), (3, 1));
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b19_children_of_every_stream_get_their_leases_when_their_parents_end() {
    let world = World::with(139, shards(2)).await;
    let worker = world.start_with("a", done).await;
    for round in 0..3 {
        world.write(10, 3 * round).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(10, 3 * round + 1).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(10, 3 * round + 2).await;
        delivered(&world, Duration::from_secs(180), 30 * (round + 1)).await;
        world.emulator.disable_stream(TABLE).unwrap();
        world.enable_stream().await;
    }
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b12_listings_that_are_throttled_for_minutes_are_taken_up_again() {
    let world = World::with(140, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    let throttled = Fault::new("DescribeStream", Effect::throttle());
    world.emulator.faults().inject(throttled);
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(10, 2).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.enable_stream().await;
    world.write(10, 3).await;
    world.pass(Duration::from_secs(180)).await;
    world.emulator.faults().clear();
    delivered(&world, Duration::from_secs(180), 30).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}
