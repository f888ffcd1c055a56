//! The names in the model: one stream whose parent shard has ended and continues in two children.

use std::sync::LazyLock;
use std::time::Duration;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::ids::{SequenceNumber, ShardId, StreamArn, WorkerId};
use shardkeeper_core::lease::lease_key;
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::row::RowKey;

/// The shards that a scenario may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// The shard that is there from the beginning.
    Parent,
    /// The first of its children.
    First,
    /// The second.
    Second,
}

struct Names {
    stream: StreamArn,
    shards: [ShardId; 3],
    keys: [RowKey; 3],
    workers: Vec<Vec<WorkerId>>,
}

/// Workers and lives per worker that have a name of their own.
const WORKERS: [&str; 3] = ["a", "b", "c"];
const LIVES: usize = 64;

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let stream = "arn:aws:dynamodb:us-west-2:111122223333:table/T/stream/2015-05-20T20:51:10.252";
    let stream = StreamArn::parse(stream).expect("a well formed ARN");
    let shards = ["parent", "first", "second"].map(ShardId::from_service);
    let keys = [0, 1, 2].map(|n: usize| lease_key(&stream, &shards[n]));
    let lives = |name: &str| {
        (1..=LIVES)
            .map(|life| WorkerId::from_row(&format!("{name}{life}")))
            .collect()
    };
    Names {
        stream,
        shards,
        keys,
        workers: WORKERS.iter().map(|name| lives(name)).collect(),
    }
});

impl Branch {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Parent, Self::First, Self::Second];
    /// The children.
    pub const CHILDREN: [Self; 2] = [Self::First, Self::Second];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The shard's id.
    pub fn shard(self) -> &'static ShardId {
        &NAMES.shards[self.index()]
    }

    /// The key of its lease.
    pub fn key(self) -> &'static RowKey {
        &NAMES.keys[self.index()]
    }

    pub(crate) fn of_key(key: &RowKey) -> Option<Self> {
        Self::ALL.into_iter().find(|branch| branch.key() == key)
    }

    pub(crate) fn parent(self) -> Option<Self> {
        (self != Self::Parent).then_some(Self::Parent)
    }

    /// The shard as a listing shows it.
    pub(crate) fn listed(self) -> Shard {
        Shard {
            id: self.shard().clone(),
            parent: self.parent().map(|parent| parent.shard().clone()),
            starting: None,
            ending: None,
        }
    }
}

/// The stream.
pub(crate) fn stream() -> &'static StreamArn {
    &NAMES.stream
}

/// One life of a worker; the first is 1.
pub(crate) fn incarnation(worker: usize, life: usize) -> &'static WorkerId {
    &NAMES.workers[worker][life - 1]
}

/// The name of a worker, for people.
pub(crate) fn worker_name(worker: usize) -> &'static str {
    WORKERS[worker]
}

/// The position behind so many records.
pub(crate) fn behind(records: u8) -> Checkpoint {
    match records {
        0 => Checkpoint::TrimHorizon,
        n => SequenceNumber::from_service(&n.to_string())
            .map_or(Checkpoint::TrimHorizon, Checkpoint::After),
    }
}

/// How many records are before a position.
pub(crate) fn records_before(checkpoint: &Checkpoint) -> u8 {
    match checkpoint {
        Checkpoint::After(number) => number.as_str().parse().unwrap_or(u8::MAX),
        _ => 0,
    }
}

/// A moment of the model as the core counts time: one tick is a second.
pub(crate) fn at(tick: u64) -> Duration {
    Duration::from_secs(tick)
}
