//! The two ports of a world's workers: those in memory, with a delay and the weather between.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use shardkeeper::{SequenceNumber, ShardId, StreamArn, Timestamp};
use shardkeeper_core::ports::{
    Answer, FailureKind, Fetched, LeaseStore, PortError, Position, ShardIterator, ShardPage,
    StreamSource, StreamsPage, TableCreation,
};
use shardkeeper_core::record::Page;
use shardkeeper_core::row::{Row, RowKey, Write};

use super::stage::{EPOCH, Stage};
use crate::memory::{MemoryLeases, MemoryStreams};

/// How long a call takes.
const DELAY: Duration = Duration::from_millis(5);

pub(super) struct Line {
    stage: Stage,
    streams: MemoryStreams,
    leases: MemoryLeases,
}

/// What the weather does to a read.
enum Read {
    Refused(FailureKind),
    Blank,
    Fine,
}

impl Line {
    pub(super) fn new(stage: &Stage) -> Self {
        let (streams, leases) = {
            let state = stage.lock();
            (state.streams.clone(), state.leases.clone())
        };
        Self {
            stage: stage.clone(),
            streams,
            leases,
        }
    }

    async fn travel(&self) {
        self.stage.sleep(DELAY).await;
    }

    /// A call of the lease table.
    async fn table(&self, action: &'static str) -> Result<(), PortError> {
        self.travel().await;
        let failures = &mut self.stage.lock().table_failures;
        if *failures == 0 {
            return Ok(());
        }
        *failures -= 1;
        Err(PortError::new(FailureKind::Throttled, action, "slow down"))
    }

    fn read(&self, shard: &ShardId) -> Read {
        let mut state = self.stage.lock();
        let Some(shard) = state.shards.get_mut(shard) else {
            return Read::Fine;
        };
        if std::mem::take(&mut shard.expired) {
            return Read::Refused(FailureKind::ExpiredIterator);
        }
        if shard.throttles > 0 {
            shard.throttles -= 1;
            return Read::Refused(FailureKind::Throttled);
        }
        if shard.blanks > 0 {
            shard.blanks -= 1;
            return Read::Blank;
        }
        Read::Fine
    }
}

#[async_trait]
impl StreamSource for Line {
    async fn latest_stream(&self, table: &str) -> Result<StreamArn, PortError> {
        self.travel().await;
        self.streams.latest_stream(table).await
    }

    async fn list_streams(
        &self,
        table: &str,
        after: Option<&StreamArn>,
    ) -> Result<StreamsPage, PortError> {
        self.travel().await;
        self.streams.list_streams(table, after).await
    }

    async fn list_shards(
        &self,
        stream: &StreamArn,
        after: Option<&ShardId>,
    ) -> Result<ShardPage, PortError> {
        self.travel().await;
        self.streams.list_shards(stream, after).await
    }

    async fn children_of(
        &self,
        stream: &StreamArn,
        parent: &ShardId,
    ) -> Result<ShardPage, PortError> {
        self.travel().await;
        self.streams.children_of(stream, parent).await
    }

    async fn open(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        at: Position,
    ) -> Result<ShardIterator, PortError> {
        self.travel().await;
        self.streams.open(stream, shard, at).await
    }

    async fn fetch(&self, from: &ShardIterator, limit: u16) -> Result<Fetched, PortError> {
        self.travel().await;
        let shard = MemoryStreams::shard_of(from).unwrap_or_else(|| ShardId::from_service(""));
        match self.read(&shard) {
            Read::Refused(kind) => Err(PortError::new(kind, "GetRecords", "not now")),
            Read::Blank => Ok(Fetched {
                page: Page::default(),
                next: Some(from.clone()),
            }),
            Read::Fine => self.streams.fetch(from, limit).await,
        }
    }

    fn service_time(&self) -> Option<Timestamp> {
        let seconds = EPOCH + self.stage.lock().now().as_secs();
        Some(Timestamp::from_millis(seconds * 1_000))
    }
}

#[async_trait]
impl LeaseStore for Line {
    async fn open(&self, creation: TableCreation) -> Result<(), PortError> {
        self.travel().await;
        LeaseStore::open(&self.leases, creation).await
    }

    async fn sweep(&self) -> Result<Vec<Row>, PortError> {
        self.table("Scan").await?;
        self.leases.sweep().await
    }

    async fn read(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, Row>, PortError> {
        self.table("Read").await?;
        self.leases.read(keys).await
    }

    async fn write(&self, writes: &[Write]) -> Result<Answer, PortError> {
        self.table("Write").await?;
        self.leases.write(writes).await
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

/// Sequence numbers `first..=last` in words.
pub(super) fn span(first: Option<SequenceNumber>, last: Option<SequenceNumber>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first == last => format!("record {first}"),
        (Some(first), Some(last)) => format!("records {first} to {last}"),
        _ => "no records".into(),
    }
}
