//! Where the table is: in the emulator of this process, or on a server.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    StreamSpecification, StreamViewType, TableStatus,
};
use http::Uri;
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings};
use tokio::time::sleep;

use crate::{Failure, Flags};

/// On AWS a shard lives for about four hours; nobody wants to watch for that long.
const SHARD_LIFE: Duration = Duration::from_secs(4);
const SHARD_LIFE_SPREAD: Duration = Duration::from_secs(3);
const FIRST_SHARDS: usize = 4;

/// A call to a server that takes longer has failed; the SDK itself waits for ever.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How often somebody looks whether the table is there.
const LOOK: Duration = Duration::from_millis(100);

/// A table with a stream, and how to get there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) table: String,
    pub(crate) application: String,
    server: Server,
}

#[derive(Debug)]
enum Server {
    Emulated(Emulator),
    Elsewhere { url: Uri },
}

impl Place {
    /// Finds the place and makes the table.
    pub(crate) async fn open(flags: &Flags) -> Result<Self, Failure> {
        let place = match &flags.endpoint_url {
            None => Self::emulated(flags.seed),
            Some(url) => Self::elsewhere(url)?,
        };
        place.create_table().await?;
        Ok(place)
    }

    fn emulated(seed: u64) -> Self {
        let settings = EmulatorSettings {
            initial_shards: FIRST_SHARDS,
            rollover_after: Some(SHARD_LIFE),
            rollover_spread: SHARD_LIFE_SPREAD,
            ..EmulatorSettings::default()
        };
        let emulator = Emulator::builder().seed(seed).settings(settings).build();
        Self {
            table: "orders".to_owned(),
            application: "quickstart".to_owned(),
            server: Server::Emulated(emulator),
        }
    }

    /// A server may hold tables that matter to somebody, so these get names of their own.
    fn elsewhere(url: &Uri) -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let stamp = now.as_millis();
        Ok(Self {
            table: format!("orders-{stamp}"),
            application: format!("quickstart-{stamp}"),
            server: Server::Elsewhere { url: url.clone() },
        })
    }

    /// A configuration of the AWS SDK that leads here. Every caller gets one of its own, as every process
    /// would.
    pub(crate) async fn sdk_config(&self) -> SdkConfig {
        let url = match &self.server {
            Server::Emulated(emulator) => return emulator.sdk_config(),
            Server::Elsewhere { url } => url,
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CALL_TIMEOUT)
            .operation_attempt_timeout(CALL_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(url.to_string())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard());
        if is_loopback(url) {
            // A server on this machine wants a signature and does not check it.
            if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
                let test = Credentials::new("quickstart", "quickstart", None, None, "quickstart");
                loader = loader.credentials_provider(test);
            }
            if std::env::var_os("AWS_REGION").is_none() {
                loader = loader.region(Region::new("us-east-1"));
            }
        }
        loader.load().await
    }

    pub(crate) fn name(&self) -> String {
        match &self.server {
            Server::Emulated(_) => "the emulator in this process".to_owned(),
            Server::Elsewhere { url } => url.to_string(),
        }
    }

    /// The hand that moves what AWS moves by itself; a server has none.
    pub(crate) fn emulator(&self) -> Option<&Emulator> {
        match &self.server {
            Server::Emulated(emulator) => Some(emulator),
            Server::Elsewhere { .. } => None,
        }
    }

    async fn create_table(&self) -> Result<(), Failure> {
        let id = AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(ScalarAttributeType::S)
            .build()?;
        let key = KeySchemaElement::builder()
            .attribute_name("id")
            .key_type(KeyType::Hash)
            .build()?;
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()?;
        let client = Client::new(&self.sdk_config().await);
        let created = client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(id)
            .key_schema(key)
            .stream_specification(stream)
            .send()
            .await;
        created.map_err(|error| self.failed("CreateTable", error))?;
        while !self.is_active(&client).await? {
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn is_active(&self, client: &Client) -> Result<bool, Failure> {
        let described = client.describe_table().table_name(&self.table).send().await;
        let described = described.map_err(|error| self.failed("DescribeTable", error))?;
        let status = described.table.and_then(|table| table.table_status);
        Ok(status == Some(TableStatus::Active))
    }

    /// Leaves a server as it was found. The emulator is gone with the process.
    pub(crate) async fn clear_up(&self) -> Result<(), Failure> {
        if self.emulator().is_some() {
            return Ok(());
        }
        let client = Client::new(&self.sdk_config().await);
        for table in [&self.table, &self.application] {
            let deleted = client.delete_table().table_name(table).send().await;
            deleted.map_err(|error| self.failed("DeleteTable", error))?;
        }
        Ok(())
    }

    /// An error that says what was tried, where, and every reason behind it: the SDK's errors only say the
    /// first.
    pub(crate) fn failed(&self, action: &str, error: impl std::error::Error + 'static) -> Failure {
        let mut message = format!("{action} failed on {}: {error}", self.name());
        let mut behind = error.source();
        while let Some(error) = behind {
            message.push_str(&format!(": {error}"));
            behind = error.source();
        }
        message.into()
    }
}

/// What `--endpoint-url` takes.
pub(crate) fn endpoint(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(uri),
        _ => Err("it must look like http://127.0.0.1:8000".to_owned()),
    }
}

fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
