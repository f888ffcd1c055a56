//! Regions, credentials and permissions.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use shardkeeper::{ErrorKind, Event, Worker};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, Act, TABLE, World};

use super::{another, refused, says};

const SOON: Duration = Duration::from_secs(20);

fn worker(config: &SdkConfig) -> shardkeeper::WorkerBuilder {
    Worker::builder("checkers")
        .table(TABLE)
        .aws_config(config)
        .env(shardkeeper::Env::simulated(1))
}

#[tokio::test(start_paused = true)]
async fn a_configuration_without_a_region_says_how_to_set_one() {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .build();
    let error = refused(worker(&config)).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &["region", "AWS_REGION"]);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_without_credentials_says_how_to_set_them() {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .build();
    let error = refused(worker(&config)).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &["credentials", "AWS_ACCESS_KEY_ID"]);
}

/// A provider that finds nothing, as in a container without a role.
#[derive(Debug)]
struct Empty;

impl aws_sdk_dynamodb::config::ProvideCredentials for Empty {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        use aws_credential_types::provider::{error::CredentialsError, future};
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nobody has any")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_finds_no_credentials_says_for_which_call() {
    let world = World::new(321).await;
    let config = world
        .emulator
        .sdk_config()
        .to_builder()
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(Empty))
        .build();
    let error = refused(worker(&config)).await;
    says(
        &error,
        &["credentials", "dynamodb:DescribeTable", "nobody has any"],
    );
}

#[tokio::test(start_paused = true)]
async fn an_action_that_is_denied_at_the_start_is_named() {
    for (operation, action) in [
        ("DescribeTable", "dynamodb:DescribeTable"),
        ("DescribeStream", "dynamodb:DescribeStream"),
        ("CreateTable", "dynamodb:CreateTable"),
    ] {
        let world = World::new(322).await;
        world
            .emulator
            .faults()
            .inject(Fault::new(operation, Effect::access_denied()));
        let error = refused(another(&world, "checkers").table(TABLE)).await;
        says(&error, &["access denied", action]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_that_is_denied_for_an_hour_is_named_asked_for_sparingly_and_recovers() {
    for operation in [
        "GetShardIterator",
        "GetRecords",
        "Scan",
        "BatchGetItem",
        "UpdateItem",
        "TransactWriteItems",
        "DescribeStream",
        "DescribeTable",
    ] {
        let world = World::new(323).await;
        let worker = world.start_with("a", |_, _| Act::Done).await;
        world.write(8, 1).await;
        world
            .until(SOON, "read", |w| w.ledger.distinct() == 8)
            .await;
        world
            .emulator
            .faults()
            .inject(Fault::new(operation, Effect::access_denied()));
        world.emulator.expire_iterators();
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(8, 2).await;
        world.pass(Duration::from_secs(300)).await;
        let told = world.events.count(|event| {
            matches!(event, Event::CallFailed { message, .. } if message.contains(&format!("dynamodb:{operation}")))
        });
        // DescribeTable is only asked for when a stream has ended.
        assert!(
            told > 0 || operation == "DescribeTable",
            "{operation} is not named"
        );
        assert!(
            told < 1_000,
            "L9: {operation} was asked for {told} times in five minutes"
        );
        world.emulator.faults().clear();
        world
            .until(SOON * 3, operation, |w| w.ledger.distinct() == 16)
            .await;
        assert_eq!(world.events.losses(), [], "{operation}");
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_denied_names_the_permissions_that_there_are() {
    let world = World::new(324).await;
    let denied = Fault::new("TransactWriteItems", Effect::access_denied()).containing(APPLICATION);
    world.emulator.faults().inject(denied);
    let worker = world.start_with("a", |_, _| Act::Done).await;
    world.pass(SOON).await;
    let troubles = world.events.troubles().join("\n");
    for action in ["dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"] {
        assert!(
            troubles.contains(action),
            "no IAM action is called TransactWriteItems: {troubles}"
        );
    }
    worker.shutdown().await.unwrap();
}
