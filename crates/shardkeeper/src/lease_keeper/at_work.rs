//! A keeper that waits is at work: for an answer of the lease table, or for its consumers while it leaves.
//!
//! The beats stop when the keeper was not heard of for a while, so that a beating worker is a working one. What tells
//! is whether its task is polled. Calls that take their time, one after another while connections hang or for the
//! pages of a large table, are no reason to let leases go.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shardkeeper_core::ports::{Answer, LeaseStore, PortError, TableCreation};
use shardkeeper_core::row::{Row, RowKey, Write};

use crate::env::Env;
use crate::standing::Standing;

/// How often a keeper that waits says that it is still at work.
const TICK: Duration = Duration::from_millis(500);

/// The lease table, as the keeper of one incarnation asks it.
#[derive(Debug)]
pub(super) struct AtWork {
    pub(super) store: Arc<dyn LeaseStore>,
    pub(super) env: Env,
    pub(super) standing: Arc<Standing>,
    /// A call that takes longer is not believed in any more.
    pub(super) patience: Duration,
}

impl AtWork {
    async fn during<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        tokio::select! {
            biased;
            answered = &mut call => {
                self.standing.tick();
                return answered;
            }
            _ = self.env.within(self.patience, still_at_work(&self.env, &self.standing)) => {}
        }
        call.await
    }
}

#[async_trait]
impl LeaseStore for AtWork {
    async fn open(&self, creation: TableCreation) -> Result<(), PortError> {
        self.during(self.store.open(creation)).await
    }

    async fn sweep(&self) -> Result<Vec<Row>, PortError> {
        self.during(self.store.sweep()).await
    }

    async fn read(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, Row>, PortError> {
        self.during(self.store.read(keys)).await
    }

    async fn write(&self, writes: &[Write]) -> Result<Answer, PortError> {
        self.during(self.store.write(writes)).await
    }
}

/// Says so again and again. Never returns.
pub(super) async fn still_at_work(env: &Env, standing: &Standing) {
    loop {
        standing.tick();
        env.sleep(TICK).await;
    }
}
