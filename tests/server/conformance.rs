//! The contracts of the two ports on a server over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use shardkeeper::aws::{AwsLeases, AwsStreams, Clients, Timeouts};
use shardkeeper_core::ports::StreamSource;
use shardkeeper_testkit::conformance::stream_source::{self, Capability, Scene, View};
use shardkeeper_testkit::conformance::{Trouble, lease_store};

use crate::scenes::table::{Foreign, Table};
use crate::surroundings::Surroundings;

/// A table name that no other check has used.
fn fresh(purpose: &str) -> String {
    static CHECKS: AtomicU32 = AtomicU32::new(0);
    let check = CHECKS.fetch_add(1, Ordering::Relaxed);
    Surroundings::get().table(&format!("{purpose}-{check}"))
}

async fn clients() -> Clients {
    let endpoint = Surroundings::get().endpoint_url;
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest());
    Clients::from_config(
        &config.endpoint_url(endpoint).load().await,
        Timeouts::default(),
    )
}

async fn lease_scene() -> Result<lease_store::Scene, Trouble> {
    let clients = clients().await;
    let table = fresh("leases");
    let foreign = Foreign {
        client: clients.dynamodb().clone(),
        table: table.clone(),
    };
    Ok(lease_store::Scene::new(AwsLeases::new(&clients, table)).with_foreign_columns(foreign))
}

/// What can be done to a table on any server by the API alone.
struct ServerScene {
    source: Arc<AwsStreams>,
    table: Table,
}

impl ServerScene {
    async fn new(view: View) -> Result<Self, Trouble> {
        let clients = clients().await;
        let table = Table::create(clients.dynamodb(), &fresh("streamed"), view).await?;
        Ok(Self {
            source: Arc::new(AwsStreams::new(&clients)),
            table,
        })
    }
}

#[async_trait]
impl Scene for ServerScene {
    fn source(&self) -> Arc<dyn StreamSource> {
        Arc::<AwsStreams>::clone(&self.source)
    }

    fn table(&self) -> &str {
        &self.table.name
    }

    fn capabilities(&self) -> &[Capability] {
        &[
            Capability::ServiceTime,
            Capability::Children,
            Capability::Views,
            Capability::DisableEnable,
        ]
    }

    async fn put(&self, id: &str, n: u64) -> Result<(), Trouble> {
        self.table.put(id, n).await
    }

    async fn delete(&self, id: &str) -> Result<(), Trouble> {
        self.table.delete(id).await
    }

    async fn disable_stream(&self) -> Result<(), Trouble> {
        self.table.disable_stream().await
    }

    async fn enable_stream(&self) -> Result<(), Trouble> {
        self.table.enable_stream().await
    }
}

#[tokio::test]
async fn leases_keep_the_contract() {
    lease_store::check_all(lease_scene)
        .await
        .assert_lacking_only(&[]);
}

#[tokio::test]
async fn streams_keep_the_contract() {
    let report = stream_source::check_all(ServerScene::new).await;
    // These are not for a client to bring about; the emulator in process has them all.
    report.assert_lacking_only(&[
        Capability::SeveralShards,
        Capability::RollOver,
        Capability::Split,
        Capability::AtTimestamp,
        Capability::Trimming,
        Capability::IteratorExpiry,
        // The emulator keeps them, ministack does not: a worker reads the latest stream there.
        Capability::FormerStreams,
    ]);
}
