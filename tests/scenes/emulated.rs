//! The AWS adapters on the emulator, in process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shardkeeper::aws::{AwsLeases, AwsStreams, Clients, Timeouts};
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::ports::StreamSource;
use shardkeeper_testkit::conformance::stream_source::{Capability, Scene, View};
use shardkeeper_testkit::conformance::{Trouble, lease_store};
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, tokio_clock};

use super::table::{Foreign, Table};

/// An emulated account on the runtime's clock, which lists two shards a page, and one stream.
pub(crate) fn emulator() -> Emulator {
    let settings = EmulatorSettings {
        describe_page_shards: 2,
        list_page_streams: 1,
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    let origin = Duration::from_secs(1_795_000_000);
    Emulator::builder()
        .seed(11)
        .clock(tokio_clock(origin))
        .settings(settings)
        .build()
}

pub(crate) fn clients(emulator: &Emulator) -> Clients {
    Clients::from_config(&emulator.sdk_config(), Timeouts::default())
}

/// A lease store on an account of its own.
pub(crate) async fn lease_scene() -> Result<lease_store::Scene, Trouble> {
    let clients = clients(&emulator());
    let foreign = Foreign {
        client: clients.dynamodb().clone(),
        table: "leases".into(),
    };
    Ok(lease_store::Scene::new(AwsLeases::new(&clients, "leases")).with_foreign_columns(foreign))
}

/// A table and its stream on an account of their own.
pub(crate) struct EmulatedScene {
    emulator: Emulator,
    source: Arc<AwsStreams>,
    table: Table,
}

impl EmulatedScene {
    pub(crate) async fn new(view: View) -> Result<Self, Trouble> {
        let emulator = emulator();
        let clients = clients(&emulator);
        let table = Table::create(clients.dynamodb(), "orders", view).await?;
        Ok(Self {
            emulator,
            source: Arc::new(AwsStreams::new(&clients)),
            table,
        })
    }
}

#[async_trait]
impl Scene for EmulatedScene {
    fn source(&self) -> Arc<dyn StreamSource> {
        Arc::<AwsStreams>::clone(&self.source)
    }

    fn table(&self) -> &str {
        &self.table.name
    }

    fn capabilities(&self) -> &[Capability] {
        &[
            Capability::ServiceTime,
            Capability::SeveralShards,
            Capability::RollOver,
            Capability::Split,
            Capability::Children,
            Capability::AtTimestamp,
            Capability::Trimming,
            Capability::IteratorExpiry,
            Capability::Views,
            Capability::DisableEnable,
            Capability::FormerStreams,
        ]
    }

    async fn put(&self, id: &str, n: u64) -> Result<(), Trouble> {
        self.table.put(id, n).await
    }

    async fn delete(&self, id: &str) -> Result<(), Trouble> {
        self.table.delete(id).await
    }

    async fn roll_over(&self, shard: &ShardId) -> Result<(), Trouble> {
        self.emulator.roll_over(&self.table.name, shard.as_str())?;
        Ok(())
    }

    async fn split(&self, shard: &ShardId) -> Result<(), Trouble> {
        self.emulator.split(&self.table.name, shard.as_str(), 3)?;
        Ok(())
    }

    async fn trim(&self, shard: &ShardId) -> Result<(), Trouble> {
        self.emulator
            .trim_shard(&self.table.name, shard.as_str(), None)?;
        Ok(())
    }

    async fn expire_iterators(&self) -> Result<(), Trouble> {
        self.emulator.expire_iterators();
        Ok(())
    }

    async fn disable_stream(&self) -> Result<(), Trouble> {
        self.table.disable_stream().await
    }

    async fn enable_stream(&self) -> Result<(), Trouble> {
        self.table.enable_stream().await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the emulator goes by the paused clock"
    )]
    async fn wait(&self, time: Duration) -> Result<(), Trouble> {
        tokio::time::sleep(time).await;
        Ok(())
    }
}
