//! A world for *your* processor: real workers, a stream that rolls over, splits and stutters, crashes, take-overs and
//! redelivery, all from one seed, in virtual time, in a unit test of a few lines.
//!
//! ```
//! use shardkeeper::each_batch_with;
//! use shardkeeper_testkit::World;
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! type Sink = Arc<Mutex<BTreeMap<String, Option<String>>>>;
//!
//! async fn copy(sink: Sink, batch: shardkeeper::Batch) -> Result<(), shardkeeper::BoxError> {
//!     for record in &batch {
//!         let new = record.new_image_json().map(str::to_owned);
//!         sink.lock().unwrap().insert(record.keys_json().to_owned(), new);
//!     }
//!     Ok(())
//! }
//!
//! // The same changes in a quiet world and in hostile ones: the sink ends up the same.
//! World::builder().seed(7).shards(4).assert_idempotent(|| {
//!     let sink = Sink::default();
//!     let (to, from) = (sink.clone(), sink);
//!     (move |_: &_| each_batch_with(to.clone(), copy), move || from.lock().unwrap().clone())
//! });
//! ```
//!
//! ```text
//!  builder ── what the world is           script ── exact scenes instead of dice
//!     │                                      │
//!     ▼                                      ▼
//!  stage: the stream, the lease table, ◀── trouble (dice) / enact (script)
//!         the workers, what happened
//!     ▲ ports: line      ▲ user code: watch      ▲ workers: crew
//!     └──────────────────┴───────────────────────┴──▶ Run: what happened, and assertions on it
//! ```
//!
//! A world runs on a thread and a paused clock of its own, so it works in any test, `#[test]` or `#[tokio::test]`,
//! and nothing has to be set up. It follows that a processor in it must not do real I/O: virtual time passes while it
//! waits. For sinks that are servers there is the [emulator](crate::emulator).

mod assertions;
mod builder;
mod changes;
mod crew;
mod enact;
mod idempotence;
mod line;
mod run;
mod script;
mod stage;
mod stand;
mod trouble;
mod watch;

pub use self::builder::{Adversity, WorldBuilder};
pub use self::changes::{Changes, NoItem};
pub use self::run::{Handed, Run};
pub use self::script::{Script, ShardScript};

/// Where worlds come from: [`World::builder`].
#[derive(Debug)]
#[non_exhaustive]
pub struct World;

impl World {
    /// A world with 1 shard, 2 workers, 60 changes of 8 items, every [`Adversity`] and seed 0.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::new()
    }
}
