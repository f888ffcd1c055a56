//! The same emulator over HTTP.

use std::net::{Ipv4Addr, SocketAddr};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use tokio::sync::oneshot;

use super::*;
use crate::emulator::Server;
use crate::faults::{Effect, Fault};

struct Running {
    emulator: Emulator,
    config: aws_config::SdkConfig,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), super::super::ServerError>>,
}

#[expect(clippy::disallowed_methods, reason = "no worker is involved")]
async fn start() -> Running {
    let emulator = Emulator::default();
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(emulator.clone(), loopback).await.unwrap();
    let credentials = Credentials::new("a", "b", None, None, "test");
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(
            aws_credential_types::provider::SharedCredentialsProvider::new(credentials),
        )
        .endpoint_url(server.endpoint_url())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .build();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.serve(async { drop(stopped.await) }));
    Running {
        emulator,
        config,
        stop,
        task,
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "no worker is involved")]
async fn an_sdk_works_over_http_until_the_server_is_told_to_stop() {
    let server = start().await;
    let tables = aws_sdk_dynamodb::Client::new(&server.config);
    let streams = aws_sdk_dynamodbstreams::Client::new(&server.config);
    create_table(&tables, TABLE, Some(StreamViewType::KeysOnly)).await;
    let item = ("pk", AttributeValue::S("k".to_owned()));
    tables
        .put_item()
        .table_name(TABLE)
        .item(item.0, item.1)
        .send()
        .await
        .unwrap();
    let listed = streams.list_streams().send().await.unwrap();
    assert_eq!(
        listed.streams()[0].stream_arn(),
        server.emulator.stream_arn(TABLE).as_deref()
    );
    let error = tables
        .describe_table()
        .table_name("nope")
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_resource_not_found_exception());

    server
        .emulator
        .faults()
        .inject(Fault::new("ListTables", Effect::AppliedButDropped).times(1));
    let error = tables.list_tables().send().await.unwrap_err();
    assert!(
        !matches!(error, aws_sdk_dynamodb::error::SdkError::ServiceError(_)),
        "{error:?}"
    );
    tables.list_tables().send().await.unwrap();

    server
        .emulator
        .faults()
        .inject(Fault::new("ListTables", Effect::Hangs));
    let hanging = tokio::time::timeout(
        std::time::Duration::from_millis(50),
        tables.list_tables().send(),
    );
    assert!(hanging.await.is_err());
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
    assert!(tables.list_tables().send().await.is_err());
}

#[tokio::test]
async fn an_answer_carries_its_checksum_a_request_id_and_the_time() {
    let emulator = Emulator::default();
    let response = emulator.handle("DynamoDB_20120810.ListTables", b"{}");
    let checksum = crc32fast::hash(&response.body).to_string();
    assert_eq!(response.header("x-amz-crc32"), Some(checksum.as_str()));
    assert_eq!(
        response.header("content-type"),
        Some("application/x-amz-json-1.0")
    );
    assert!(
        response
            .header("x-amzn-requestid")
            .is_some_and(|id| id.len() == 32)
    );
    assert!(
        response
            .header("date")
            .is_some_and(|date| date.ends_with(" GMT"))
    );
}
