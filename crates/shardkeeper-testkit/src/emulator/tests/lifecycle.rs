//! Streams that are switched on and off.

use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodbstreams::types::StreamStatus;

use super::*;

async fn switch(scene: &Scene, view: Option<StreamViewType>) -> Result<(), Option<String>> {
    let off = || {
        StreamSpecification::builder()
            .stream_enabled(false)
            .build()
            .expect("complete")
    };
    let specification = view.map_or_else(off, enabled);
    let request = scene.tables.update_table().table_name(TABLE);
    match request.stream_specification(specification).send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.code().map(str::to_owned)),
    }
}

#[tokio::test(start_paused = true)]
async fn f52_q12_a_stream_switched_off_stays_readable_and_a_new_one_has_a_new_arn() {
    let scene = Scene::new(one_shard()).await;
    let old = scene.arn();
    let validation = || Err(Some("ValidationException".to_owned()));
    scene.put("k", "a").await;
    assert_eq!(
        switch(&scene, Some(StreamViewType::KeysOnly)).await,
        validation()
    );
    switch(&scene, None).await.unwrap();
    assert_eq!(switch(&scene, None).await, validation());
    scene.put("k", "unseen").await;
    let description = scene.describe().await;
    assert_eq!(description.stream_status(), Some(&StreamStatus::Disabled));
    let shard = description.shards()[0].clone();
    assert!(
        shard
            .sequence_number_range()
            .unwrap()
            .ending_sequence_number()
            .is_some()
    );
    let (records, ended) = scene.drain_shard(shard.shard_id().unwrap()).await;
    assert_eq!((records.len(), ended), (1, true));

    switch(&scene, Some(StreamViewType::NewImage))
        .await
        .unwrap();
    let new = scene.arn();
    assert_ne!(old, new, "although no time has passed");
    let table = scene
        .tables
        .describe_table()
        .table_name(TABLE)
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    assert_eq!(table.latest_stream_arn(), Some(new.as_str()));
    assert!(new.ends_with(table.latest_stream_label().unwrap()));
    let listed = scene
        .streams
        .list_streams()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let arns: Vec<&str> = listed
        .streams()
        .iter()
        .filter_map(|stream| stream.stream_arn())
        .collect();
    assert_eq!(arns, [new.as_str(), old.as_str()], "newest first");

    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    let gone = scene
        .streams
        .describe_stream()
        .stream_arn(old)
        .send()
        .await
        .unwrap_err();
    assert!(gone.into_service_error().is_resource_not_found_exception());
}

#[tokio::test(start_paused = true)]
async fn f16_a_stream_is_enabling_and_disabling_for_a_while() {
    let settings = EmulatorSettings {
        stream_enable_delay: Duration::from_secs(3),
        stream_disable_delay: Duration::from_secs(3),
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    let status = async || scene.describe().await.stream_status.unwrap();
    assert_eq!(status().await, StreamStatus::Enabling);
    assert!(scene.describe().await.shards().is_empty());
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(status().await, StreamStatus::Enabled);
    assert_eq!(scene.describe().await.shards().len(), 1);
    switch(&scene, None).await.unwrap();
    assert_eq!(status().await, StreamStatus::Disabling);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(status().await, StreamStatus::Disabled);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_deleted_table_outlives_it_by_a_day() {
    let scene = Scene::new(one_shard()).await;
    let old = scene.arn();
    scene
        .tables
        .delete_table()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    create_table(&scene.tables, TABLE, Some(StreamViewType::KeysOnly)).await;
    let described = scene
        .streams
        .describe_stream()
        .stream_arn(&old)
        .send()
        .await
        .unwrap();
    let status = described.stream_description.unwrap().stream_status;
    assert_eq!(status, Some(StreamStatus::Disabled));
    let listed = scene
        .streams
        .list_streams()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.streams().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn f51_streams_are_listed_in_pages() {
    let settings = EmulatorSettings {
        list_page_streams: 2,
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    for name in ["other-1", "other-2", "other-3", "other-4"] {
        create_table(&scene.tables, name, Some(StreamViewType::KeysOnly)).await;
    }
    let mut start = None;
    let mut pages = Vec::new();
    loop {
        let page = scene
            .streams
            .list_streams()
            .set_exclusive_start_stream_arn(start)
            .send()
            .await
            .unwrap();
        pages.push(page.streams().len());
        start = page.last_evaluated_stream_arn;
        if start.is_none() {
            break;
        }
    }
    assert_eq!(pages, [2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn f9_f15_f26_a_description_holds_what_there_is_to_know() {
    let settings = EmulatorSettings {
        create_delay: Duration::from_secs(5),
        stream_enable_delay: Duration::from_secs(20),
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    let asked_for = ORIGIN.as_secs().cast_signed();
    tokio::time::advance(Duration::from_secs(60)).await;
    let description = scene.describe().await;
    assert_eq!(description.stream_status(), Some(&StreamStatus::Enabled));
    assert_eq!(description.stream_arn(), Some(scene.arn().as_str()));
    assert!(
        scene
            .arn()
            .ends_with(&format!("/stream/{}", description.stream_label().unwrap()))
    );
    assert_eq!(description.table_name(), Some(TABLE));
    assert_eq!(
        description.stream_view_type().unwrap().as_str(),
        "NEW_AND_OLD_IMAGES"
    );
    let key = &description.key_schema()[0];
    assert_eq!(
        (key.attribute_name(), key.key_type().as_str()),
        ("pk", "HASH")
    );
    assert_eq!(description.last_evaluated_shard_id(), None);
    assert_eq!(
        description.creation_request_date_time().unwrap().secs(),
        asked_for,
        "when it was asked for, not when it was ready"
    );
    let shard = &description.shards()[0];
    assert!(shard.shard_id().is_some() && shard.parent_shard_id().is_none());
    let range = shard.sequence_number_range().unwrap();
    assert!(range.starting_sequence_number().is_some());
    assert!(range.ending_sequence_number().is_none());
}

#[tokio::test(start_paused = true)]
async fn f53_the_errors_of_list_streams_arrive_with_their_names() {
    use crate::faults::{Effect, Fault};
    let scene = Scene::new(one_shard()).await;
    let list = async || {
        let request = aws_sdk_dynamodbstreams::Client::new(
            &scene
                .emulator
                .sdk_config()
                .into_builder()
                .retry_config(aws_config::retry::RetryConfig::disabled())
                .build(),
        );
        let answer = request.list_streams().send().await;
        answer.unwrap_err().into_service_error()
    };
    let inject = |effect| {
        let fault = Fault::new("ListStreams", effect);
        scene.emulator.faults().inject(fault.times(1));
    };
    inject(Effect::error(400, "ResourceNotFoundException"));
    assert!(list().await.is_resource_not_found_exception());
    inject(Effect::internal_error());
    assert!(list().await.is_internal_server_error());
}
