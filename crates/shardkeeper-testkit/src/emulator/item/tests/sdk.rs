//! The same operations through the real AWS SDK: members, types and errors survive the journey.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, KeySchemaElement, KeyType,
    KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure, ScalarAttributeType,
    StreamSpecification, StreamViewType, TransactWriteItem, Update,
};
use aws_sdk_dynamodbstreams::types::ShardIteratorType;

use crate::emulator::Emulator;

const TABLE: &str = "leases";

async fn emulator() -> (Emulator, Client) {
    let emulator = Emulator::builder().seed(1).build();
    let client = Client::new(&emulator.sdk_config());
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages)
        .build()
        .unwrap();
    let key = KeySchemaElement::builder()
        .attribute_name("leaseKey")
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let definition = AttributeDefinition::builder()
        .attribute_name("leaseKey")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .unwrap();
    client
        .create_table()
        .table_name(TABLE)
        .key_schema(key)
        .attribute_definitions(definition)
        .billing_mode(BillingMode::PayPerRequest)
        .stream_specification(stream)
        .send()
        .await
        .unwrap();
    (emulator, client)
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn take(owner: &str, epoch: u64) -> Update {
    Update::builder()
        .table_name(TABLE)
        .key("leaseKey", s("l"))
        .update_expression("SET leaseOwner = :me, epoch = :new")
        .condition_expression("epoch = :old")
        .expression_attribute_values(":me", s(owner))
        .expression_attribute_values(":old", n(epoch))
        .expression_attribute_values(":new", n(epoch + 1))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_conditional_update_answers_the_new_row_or_the_row_that_was_in_the_way() {
    let (_emulator, client) = emulator().await;
    let create = || {
        client
            .update_item()
            .table_name(TABLE)
            .key("leaseKey", s("l"))
            .update_expression("SET leaseOwner = :o, epoch = :e")
            .condition_expression("attribute_not_exists(leaseKey)")
            .expression_attribute_values(":o", s("w1"))
            .expression_attribute_values(":e", n(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    let created = create().await.unwrap();
    assert_eq!(created.attributes().unwrap()["epoch"], n(1));
    let refused = create().await.unwrap_err().into_service_error();
    let failed = match refused {
        aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(failed) => failed,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed.item().unwrap()["leaseOwner"], s("w1"));
}

#[tokio::test]
async fn a_cancelled_transaction_carries_its_reasons_and_rows() {
    let (_emulator, client) = emulator().await;
    client
        .put_item()
        .table_name(TABLE)
        .item("leaseKey", s("l"))
        .item("epoch", n(1))
        .send()
        .await
        .unwrap();
    let worker_lives = ConditionCheck::builder()
        .table_name(TABLE)
        .key("leaseKey", s("worker"))
        .condition_expression("attribute_not_exists(leaseKey)")
        .build()
        .unwrap();
    let transact = |epoch: u64| {
        client
            .transact_write_items()
            .transact_items(
                TransactWriteItem::builder()
                    .condition_check(worker_lives.clone())
                    .build(),
            )
            .transact_items(
                TransactWriteItem::builder()
                    .update(take("w2", epoch))
                    .build(),
            )
            .send()
    };
    transact(1).await.unwrap();
    let refused = transact(1).await.unwrap_err().into_service_error();
    let cancelled = match refused {
        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(c) => c,
        other => panic!("{other:?}"),
    };
    let reasons = cancelled.cancellation_reasons();
    let codes: Vec<_> = reasons
        .iter()
        .map(|reason| reason.code().unwrap())
        .collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(reasons[1].item().unwrap()["epoch"], n(2));
}

#[tokio::test]
async fn consistent_reads_see_the_last_write() {
    let (_emulator, client) = emulator().await;
    for count in 0..3 {
        client
            .put_item()
            .table_name(TABLE)
            .item("leaseKey", s(&format!("k{count}")))
            .send()
            .await
            .unwrap();
    }
    let scanned = client
        .scan()
        .table_name(TABLE)
        .consistent_read(true)
        .limit(2)
        .into_paginator()
        .items()
        .send();
    assert_eq!(
        scanned.collect::<Result<Vec<_>, _>>().await.unwrap().len(),
        3
    );
    let queried = client
        .query()
        .table_name(TABLE)
        .key_condition_expression("leaseKey = :k")
        .expression_attribute_values(":k", s("k1"))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    assert_eq!(queried.count(), 1);
    let keys = KeysAndAttributes::builder()
        .keys([("leaseKey".to_owned(), s("k2"))].into())
        .keys([("leaseKey".to_owned(), s("absent"))].into())
        .consistent_read(true)
        .build()
        .unwrap();
    let got = client
        .batch_get_item()
        .request_items(TABLE, keys)
        .send()
        .await
        .unwrap();
    assert_eq!(got.responses().unwrap()[TABLE].len(), 1);
    assert!(got.unprocessed_keys().unwrap().is_empty());
}

#[tokio::test]
async fn only_real_changes_reach_the_stream() {
    let (emulator, client) = emulator().await;
    let put = || {
        client
            .put_item()
            .table_name(TABLE)
            .item("leaseKey", s("l"))
            .item("epoch", n(1))
            .send()
    };
    put().await.unwrap();
    put().await.unwrap();
    client
        .delete_item()
        .table_name(TABLE)
        .key("leaseKey", s("absent"))
        .send()
        .await
        .unwrap();
    client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().update(take("w2", 1)).build())
        .send()
        .await
        .unwrap();
    let refused = client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().update(take("w3", 1)).build());
    refused.send().await.unwrap_err();
    client
        .delete_item()
        .table_name(TABLE)
        .key("leaseKey", s("l"))
        .send()
        .await
        .unwrap();
    assert_eq!(event_names(&emulator).await, ["INSERT", "MODIFY", "REMOVE"]);
}

/// The events of every shard; the tests write to one item only, so they are in one shard and in order.
async fn event_names(emulator: &Emulator) -> Vec<String> {
    let streams = aws_sdk_dynamodbstreams::Client::new(&emulator.sdk_config());
    let listed = streams
        .list_streams()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let arn = listed.streams()[0].stream_arn().unwrap();
    let described = streams
        .describe_stream()
        .stream_arn(arn)
        .send()
        .await
        .unwrap();
    let mut names = Vec::new();
    for shard in described.stream_description().unwrap().shards() {
        let iterator = streams
            .get_shard_iterator()
            .stream_arn(arn)
            .shard_id(shard.shard_id().unwrap())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .unwrap();
        let page = streams
            .get_records()
            .shard_iterator(iterator.shard_iterator().unwrap())
            .send()
            .await
            .unwrap();
        names.extend(
            page.records()
                .iter()
                .map(|record| record.event_name().unwrap().as_str().to_owned()),
        );
    }
    names
}
