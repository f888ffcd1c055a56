//! Records with members that are odd, unknown or absent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::{ChangeKind, Record};
use shardkeeper_tests::{Act, World};

use super::disguise::{Exchange, behind};
use super::{SOON, a_life_behind, assert_whole, delivered, shards};

/// What a worker gives out of ten records, each changed like this on its way.
async fn read_through(
    seed: u64,
    mut change: impl FnMut(usize, &mut Value) + Send + 'static,
) -> Vec<Record> {
    let world = World::with(seed, shards(1)).await;
    world.write(10, 1).await;
    let mut seen = 0;
    let face = move |exchange: &mut Exchange| {
        for record in exchange.records() {
            change(seen, record);
            seen += 1;
        }
    };
    let config = behind(&world.emulator, face);
    let records = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&records);
    let worker = world.worker("a").aws_config(&config);
    let worker = world
        .spawn(worker, move |batch, _| {
            kept.lock().unwrap().extend(batch.iter().cloned());
            Act::Done
        })
        .await;
    delivered(&world, SOON, 10).await;
    assert_whole(&world);
    // What was given out is acknowledged, and its age told.
    world.pass(Duration::from_secs(2)).await;
    let age = worker.status().shards[0].iterator_age;
    assert!(
        age.is_none_or(|age| age < Duration::from_secs(3_000_000_000)),
        "{age:?}"
    );
    worker.shutdown().await.unwrap();
    records.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn f44_q5_unknown_event_names_and_odd_identities_are_delivered() {
    let names = [
        json!("UNKNOWN_TO_SDK_VERSION"),
        json!("ARCHIVE"),
        json!(""),
        json!(null),
        json!(7),
    ];
    let records = read_through(941, move |n, record| {
        record["eventName"] = names[n % names.len()].clone();
    })
    .await;
    assert!(
        records
            .iter()
            .all(|record| record.kind() == ChangeKind::Unknown)
    );
    assert!(
        records
            .iter()
            .all(|record| record.new_image_json().is_some())
    );

    let identities = [
        json!(null),
        json!({}),
        json!("somebody"),
        json!(5),
        json!({"Type": 7}),
        json!({"Type": "User"}),
        json!([]),
    ];
    let records = read_through(942, move |n, record| {
        record["userIdentity"] = identities[n % identities.len()].clone();
    })
    .await;
    assert!(
        records
            .iter()
            .all(|record| !record.is_ttl_delete() && record.kind() == ChangeKind::Insert)
    );
}

#[tokio::test(start_paused = true)]
async fn f44_f46_what_is_optional_or_new_may_be_absent_or_there() {
    let records = read_through(943, |n, record| {
        let outer = record.as_object_mut().unwrap();
        for member in [
            "eventID",
            "eventVersion",
            "awsRegion",
            "eventSource",
            "userIdentity",
        ] {
            outer.remove(member);
        }
        outer.insert("eventVersion".into(), json!("97.3"));
        outer.insert("somethingNew".into(), json!({"deep": [1, {"er": null}]}));
        let change = record["dynamodb"].as_object_mut().unwrap();
        change.insert("SomethingNew".into(), json!([[]]));
        if n % 2 == 0 {
            for member in ["ApproximateCreationDateTime", "SizeBytes", "StreamViewType"] {
                change.remove(member);
            }
        }
    })
    .await;
    assert!(records.iter().all(|record| record.event_id().is_none()));
    let dated = records
        .iter()
        .filter(|record| record.created_at().is_some());
    assert_eq!(dated.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn f48_an_attribute_type_that_nobody_knows_is_delivered_as_it_came() {
    let records = read_through(944, |_, record| {
        record["dynamodb"]["NewImage"]["later"] = json!({"DECIMAL128": "1.10"});
        record["dynamodb"]["NewImage"]["exact"] =
            json!({"N": "0.1000000000000000000000000000000000001"});
        record["dynamodb"]["StreamViewType"] = json!("NEW_IMAGE_AND_MORE");
    })
    .await;
    for record in &records {
        let image: Value = serde_json::from_str(record.new_image_json().unwrap()).unwrap();
        assert_eq!(image["later"], json!({"DECIMAL128": "1.10"}));
        assert_eq!(
            image["exact"],
            json!({"N": "0.1000000000000000000000000000000000001"})
        );
        assert_eq!(record.view_type().as_deref(), Some("NEW_IMAGE_AND_MORE"));
    }
}

#[tokio::test(start_paused = true)]
async fn f50_q9_times_that_fall_stand_still_or_make_no_sense_order_and_drop_nothing() {
    let now = 1_795_000_000.0_f64;
    let times: Vec<fn(usize, f64) -> Value> = vec![
        |n, now| json!(now - 1000.0 * n as f64),
        |_, now| json!(now - now % 60.0),
        |_, _| json!(0),
        |n, _| json!(n as f64 / 7.0),
        |_, now| json!(now + 1.0e6),
        |_, _| json!(-5),
        |_, _| json!(1.0e300),
        |_, _| json!(u64::MAX),
        |_, _| json!(null),
    ];
    for time in times {
        let records = read_through(945, move |n, record| {
            record["dynamodb"]["ApproximateCreationDateTime"] = time(n, now);
        })
        .await;
        assert!(
            records.is_sorted_by_key(Record::sequence_number),
            "in the order of the shard"
        );
        assert_eq!(records.len(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn f50_a_life_with_times_that_go_back_and_forth_loses_nothing() {
    a_life_behind(946, || {
        let mut seen = 0_u32;
        move |exchange: &mut Exchange| {
            for record in exchange.records() {
                seen += 1;
                record["dynamodb"]["ApproximateCreationDateTime"] =
                    json!(1_795_000_000 + i64::from(seen * 7919 % 5000) - 2500);
            }
        }
    })
    .await;
}
