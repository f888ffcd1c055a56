//! Clients that somebody else has configured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use shardkeeper::aws::{AwsLeases, AwsStreams, Clients, Timeouts};
use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::ports::{FailureKind, LeaseStore, StreamSource, TableCreation};
use shardkeeper_testkit::faults::{Effect, Fault};

use super::kind;
use super::scenes::emulated::emulator;

/// Counts what is sent.
#[derive(Debug, Clone, Default)]
struct Counter(Arc<AtomicU32>);

impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "Counter"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "measures paused time")]
async fn f5_what_the_user_configured_stays_but_for_retries_and_longer_timeouts() {
    let emulator = emulator();
    let config = emulator.sdk_config();
    let counter = Counter::default();
    let user = aws_sdk_dynamodb::config::Builder::from(&config)
        .interceptor(counter.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_millis(300))
                .build(),
        );
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(user.build());
    let streams = aws_sdk_dynamodbstreams::Client::new(&config);
    let clients = Clients::from_ready(&streams, &dynamodb, Timeouts::default());
    let leases = AwsLeases::new(&clients, "leases");
    leases.open(TableCreation::Allowed).await.unwrap();
    let sent = counter.0.load(Ordering::Relaxed);
    assert!(sent >= 2, "the user's interceptor sees our calls");
    emulator.faults().inject(Fault::new("Scan", Effect::Hangs));
    let before = tokio::time::Instant::now();
    assert_eq!(kind(leases.sweep().await), FailureKind::Unavailable);
    assert_eq!(
        before.elapsed(),
        Duration::from_millis(300),
        "the stricter timeout"
    );
    assert_eq!(counter.0.load(Ordering::Relaxed), sent + 1, "one attempt");
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_the_service_is_heard_from_every_answer_even_a_refusal() {
    let emulator = emulator();
    let clients = Clients::from_config(&emulator.sdk_config(), Timeouts::default());
    let streams = AwsStreams::new(&clients);
    assert_eq!(streams.service_time(), None);
    assert_eq!(
        kind(streams.latest_stream("nowhere").await),
        FailureKind::NotFound
    );
    let now = Timestamp::from_millis(emulator.now().as_secs() * 1000);
    assert_eq!(streams.service_time(), Some(now));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_configured_is_told_apart_from_a_dead_network() {
    let config = emulator().sdk_config();
    let store = |config: aws_config::SdkConfig| {
        AwsLeases::new(
            &Clients::from_config(&config, Timeouts::default()),
            "leases",
        )
    };
    let builder = || config.clone().into_builder();
    let no_region = store(builder().region(None).build())
        .sweep()
        .await
        .unwrap_err();
    assert_eq!(no_region.kind, FailureKind::Invalid, "{no_region}");
    assert!(no_region.message.contains("AWS_REGION"), "{no_region}");
    let mut anonymous = builder();
    anonymous.set_credentials_provider(None);
    let anonymous = store(anonymous.build()).sweep().await.unwrap_err();
    assert_eq!(anonymous.kind, FailureKind::Denied, "{anonymous}");
}
