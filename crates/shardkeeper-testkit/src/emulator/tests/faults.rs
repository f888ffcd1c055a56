//! Injected faults, as the SDK meets them.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::*;
use crate::faults::{Effect, Fault};

/// A client that gives up at once, so that each fault is seen once.
fn impatient(scene: &Scene) -> aws_sdk_dynamodb::Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(2))
        .build();
    let config = scene.emulator.sdk_config().into_builder();
    let config = config
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    aws_sdk_dynamodb::Client::new(&config.build())
}

async fn put(
    client: &aws_sdk_dynamodb::Client,
    key: &str,
) -> Result<(), SdkError<aws_sdk_dynamodb::operation::put_item::PutItemError>> {
    let request = client
        .put_item()
        .table_name(TABLE)
        .item("pk", AttributeValue::S(key.to_owned()));
    request.send().await.map(|_| ())
}

async fn exists(scene: &Scene, key: &str) -> bool {
    let request = scene
        .tables
        .get_item()
        .table_name(TABLE)
        .key("pk", AttributeValue::S(key.to_owned()));
    request.send().await.unwrap().item.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_write_can_be_applied_although_its_answer_never_comes() {
    let scene = Scene::new(one_shard()).await;
    let client = impatient(&scene);
    for (key, effect, applied) in [
        ("1", Effect::AppliedButHangs, true),
        ("2", Effect::AppliedButDropped, true),
        ("3", Effect::Hangs, false),
        ("4", Effect::Dropped, false),
    ] {
        scene
            .emulator
            .faults()
            .inject(Fault::new("PutItem", effect.clone()).times(1));
        let error = put(&client, key).await.unwrap_err();
        assert!(
            matches!(
                error,
                SdkError::TimeoutError(_) | SdkError::DispatchFailure(_)
            ),
            "{effect:?}: {error:?}"
        );
        assert_eq!(exists(&scene, key).await, applied, "{effect:?}");
    }
    put(&client, "5").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_service_arrive_with_their_code() {
    let scene = Scene::new(one_shard()).await;
    let client = impatient(&scene);
    for (effect, code) in [
        (Effect::throttle(), "ThrottlingException"),
        (Effect::internal_error(), "InternalServerError"),
        (Effect::access_denied(), "AccessDeniedException"),
        (
            Effect::error(400, "RequestLimitExceeded"),
            "RequestLimitExceeded",
        ),
    ] {
        scene
            .emulator
            .faults()
            .inject(Fault::new("PutItem", effect).times(1));
        assert_eq!(put(&client, "k").await.unwrap_err().code(), Some(code));
    }
    scene
        .emulator
        .faults()
        .inject(Fault::new("PutItem", Effect::html()).times(1));
    assert_eq!(put(&client, "k").await.unwrap_err().code(), None);
    assert!(!exists(&scene, "k").await);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_looks_like_a_finished_shard() {
    let scene = Scene::new(one_shard()).await;
    let iterator = scene
        .iterator(&scene.only_open_shard(), ShardIteratorType::Latest)
        .await;
    for effect in [Effect::empty_body(), Effect::empty_object()] {
        scene
            .emulator
            .faults()
            .inject(Fault::new("GetRecords", effect).times(1));
        let page = scene.records(&iterator).await;
        assert!(page.records().is_empty() && page.next_shard_iterator().is_none());
    }
    assert!(
        scene
            .records(&iterator)
            .await
            .next_shard_iterator()
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn the_sdk_retries_a_throttled_call_on_the_emulators_clock() {
    let scene = Scene::new(one_shard()).await;
    scene
        .emulator
        .faults()
        .inject(Fault::new("PutItem", Effect::throttle()).times(2));
    scene.put("k", "v").await;
    assert!(
        scene.emulator.now() > ORIGIN,
        "the back-off was virtual time"
    );
    assert_eq!(scene.emulator.faults().pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn latency_is_spent_before_and_after_the_call() {
    let scene = Scene::new(one_shard()).await;
    let (before, after) = (Duration::from_secs(1), Duration::from_secs(1));
    scene
        .emulator
        .faults()
        .inject(Fault::new("PutItem", Effect::Slow { before, after }).times(1));
    let start = scene.emulator.now();
    scene.put("k", "v").await;
    assert!(scene.emulator.now() - start >= before + after);
    let (records, _) = scene.drain_shard(&scene.only_open_shard()).await;
    let written = records[0]
        .dynamodb()
        .unwrap()
        .approximate_creation_date_time()
        .unwrap();
    assert_eq!(written.secs(), ORIGIN.as_secs().cast_signed() + 1);
}
