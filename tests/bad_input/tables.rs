//! Tables and streams that are not there, or not as they must be.

use std::time::Duration;

use aws_sdk_dynamodb::types::StreamViewType;
use serde_json::json;
use shardkeeper::{ErrorKind, ImageError};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_tests::{Act, TABLE, World};

use super::{another, refused, says};

fn create(world: &World, table: &str, key: &str, kind: &str) {
    let body = json!({
        "TableName": table, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
    });
    world.emulator.request("CreateTable", &body).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unknown_table_is_named_with_what_to_look_at() {
    let world = World::new(311).await;
    let error = refused(another(&world, "checkers").table("ordres")).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &["ordres", "not found", "region"]);
    assert_eq!(
        world.table_names().await,
        [TABLE],
        "no lease table is made for nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_stream_is_named_with_what_to_look_at() {
    let world = World::new(312).await;
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2015-05-20T20:51:10.252";
    let error = refused(another(&world, "checkers").stream_arn(arn)).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &[arn, "not found", "region"]);
}

#[tokio::test(start_paused = true)]
async fn a_table_without_a_stream_is_told_how_to_switch_one_on() {
    let world = World::new(314).await;
    create(&world, "plain", "id", "S");
    let error = refused(another(&world, "checkers").table("plain")).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(
        &error,
        &[
            "plain",
            "no stream",
            "aws dynamodb update-table",
            "StreamEnabled=true",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn f47_a_typed_image_that_the_stream_does_not_carry_says_which_view_type_it_needs() {
    let world = World::viewed(315, EmulatorSettings::default(), StreamViewType::KeysOnly).await;
    world.write(1, 1).await;
    let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let heard = std::sync::Arc::clone(&said);
    let worker = world
        .start_with("a", move |batch, _| {
            let image = batch.records()[0].new_image::<serde_json::Value>();
            let Err(error @ ImageError::NotInView { .. }) = image else {
                panic!("{image:?}");
            };
            *heard.lock().unwrap() = error.to_string();
            Act::Done
        })
        .await;
    world
        .until(Duration::from_secs(20), "asked", |w| {
            w.ledger.distinct() == 1
        })
        .await;
    let said = said.lock().unwrap().clone();
    assert!(
        said.contains("KEYS_ONLY") && said.contains("NEW_AND_OLD_IMAGES"),
        "{said}"
    );
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_with_another_key_is_refused_and_both_keys_are_named() {
    let world = World::new(316).await;
    create(&world, "other", "pk", "S");
    create(&world, "numbered", "leaseKey", "N");
    let error = refused(
        another(&world, "checkers")
            .table(TABLE)
            .lease_table("other"),
    )
    .await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(
        &error,
        &["other", "pk HASH (S)", "leaseKey HASH (S)", ".lease_table("],
    );
    let error = refused(
        another(&world, "checkers")
            .table(TABLE)
            .lease_table("numbered"),
    )
    .await;
    says(
        &error,
        &["numbered", "leaseKey HASH (N)", "leaseKey HASH (S)"],
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_in_creation_is_waited_for() {
    let settings = EmulatorSettings {
        create_delay: Duration::from_secs(20),
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    let world = World::with(317, settings).await;
    world.pass(Duration::from_secs(30)).await;
    create(&world, "new-leases", "leaseKey", "S");
    let before = world.emulator.now();
    let worker = another(&world, "checkers")
        .table(TABLE)
        .lease_table("new-leases")
        .build()
        .await
        .unwrap();
    let waited = world.emulator.now() - before;
    assert!(
        waited >= Duration::from_secs(20) && waited < Duration::from_secs(25),
        "{waited:?}"
    );
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_that_may_not_be_created_is_asked_for_with_the_command() {
    let world = World::new(318).await;
    let error = refused(
        another(&world, "checkers")
            .table(TABLE)
            .never_create_table()
            .lease_table("my-leases"),
    )
    .await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(
        &error,
        &[
            "my-leases",
            "does not exist",
            "aws dynamodb create-table",
            "leaseKey",
        ],
    );
    assert_eq!(world.table_names().await, [TABLE]);
}

#[tokio::test(start_paused = true)]
async fn a_group_row_that_is_damaged_is_told_and_left_alone() {
    let world = World::new(319).await;
    let worker = world.start_with("a", |_, _| Act::Done).await;
    world.pass(Duration::from_secs(5)).await;
    worker.shutdown().await.unwrap();
    world
        .remove_column("shardkeeper/group", "application")
        .await;
    let worker = world.start_with("b", |_, _| Act::Done).await;
    world.pass(Duration::from_secs(30)).await;
    let troubles = world.events.troubles().join("\n");
    assert!(troubles.contains("shardkeeper/group"), "{troubles}");
    worker.shutdown().await.unwrap();
}
