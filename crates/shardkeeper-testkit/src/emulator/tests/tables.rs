//! Tables.

use aws_sdk_dynamodb::types::TableStatus;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_table_without_a_stream_has_none_until_it_is_enabled() {
    let scene = Scene::new(one_shard()).await;
    create_table(&scene.tables, "plain", None).await;
    let table = scene
        .tables
        .describe_table()
        .table_name("plain")
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    assert_eq!(table.table_status(), Some(&TableStatus::Active));
    assert!(table.latest_stream_arn().is_none() && table.stream_specification().is_none());
    assert!(scene.emulator.shards("plain").is_err());
    scene.emulator.set_initial_shards("plain", 9);
    let request = scene.tables.update_table().table_name("plain");
    request
        .stream_specification(enabled(StreamViewType::KeysOnly))
        .send()
        .await
        .unwrap();
    assert_eq!(scene.emulator.shards("plain").unwrap().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_table_is_creating_before_it_is_active() {
    let settings = EmulatorSettings {
        create_delay: Duration::from_secs(5),
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    let status = async || {
        let table = scene
            .tables
            .describe_table()
            .table_name(TABLE)
            .send()
            .await
            .unwrap()
            .table
            .unwrap();
        table.table_status.unwrap()
    };
    assert_eq!(status().await, TableStatus::Creating);
    let get = || {
        scene
            .tables
            .get_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S("k".to_owned()))
            .send()
    };
    assert!(
        get()
            .await
            .unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(status().await, TableStatus::Active);
    assert!(get().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn tables_are_listed_in_pages_and_named_once() {
    let scene = Scene::new(one_shard()).await;
    create_table(&scene.tables, "more", None).await;
    let first = scene.tables.list_tables().limit(1).send().await.unwrap();
    assert_eq!(first.table_names(), ["more"]);
    let start = first.last_evaluated_table_name().unwrap();
    let second = scene
        .tables
        .list_tables()
        .exclusive_start_table_name(start)
        .send()
        .await
        .unwrap();
    assert_eq!(second.table_names(), [TABLE]);
    assert!(second.last_evaluated_table_name().is_none());
    let again = scene.emulator.request(
        "CreateTable",
        &serde_json::json!({
            "TableName": TABLE,
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }),
    );
    let (status, body) = again.unwrap_err();
    assert_eq!(status, 400);
    assert!(
        body["__type"]
            .as_str()
            .unwrap()
            .ends_with("#ResourceInUseException"),
        "{body}"
    );
}
