//! What the checks of a stream do with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::ports::{Position, ShardIterator, StreamSource};
use shardkeeper_core::record::Record;

use super::Scene;
use crate::conformance::{Trouble, ensure, same};

/// A scene, its source and its stream.
pub(super) struct Stage {
    pub(super) scene: Box<dyn Scene>,
    pub(super) source: Arc<dyn StreamSource>,
    pub(super) stream: StreamArn,
}

/// More pages than any listing or shard of a check has.
const PAGES: usize = 500;
/// So many empty pages in a row, and the shard is taken to have no more to show for now: an empty
/// page alone does not mean that (F37).
const QUIET_PAGES: usize = 5;

/// What reading a shard to its present end gave.
pub(super) struct ReadShard {
    pub(super) records: Vec<Record>,
    /// `None` when the shard ended.
    pub(super) next: Option<ShardIterator>,
}

impl Stage {
    /// Every stream of tables with this name, over all pages, as they came.
    pub(super) async fn streams_of(&self, table: &str) -> Result<Vec<StreamArn>, Trouble> {
        let mut streams = Vec::new();
        let mut after = None;
        for _ in 0..PAGES {
            let page = self.source.list_streams(table, after.as_ref()).await?;
            streams.extend(page.streams);
            match page.next {
                None => return Ok(streams),
                next => after = next,
            }
        }
        Err("the list of streams does not end".into())
    }

    /// Every shard of the stream, over all pages, as they came.
    pub(super) async fn shards(&self) -> Result<Vec<Shard>, Trouble> {
        let mut shards = Vec::new();
        let mut after = None;
        for _ in 0..PAGES {
            let page = self
                .source
                .list_shards(&self.stream, after.as_ref())
                .await?;
            shards.extend(page.shards);
            match page.next {
                None => return Ok(shards),
                next => after = next,
            }
        }
        Err("the listing does not end".into())
    }

    pub(super) async fn shard(&self, id: &ShardId) -> Result<Shard, Trouble> {
        let found = self
            .shards()
            .await?
            .into_iter()
            .find(|shard| shard.id == *id);
        found.ok_or_else(|| format!("{id} is not listed").into())
    }

    pub(super) async fn children_in_listing(
        &self,
        parent: &ShardId,
    ) -> Result<Vec<Shard>, Trouble> {
        let mut shards = self.shards().await?;
        shards.retain(|shard| shard.parent.as_ref() == Some(parent));
        Ok(shards)
    }

    pub(super) async fn read(&self, shard: &ShardId, at: Position) -> Result<ReadShard, Trouble> {
        let from = self.source.open(&self.stream, shard, at).await?;
        self.read_on(from, 1000).await
    }

    pub(super) async fn read_on(
        &self,
        from: ShardIterator,
        limit: u16,
    ) -> Result<ReadShard, Trouble> {
        let mut records = Vec::new();
        let mut next = Some(from);
        let mut quiet = 0;
        for _ in 0..PAGES {
            let Some(from) = &next else { break };
            let fetched = self.source.fetch(from, limit).await?;
            let found = fetched.page.records;
            same(
                fetched.page.undecodable.len(),
                0,
                "records that could not be read",
            )?;
            ensure(found.len() <= usize::from(limit), || {
                format!("{} records where {limit} were asked for", found.len())
            })?;
            quiet = if found.is_empty() { quiet + 1 } else { 0 };
            records.extend(found);
            next = fetched.next;
            if quiet == QUIET_PAGES {
                break;
            }
        }
        Ok(ReadShard { records, next })
    }

    /// Every record of every shard from its oldest on, by shard.
    pub(super) async fn everything(&self) -> Result<BTreeMap<ShardId, Vec<Record>>, Trouble> {
        let mut all = BTreeMap::new();
        for shard in self.shards().await? {
            let read = self.read(&shard.id, Position::TrimHorizon).await?;
            all.insert(shard.id, read.records);
        }
        Ok(all)
    }

    /// Writes items and says in which shard the first of them is: one with records.
    pub(super) async fn busy_shard(&self, items: u64) -> Result<(ShardId, Vec<Record>), Trouble> {
        for n in 0..items {
            self.scene.put("one item", n).await?;
        }
        let all = self.everything().await?;
        let busy = all.into_iter().find(|(_, records)| !records.is_empty());
        busy.ok_or_else(|| "no shard has the records".into())
    }
}
