//! How clients reach the emulated account.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodbstreams::Client;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use shardkeeper::Settings;
use shardkeeper::aws::Timeouts;

/// The account at this endpoint. Nothing is read from the environment.
pub(crate) fn sdk_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("bench", "bench", None, None, "bench");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .build()
}

/// A client with the settings that a worker gives its own, and none of the worker's additions.
pub(crate) fn bare_client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodbstreams::config::Builder::from(&sdk_config(endpoint))
        .retry_config(RetryConfig::disabled())
        .timeout_config(worker_timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(config)
}

fn worker_timeouts() -> TimeoutConfig {
    let attempt: Duration = Settings::default().call_timeout;
    TimeoutConfig::builder()
        .connect_timeout(Timeouts::default().connect.min(attempt))
        .operation_attempt_timeout(attempt)
        .build()
}
