//! What records say about a change.

use aws_sdk_dynamodbstreams::types::OperationType;

use super::*;

/// An insert, a change, a change that changes nothing, a removal, and a removal of nothing.
async fn write_all(scene: &Scene) -> Vec<Record> {
    scene.put("k", "a").await;
    scene.put("k", "b").await;
    scene.put("k", "b").await;
    scene.delete("k").await;
    scene.delete("k").await;
    scene.drain_shard(&scene.only_open_shard()).await.0
}

#[tokio::test(start_paused = true)]
async fn a_record_is_written_only_when_something_changed() {
    let scene = Scene::new(one_shard()).await;
    let records = write_all(&scene).await;
    let names: Vec<&OperationType> = records
        .iter()
        .filter_map(|record| record.event_name())
        .collect();
    assert_eq!(
        names,
        [
            &OperationType::Insert,
            &OperationType::Modify,
            &OperationType::Remove
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn f47_each_view_type_has_its_images() {
    let values = |new: [Option<&str>; 3], old: [Option<&str>; 3]| {
        let own = |values: [Option<&str>; 3]| values.map(|value| value.map(str::to_owned)).to_vec();
        (own(new), own(old))
    };
    let (new, old) = ([Some("a"), Some("b"), None], [None, Some("a"), Some("b")]);
    for (view, expected) in [
        (StreamViewType::KeysOnly, values([None; 3], [None; 3])),
        (StreamViewType::NewImage, values(new, [None; 3])),
        (StreamViewType::OldImage, values([None; 3], old)),
        (StreamViewType::NewAndOldImages, values(new, old)),
    ] {
        let scene = Scene::with_view(one_shard(), view.clone()).await;
        let records = write_all(&scene).await;
        let new: Vec<Option<String>> = records.iter().map(new_value).collect();
        let old: Vec<Option<String>> = records.iter().map(old_value).collect();
        assert_eq!((new, old), expected, "{view}");
        assert!(records.iter().all(|record| key(record) == "k"));
        let stated = records
            .iter()
            .map(|record| record.dynamodb().unwrap().stream_view_type().unwrap());
        assert!(
            stated
                .into_iter()
                .all(|stated| stated.as_str() == view.as_str())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn f44_f46_a_record_says_where_and_when_it_comes_from() {
    let scene = Scene::new(one_shard()).await;
    tokio::time::advance(Duration::from_millis(1999)).await;
    let records = write_all(&scene).await;
    let first = &records[0];
    assert_eq!(first.aws_region(), Some("us-east-1"));
    assert_eq!(first.event_source(), Some("aws:dynamodb"));
    assert_eq!(first.event_version(), Some("1.1"));
    let data = first.dynamodb().unwrap();
    let time = data.approximate_creation_date_time().unwrap();
    assert_eq!(
        time.secs(),
        ORIGIN.as_secs().cast_signed() + 1,
        "rounded down to the second"
    );
    assert_eq!(time.subsec_nanos(), 0);
    // Keys, then the new image: pk, k, pk, k, v, a.
    assert_eq!(data.size_bytes(), Some(3 + 3 + 2));
    let ids: std::collections::BTreeSet<&str> =
        records.iter().filter_map(Record::event_id).collect();
    assert_eq!(ids.len(), records.len());
    assert!(
        records
            .iter()
            .all(|record| record.user_identity().is_none())
    );
}

#[tokio::test(start_paused = true)]
async fn f45_a_deletion_by_time_to_live_carries_the_identity_of_the_service() {
    let scene = Scene::new(one_shard()).await;
    assert!(
        scene.emulator.expire_ttl(TABLE).is_err(),
        "no time to live yet"
    );
    let specification = aws_sdk_dynamodb::types::TimeToLiveSpecification::builder()
        .attribute_name("expires")
        .enabled(true)
        .build()
        .unwrap();
    let request = scene.tables.update_time_to_live().table_name(TABLE);
    request
        .time_to_live_specification(specification)
        .send()
        .await
        .unwrap();
    for (key, expires) in [
        ("past", ORIGIN.as_secs() - 1),
        ("future", ORIGIN.as_secs() + 100),
    ] {
        scene
            .tables
            .put_item()
            .table_name(TABLE)
            .item("pk", AttributeValue::S(key.to_owned()))
            .item("expires", AttributeValue::N(expires.to_string()))
            .send()
            .await
            .unwrap();
    }
    assert_eq!(scene.emulator.expire_ttl(TABLE), Ok(1));
    let (records, _) = scene.drain_shard(&scene.only_open_shard()).await;
    let last = records.last().unwrap();
    assert_eq!(
        (last.event_name(), key(last).as_str()),
        (Some(&OperationType::Remove), "past")
    );
    let identity = last.user_identity().unwrap();
    assert_eq!(identity.r#type(), Some("Service"));
    assert_eq!(identity.principal_id(), Some("dynamodb.amazonaws.com"));
}
