//! What a stream is checked on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::ports::StreamSource;

use crate::conformance::Trouble;

/// What a scene may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// Nothing special: every source must pass.
    Everywhere,
    /// The service's clock is told.
    ServiceTime,
    /// A stream has several shards from the start.
    SeveralShards,
    /// [`Scene::roll_over`].
    RollOver,
    /// [`Scene::split`].
    Split,
    /// The children of one shard can be asked for.
    Children,
    /// [`Position::At`](shardkeeper_core::ports::Position::At), and [`Scene::wait`].
    AtTimestamp,
    /// [`Scene::trim`].
    Trimming,
    /// [`Scene::expire_iterators`].
    IteratorExpiry,
    /// Streams with other views than both images.
    Views,
    /// [`Scene::disable_stream`] and [`Scene::enable_stream`].
    DisableEnable,
    /// The list of a table's streams keeps those that were switched off (F52).
    FormerStreams,
}

/// What records of a stream carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// `KEYS_ONLY`.
    KeysOnly,
    /// `NEW_IMAGE`.
    NewImage,
    /// `OLD_IMAGE`.
    OldImage,
    /// `NEW_AND_OLD_IMAGES`.
    NewAndOldImages,
}

impl View {
    /// As the service names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }
}

/// A table with an enabled stream, for one check. Items have the text key `id` and the number `n`.
///
/// The methods with a default belong to a capability; a scene that has it overrides them.
#[async_trait]
pub trait Scene: Send + Sync {
    /// The source under test.
    fn source(&self) -> Arc<dyn StreamSource>;

    /// The name of the table.
    fn table(&self) -> &str;

    /// What this scene has, besides [`Capability::Everywhere`].
    fn capabilities(&self) -> &[Capability];

    /// Writes the item `id` with this `n`.
    async fn put(&self, id: &str, n: u64) -> Result<(), Trouble>;

    /// Deletes the item `id`.
    async fn delete(&self, id: &str) -> Result<(), Trouble>;

    /// Closes an open shard and follows it with one child.
    async fn roll_over(&self, _shard: &ShardId) -> Result<(), Trouble> {
        Err("this scene cannot roll a shard over".into())
    }

    /// Closes an open shard and follows it with several children.
    async fn split(&self, _shard: &ShardId) -> Result<(), Trouble> {
        Err("this scene cannot split a shard".into())
    }

    /// Trims every record that the shard has now.
    async fn trim(&self, _shard: &ShardId) -> Result<(), Trouble> {
        Err("this scene cannot trim a shard".into())
    }

    /// Makes every iterator that was handed out an expired one.
    async fn expire_iterators(&self) -> Result<(), Trouble> {
        Err("this scene cannot expire iterators".into())
    }

    /// Switches the stream off.
    async fn disable_stream(&self) -> Result<(), Trouble> {
        Err("this scene cannot switch its stream off".into())
    }

    /// Switches a new stream on, with [`View::NewAndOldImages`].
    async fn enable_stream(&self) -> Result<(), Trouble> {
        Err("this scene cannot switch its stream on".into())
    }

    /// Lets time pass, for the service too.
    async fn wait(&self, _time: Duration) -> Result<(), Trouble> {
        Err("this scene has no time".into())
    }
}
