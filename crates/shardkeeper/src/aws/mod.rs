//! The AWS SDK, and the only files that name it.
//!
//! [`AwsStreams`] and [`AwsLeases`] are the two ports of `shardkeeper_core::ports` over the official
//! SDK. Both are made from [`Clients`], which can only be built with the settings that the protocol
//! needs: no retries inside the SDK (they hide that a conditional write was sent twice), and a bound on
//! every attempt (the SDK has none of its own). Region, endpoint, credentials, HTTP client, clock and
//! sleep of the user's configuration pass through untouched.

mod answers;
mod convert;
mod expression;
mod leases;
mod page_bytes;
mod records;
mod streams;
mod table;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;

use self::answers::{ServiceClock, Witness};
pub use self::leases::AwsLeases;
pub use self::records::sdk_record;
pub use self::streams::AwsStreams;

/// How long one call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection is there. Only the built-in HTTP clients know it.
    pub connect: Duration,
    /// For one attempt, from the signature to the last byte of the answer.
    pub attempt: Duration,
}

impl Default for Timeouts {
    /// One second to connect, two for the attempt: several attempts fit into the shortest lease.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            attempt: Duration::from_secs(2),
        }
    }
}

impl Timeouts {
    /// The stricter of these and what the user configured.
    fn within(self, user: Option<&TimeoutConfig>) -> TimeoutConfig {
        let connect = user.and_then(TimeoutConfig::connect_timeout);
        let attempt = user.and_then(TimeoutConfig::operation_attempt_timeout);
        let strictest =
            |user: Option<Duration>, ours: Duration| user.map_or(ours, |user| user.min(ours));
        user.map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
            .connect_timeout(strictest(connect, self.connect))
            .operation_attempt_timeout(strictest(attempt, self.attempt))
            .build()
    }
}

/// The two SDK clients, with the settings that the framework relies on. Cheap to clone.
///
/// A clone shares the connections. Two values made from one configuration share them only if the
/// configuration names an HTTP client; else the SDK makes one for each.
#[derive(Clone)]
pub struct Clients {
    streams: aws_sdk_dynamodbstreams::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    clock: Arc<ServiceClock>,
}

/// The clients for a configuration as `aws_config` loads it: short for [`Clients::from_config`].
pub fn clients(config: &SdkConfig, timeouts: Timeouts) -> Clients {
    Clients::from_config(config, timeouts)
}

impl Clients {
    /// Clients for a configuration as `aws_config` loads it.
    pub fn from_config(config: &SdkConfig, timeouts: Timeouts) -> Self {
        Self::from_ready(
            &aws_sdk_dynamodbstreams::Client::new(config),
            &aws_sdk_dynamodb::Client::new(config),
            timeouts,
        )
    }

    /// Clients that somebody else has configured. They stay as they are; what is used are copies of
    /// their configuration with retries switched off and the stricter of both timeouts.
    pub fn from_ready(
        streams: &aws_sdk_dynamodbstreams::Client,
        dynamodb: &aws_sdk_dynamodb::Client,
        timeouts: Timeouts,
    ) -> Self {
        let clock = Arc::new(ServiceClock::default());
        let config = streams.config();
        let streams = config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.within(config.timeout_config()))
            // Answers are at most a few megabytes and the whole attempt is bounded.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .interceptor(Witness::new(&clock))
            .build();
        let config = dynamodb.config();
        let dynamodb = config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.within(config.timeout_config()))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .interceptor(Witness::new(&clock))
            .build();
        Self {
            streams: aws_sdk_dynamodbstreams::Client::from_conf(streams),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
            clock,
        }
    }

    /// The client for the lease table and for `DescribeTable`.
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        &self.dynamodb
    }

    /// The client for the streams.
    pub fn streams(&self) -> &aws_sdk_dynamodbstreams::Client {
        &self.streams
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}
