//! Sources with a mistake: the suite must find each, by the rule that names it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use serde_json::json;
use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::ports::{
    Fetched, PortError, Position, ShardIterator, ShardPage, StreamSource, StreamsPage,
};

use super::{Capability, Scene, Trouble, check_all};
use crate::memory::{ItemChange, MemoryStreams};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    None,
    EndsOpenShards,
    NeverEnds,
    IgnoresTheLimit,
    ReadsFromIncludingThePosition,
    ReadsFromBehindTheRecord,
    ListsEveryShardAsAChild,
    Reorders,
    LeavesTheLatestStreamOut,
}

#[derive(Debug, Clone)]
struct Mistaken {
    right: MemoryStreams,
    mistake: Mistake,
}

#[async_trait]
impl StreamSource for Mistaken {
    async fn latest_stream(&self, table: &str) -> Result<StreamArn, PortError> {
        self.right.latest_stream(table).await
    }

    async fn list_streams(
        &self,
        table: &str,
        after: Option<&StreamArn>,
    ) -> Result<StreamsPage, PortError> {
        let mut page = self.right.list_streams(table, after).await?;
        if self.mistake == Mistake::LeavesTheLatestStreamOut {
            page.streams.clear();
        }
        Ok(page)
    }

    async fn list_shards(
        &self,
        stream: &StreamArn,
        after: Option<&ShardId>,
    ) -> Result<ShardPage, PortError> {
        self.right.list_shards(stream, after).await
    }

    async fn children_of(&self, stream: &StreamArn, of: &ShardId) -> Result<ShardPage, PortError> {
        match self.mistake {
            Mistake::ListsEveryShardAsAChild => self.right.list_shards(stream, None).await,
            _ => self.right.children_of(stream, of).await,
        }
    }

    async fn open(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        at: Position,
    ) -> Result<ShardIterator, PortError> {
        match (self.mistake, at) {
            (Mistake::ReadsFromIncludingThePosition, Position::After(_)) => {
                self.right.open(stream, shard, Position::TrimHorizon).await
            }
            (Mistake::ReadsFromBehindTheRecord, Position::From(record)) => {
                let behind = Position::After(record);
                self.right.open(stream, shard, behind).await
            }
            _ => self.right.open(stream, shard, at).await,
        }
    }

    async fn fetch(&self, from: &ShardIterator, limit: u16) -> Result<Fetched, PortError> {
        let limit = if self.mistake == Mistake::IgnoresTheLimit {
            1000
        } else {
            limit
        };
        let mut fetched = self.right.fetch(from, limit).await?;
        match self.mistake {
            Mistake::EndsOpenShards => fetched.next = None,
            Mistake::NeverEnds => fetched.next = fetched.next.or_else(|| Some(from.clone())),
            Mistake::Reorders => fetched.page.records.reverse(),
            _ => {}
        }
        Ok(fetched)
    }

    fn service_time(&self) -> Option<Timestamp> {
        None
    }
}

/// A table of one partition that writes every item as if it were new.
struct MistakenScene {
    source: Mistaken,
    shards: AtomicU64,
}

impl MistakenScene {
    fn new(mistake: Mistake) -> Self {
        let right = MemoryStreams::new("orders");
        right.add_shard("shardId-0000000000000000000-0", None);
        Self {
            source: Mistaken { right, mistake },
            shards: AtomicU64::new(1),
        }
    }

    async fn push(&self, change: &ItemChange) -> Result<(), Trouble> {
        let streams = &self.source.right;
        let listed = streams.list_shards(&streams.arn(), None).await?.shards;
        let open = listed
            .iter()
            .find(|shard| shard.ending.is_none())
            .ok_or("no open shard")?;
        streams.push(&open.id, change)?;
        Ok(())
    }
}

#[async_trait]
impl Scene for MistakenScene {
    fn source(&self) -> Arc<dyn StreamSource> {
        Arc::new(self.source.clone())
    }

    fn table(&self) -> &str {
        "orders"
    }

    fn capabilities(&self) -> &[Capability] {
        &[Capability::RollOver, Capability::Children]
    }

    async fn put(&self, id: &str, n: u64) -> Result<(), Trouble> {
        let keys = json!({"id": {"S": id}});
        let new = json!({"id": {"S": id}, "n": {"N": n.to_string()}});
        self.push(&ItemChange::insert(keys, new)).await
    }

    async fn delete(&self, id: &str) -> Result<(), Trouble> {
        let keys = json!({"id": {"S": id}});
        self.push(&ItemChange::remove(keys.clone(), keys)).await
    }

    async fn roll_over(&self, shard: &ShardId) -> Result<(), Trouble> {
        self.source.right.close(shard)?;
        let next = self.shards.fetch_add(1, Ordering::Relaxed);
        self.source
            .right
            .add_shard(&format!("shardId-0000000000000000000-{next}"), Some(shard));
        Ok(())
    }
}

#[tokio::test]
async fn every_mistake_is_found_by_the_rule_that_names_it() {
    let table = [
        (
            Mistake::EndsOpenShards,
            "an open shard always has a next iterator",
        ),
        (
            Mistake::NeverEnds,
            "a shard that rolled over ends after its last record",
        ),
        (
            Mistake::IgnoresTheLimit,
            "a page holds no more records than were asked for",
        ),
        (
            Mistake::ReadsFromIncludingThePosition,
            "reading after a record begins with the next one",
        ),
        (
            Mistake::ReadsFromBehindTheRecord,
            "reading from a record begins with it",
        ),
        (
            Mistake::ListsEveryShardAsAChild,
            "a shard that is written has no children",
        ),
        (
            Mistake::Reorders,
            "every change is read once and in the order of its shard",
        ),
        (
            Mistake::LeavesTheLatestStreamOut,
            "the list of a tables streams has the latest one",
        ),
    ];
    for (mistake, rule) in table {
        let report = check_all(async |_| Ok(MistakenScene::new(mistake))).await;
        assert!(
            report.failed().any(|check| check.rule == rule),
            "{mistake:?}\n{report}"
        );
        let right = check_all(async |_| Ok(MistakenScene::new(Mistake::None))).await;
        assert!(
            right.failed().all(|check| check.rule != rule),
            "{mistake:?}\n{right}"
        );
    }
}
