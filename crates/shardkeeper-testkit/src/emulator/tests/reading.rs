//! Iterators and pages.

use std::time::Duration;

use aws_sdk_dynamodbstreams::error::ProvideErrorMetadata;
use aws_sdk_dynamodbstreams::primitives::DateTime;
use aws_sdk_dynamodbstreams::types::ShardIteratorType;

use super::*;

async fn values_from(
    scene: &Scene,
    kind: ShardIteratorType,
    sequence: Option<&str>,
) -> Vec<String> {
    let answer = scene
        .streams
        .get_shard_iterator()
        .stream_arn(scene.arn())
        .shard_id(scene.only_open_shard())
        .shard_iterator_type(kind)
        .set_sequence_number(sequence.map(str::to_owned))
        .send()
        .await
        .unwrap();
    let (records, _) = scene.drain(answer.shard_iterator.unwrap()).await;
    records.iter().filter_map(new_value).collect()
}

#[tokio::test(start_paused = true)]
async fn records_come_in_the_order_of_the_writes_with_growing_sequence_numbers() {
    let scene = Scene::new(one_shard()).await;
    for n in 0..50 {
        scene.put("k", &n.to_string()).await;
    }
    let (records, ended) = scene.drain_shard(&scene.only_open_shard()).await;
    assert!(!ended);
    let values: Vec<String> = records.iter().filter_map(new_value).collect();
    assert_eq!(values, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(records.is_sorted_by(|a, b| sequence(a) < sequence(b)));
    let digits: std::collections::BTreeSet<usize> = records
        .iter()
        .map(|record| record.dynamodb().unwrap().sequence_number().unwrap().len())
        .collect();
    assert!(digits.len() > 1, "widths must differ: {digits:?}");
}

#[tokio::test(start_paused = true)]
async fn f28_an_iterator_starts_at_after_before_or_behind_a_record() {
    let scene = Scene::new(one_shard()).await;
    for value in ["a", "b", "c"] {
        scene.put("k", value).await;
    }
    let (records, _) = scene.drain_shard(&scene.only_open_shard()).await;
    let second = records[1].dynamodb().unwrap().sequence_number().unwrap();
    let at = values_from(&scene, ShardIteratorType::AtSequenceNumber, Some(second)).await;
    assert_eq!(at, ["b", "c"]);
    let after = values_from(&scene, ShardIteratorType::AfterSequenceNumber, Some(second)).await;
    assert_eq!(after, ["c"]);
    assert_eq!(
        values_from(&scene, ShardIteratorType::TrimHorizon, None).await,
        ["a", "b", "c"]
    );
    let latest = scene
        .iterator(&scene.only_open_shard(), ShardIteratorType::Latest)
        .await;
    scene.put("k", "d").await;
    let (records, _) = scene.drain(latest).await;
    assert_eq!(
        records.iter().filter_map(new_value).collect::<Vec<_>>(),
        ["d"]
    );
}

#[tokio::test(start_paused = true)]
async fn reading_from_the_starting_sequence_number_is_reading_from_the_beginning() {
    let scene = Scene::new(one_shard()).await;
    scene.put("k", "a").await;
    let description = scene.describe().await;
    let start = description.shards()[0].sequence_number_range().unwrap();
    let start = start.starting_sequence_number().unwrap();
    let at = values_from(&scene, ShardIteratorType::AtSequenceNumber, Some(start)).await;
    assert_eq!(at, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_timestamp_starts_at_the_first_record_that_is_not_older() {
    let scene = Scene::new(one_shard()).await;
    scene.put("k", "a").await;
    tokio::time::advance(Duration::from_secs(60)).await;
    scene.put("k", "b").await;
    let at = |offset: i64| {
        let time = DateTime::from_secs(ORIGIN.as_secs().cast_signed() + offset);
        scene
            .streams
            .get_shard_iterator()
            .stream_arn(scene.arn())
            .shard_id(scene.only_open_shard())
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(time)
            .send()
    };
    let read = |iterator: Option<String>| async {
        let (records, _) = scene.drain(iterator.unwrap()).await;
        records.iter().filter_map(new_value).collect::<Vec<_>>()
    };
    let ancient = at(-1_000_000).await.unwrap().shard_iterator;
    assert_eq!(read(ancient).await, ["a", "b"]);
    assert_eq!(read(at(1).await.unwrap().shard_iterator).await, ["b"]);
    let error = at(3600).await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
}

#[tokio::test(start_paused = true)]
async fn f36_a_page_ends_at_its_records_or_at_its_bytes_but_has_at_least_one_record() {
    let settings = EmulatorSettings {
        page_records: 3,
        page_bytes: 1000,
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    for key in ["a", "b", "c", "d"] {
        scene.put(key, "small").await;
    }
    for key in ["e", "f"] {
        scene.put(key, &"x".repeat(2000)).await;
    }
    let mut iterator = scene
        .iterator(&scene.only_open_shard(), ShardIteratorType::TrimHorizon)
        .await;
    let mut sizes = Vec::new();
    for _ in 0..5 {
        let page = scene.records(&iterator).await;
        sizes.push(page.records().len());
        iterator = page.next_shard_iterator.unwrap();
    }
    assert_eq!(sizes, [3, 1, 1, 1, 0]);
    let first = scene
        .iterator(&scene.only_open_shard(), ShardIteratorType::TrimHorizon)
        .await;
    let limited = scene
        .streams
        .get_records()
        .shard_iterator(first)
        .limit(2)
        .send()
        .await
        .unwrap();
    assert_eq!(limited.records().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn f30_f41_an_iterator_expires_15_minutes_after_it_was_returned() {
    let scene = Scene::new(one_shard()).await;
    let iterator = scene
        .iterator(&scene.only_open_shard(), ShardIteratorType::TrimHorizon)
        .await;
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    let renewed = scene.records(&iterator).await.next_shard_iterator.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let error = scene
        .streams
        .get_records()
        .shard_iterator(&iterator)
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_expired_iterator_exception());
    scene.records(&renewed).await;
    scene.emulator.expire_iterators();
    let error = scene
        .streams
        .get_records()
        .shard_iterator(&renewed)
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_expired_iterator_exception());
    // A fresh one is good.
    scene.drain_shard(&scene.only_open_shard()).await;
}

#[tokio::test(start_paused = true)]
async fn f29_f42_records_older_than_a_day_are_trimmed_and_positions_in_them_refused() {
    let scene = Scene::new(one_shard()).await;
    let shard = scene.only_open_shard();
    scene.put("k", "a").await;
    let (records, _) = scene.drain_shard(&shard).await;
    let first = records[0]
        .dynamodb()
        .unwrap()
        .sequence_number()
        .unwrap()
        .to_owned();
    tokio::time::advance(Duration::from_secs(24 * 3600 - 600)).await;
    scene.put("k", "b").await;
    let stale = scene.iterator(&shard, ShardIteratorType::TrimHorizon).await;
    tokio::time::advance(Duration::from_secs(601)).await;
    // (a) an iterator asked for with a trimmed number
    for kind in [
        ShardIteratorType::AtSequenceNumber,
        ShardIteratorType::AfterSequenceNumber,
    ] {
        let request = scene
            .streams
            .get_shard_iterator()
            .stream_arn(scene.arn())
            .shard_id(&shard);
        let answer = request
            .shard_iterator_type(kind)
            .sequence_number(&first)
            .send()
            .await;
        assert!(
            answer
                .unwrap_err()
                .into_service_error()
                .is_trimmed_data_access_exception()
        );
    }
    // (b) a record trimmed between the iterator and the read
    let error = scene
        .streams
        .get_records()
        .shard_iterator(stale)
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_trimmed_data_access_exception()
    );
    let (records, _) = scene.drain_shard(&shard).await;
    assert_eq!(
        records.iter().filter_map(new_value).collect::<Vec<_>>(),
        ["b"]
    );
}

#[tokio::test(start_paused = true)]
async fn latest_on_an_empty_shard_waits_for_the_first_record() {
    let scene = Scene::new(one_shard()).await;
    let iterator = scene
        .iterator(&scene.only_open_shard(), ShardIteratorType::Latest)
        .await;
    let next = scene.records(&iterator).await.next_shard_iterator.unwrap();
    scene.put("k", "a").await;
    let (records, _) = scene.drain(next).await;
    assert_eq!(records.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_can_be_trimmed_by_the_test() {
    let scene = Scene::new(one_shard()).await;
    let shard = scene.only_open_shard();
    for value in ["a", "b", "c"] {
        scene.put("k", value).await;
    }
    let (records, _) = scene.drain_shard(&shard).await;
    let second = records[1].dynamodb().unwrap().sequence_number().unwrap();
    assert_eq!(
        scene.emulator.trim_shard(TABLE, &shard, Some(second)),
        Ok(2)
    );
    let (records, _) = scene.drain_shard(&shard).await;
    assert_eq!(
        records.iter().filter_map(new_value).collect::<Vec<_>>(),
        ["c"]
    );
    assert_eq!(scene.emulator.trim_shard(TABLE, &shard, None), Ok(1));
    assert!(scene.emulator.trim_shard(TABLE, "nope", None).is_err());
}

#[tokio::test(start_paused = true)]
async fn b17_an_iterator_stands_at_a_record_and_trimming_does_not_move_it() {
    let scene = Scene::new(one_shard()).await;
    let shard = scene.only_open_shard();
    for value in ["a", "b", "c", "d", "e"] {
        scene.put("k", value).await;
    }
    let (records, _) = scene.drain_shard(&shard).await;
    let second = records[1].dynamodb().unwrap().sequence_number().unwrap();
    let first = scene.iterator(&shard, ShardIteratorType::TrimHorizon).await;
    let request = scene.streams.get_records().shard_iterator(first).limit(3);
    let third_is_read = request.send().await.unwrap().next_shard_iterator.unwrap();
    assert_eq!(
        scene.emulator.trim_shard(TABLE, &shard, Some(second)),
        Ok(2)
    );
    scene.put("k", "f").await;
    let (records, _) = scene.drain(third_is_read).await;
    assert_eq!(
        records.iter().filter_map(new_value).collect::<Vec<_>>(),
        ["d", "e", "f"]
    );
}
