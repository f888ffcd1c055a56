//! The ports in memory, behind a table that writes its own stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::ports::StreamSource;
use shardkeeper_testkit::conformance::Trouble;
use shardkeeper_testkit::conformance::stream_source::{Capability, Scene};
use shardkeeper_testkit::memory::{ItemChange, MemoryStreams};

pub(crate) struct MemoryScene {
    streams: MemoryStreams,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: BTreeMap<String, u64>,
    /// The open shards of each partition: an item stays in the lineage of its partition.
    partitions: Vec<Vec<ShardId>>,
    shards: usize,
}

impl MemoryScene {
    pub(crate) fn new() -> Self {
        let streams = MemoryStreams::new("orders");
        let mut state = State::default();
        for _ in 0..2 {
            let root = state.add_shard(&streams, None);
            state.partitions.push(vec![root]);
        }
        Self {
            streams,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a shard and lets others write on in its place.
    fn follow(&self, shard: &ShardId, children: usize) -> Result<(), Trouble> {
        self.streams.close(shard)?;
        let mut state = self.state();
        let children: Vec<ShardId> = (0..children)
            .map(|_| state.add_shard(&self.streams, Some(shard)))
            .collect();
        for open in &mut state.partitions {
            if open.contains(shard) {
                open.retain(|other| other != shard);
                open.extend(children.clone());
            }
        }
        Ok(())
    }

    fn write(&self, id: &str, new: Option<u64>) -> Result<(), Trouble> {
        let mut state = self.state();
        let old = match new {
            Some(n) => state.items.insert(id.to_owned(), n),
            None => state.items.remove(id),
        };
        let keys = json!({"id": {"S": id}});
        let change = match (old, new) {
            (None, Some(new)) => ItemChange::insert(keys, image(id, new)),
            (Some(old), Some(new)) => ItemChange::modify(keys, image(id, old), image(id, new)),
            (Some(old), None) => ItemChange::remove(keys, image(id, old)),
            (None, None) => return Ok(()),
        };
        let hash = id.bytes().fold(7_usize, |hash, byte| {
            hash.wrapping_mul(31) ^ usize::from(byte)
        });
        let partition = state
            .partitions
            .get(hash % state.partitions.len())
            .ok_or("no partition")?;
        let shard = partition
            .get(hash / 2 % partition.len())
            .ok_or("no shard is open")?;
        self.streams.push(shard, &change)?;
        Ok(())
    }
}

impl State {
    fn add_shard(&mut self, streams: &MemoryStreams, parent: Option<&ShardId>) -> ShardId {
        self.shards += 1;
        streams.add_shard(&format!("shardId-{:020}-memory", self.shards), parent)
    }
}

fn image(id: &str, n: u64) -> Value {
    json!({"id": {"S": id}, "n": {"N": n.to_string()}})
}

#[async_trait]
impl Scene for MemoryScene {
    fn source(&self) -> Arc<dyn StreamSource> {
        Arc::new(self.streams.clone())
    }

    fn table(&self) -> &str {
        "orders"
    }

    fn capabilities(&self) -> &[Capability] {
        &[
            Capability::SeveralShards,
            Capability::RollOver,
            Capability::Split,
            Capability::Children,
        ]
    }

    async fn put(&self, id: &str, n: u64) -> Result<(), Trouble> {
        self.write(id, Some(n))
    }

    async fn delete(&self, id: &str) -> Result<(), Trouble> {
        self.write(id, None)
    }

    async fn roll_over(&self, shard: &ShardId) -> Result<(), Trouble> {
        self.follow(shard, 1)
    }

    async fn split(&self, shard: &ShardId) -> Result<(), Trouble> {
        self.follow(shard, 3)
    }
}
