//! The way to AWS, or to whatever speaks like it.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use clap::Args;
use shardkeeper::Env;
use shardkeeper::aws::{AwsLeases, AwsStreams, Clients, Timeouts};
use shardkeeper::core::ports::{FailureKind, PortError};

use crate::failure::Failure;

/// Where and as whom. Everything else is read as by the AWS CLI: environment, profile, role.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Talk to this server instead of AWS [default: AWS_ENDPOINT_URL].
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// AWS region [default: AWS_REGION, or the profile's].
    #[arg(long)]
    region: Option<String>,
    /// Profile of ~/.aws/config [default: AWS_PROFILE].
    #[arg(long)]
    profile: Option<String>,
}

impl Connection {
    /// The configuration as the SDK finds it.
    pub(crate) async fn config(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        loader.load().await
    }

    /// Clients that say at once what they lack.
    pub(crate) async fn open(&self) -> Result<Door, Failure> {
        let config = self.config().await;
        if region(&config).is_none() {
            let what = "no AWS region is configured";
            return Err(Failure::new(what).advice(SET_REGION));
        }
        if config.credentials_provider().is_none() {
            let what = "no AWS credentials are configured";
            return Err(Failure::new(what).advice(SET_CREDENTIALS));
        }
        Ok(Door::new(&config))
    }
}

/// The region, unless it is the empty text that an unset variable of a script leaves behind.
pub(crate) fn region(config: &SdkConfig) -> Option<&str> {
    config
        .region()
        .map(AsRef::as_ref)
        .filter(|region| !region.is_empty())
}

/// What to do without a region.
pub(crate) const SET_REGION: &str =
    "set AWS_REGION, pass --region, or name a --profile that has one";
/// What to do without credentials.
pub(crate) const SET_CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (any will do for a local server), or name a --profile or a role that has them";

/// Somebody is waiting at a terminal: longer than a worker's time-outs, shorter than patience.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    attempt: Duration::from_secs(10),
};

/// The two ports to AWS.
pub(crate) struct Door {
    clients: Clients,
    pub(crate) streams: AwsStreams,
}

impl Door {
    /// Over this configuration.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let clients = Clients::from_config(config, TIMEOUTS);
        Self {
            streams: AwsStreams::new(&clients),
            clients,
        }
    }

    /// The leases in this table.
    pub(crate) fn leases(&self, table: &str) -> AwsLeases {
        AwsLeases::new(&self.clients, table)
    }
}

/// How often a call that may pass is made, and the pause after the first; it doubles.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Asks again while the answer is "not now": the ports themselves ask once.
pub(crate) async fn patiently<T>(
    ask: impl AsyncFn() -> Result<T, PortError>,
) -> Result<T, PortError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match ask().await {
            Err(error)
                if matches!(
                    error.kind,
                    FailureKind::Throttled | FailureKind::Unavailable
                ) => {}
            answer => return answer,
        }
        Env::production().sleep(pause).await;
        pause *= 2;
    }
    ask().await
}
