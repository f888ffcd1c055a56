//! What happens in a world, as far as anybody judges it or wants to read of it.

use std::collections::BTreeSet;

use shardkeeper_core::event::Event;
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::lease::Lease;

use super::holdings::Paper;
use crate::sim::chaos::Fault;
use crate::sim::ground::Time;
use crate::sim::world::{Op, ShardNo};

/// Who wrote a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    Worker(usize),
    /// A person who edits it.
    Operator,
    /// Whoever puts an older copy in place of the table, and lets the application go on afterwards.
    Restorer,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    ShardMade {
        shard: ShardNo,
        parent: Option<ShardNo>,
    },
    ShardClosed {
        shard: ShardNo,
    },
    ShardVanished {
        shard: ShardNo,
    },
    /// Records of these places are gone.
    Trimmed {
        shard: ShardNo,
        from: usize,
        to: usize,
    },
    Launched {
        seat: usize,
        life: u32,
        /// Its machine has the dice of another one.
        copy: bool,
    },
    Crashed {
        seat: usize,
    },
    Halted {
        seat: usize,
        how: &'static str,
        long: Time,
    },
    WentOn {
        seat: usize,
    },
    Leaving {
        seat: usize,
    },
    Ended {
        seat: usize,
        why: Option<String>,
    },
    Struck {
        fault: Fault,
        seat: Option<usize>,
        long: Time,
    },
    Healed,
    /// An older copy of the lease table was put in place of it.
    Restored {
        /// Workers whose own beats fell.
        fell: BTreeSet<usize>,
    },
    /// The application goes on after its table was restored.
    Resumed,
    /// A row of the lease table is another one now.
    LeaseChanged {
        shard: ShardNo,
        before: Option<Box<Lease>>,
        after: Option<Box<Lease>>,
        by: Author,
        /// When the call was sent that changed it.
        sent: Time,
    },
    /// A listing was asked for, of shards or of streams.
    Called {
        seat: usize,
        op: Op,
    },
    /// Something is wrong with a call, while every line is told.
    Fared {
        seat: usize,
        op: Op,
        how: String,
    },
    /// A fault strikes what happens next, while every line is told.
    Rolled {
        fault: Fault,
    },
    /// A shard is there, in a story that is told.
    Introduced {
        shard: ShardNo,
        id: ShardId,
        parent: Option<ShardNo>,
        closed: bool,
        records: usize,
    },
    /// A worker asks for records of a shard.
    Polled {
        seat: usize,
        shard: ShardNo,
    },
    /// A page with records has come to a worker.
    PageCame {
        seat: usize,
        shard: ShardNo,
        page: Paper,
    },
    /// A reader goes on at this number, or behind it.
    Opened {
        shard: ShardNo,
        at: u128,
    },
    /// A processor was called.
    Dispatched(Dispatch),
    /// It returned, and acknowledged the records of these places.
    Returned {
        seat: usize,
        shard: ShardNo,
        epoch: u64,
        acked: Vec<usize>,
        how: &'static str,
    },
    /// It accepted the end of its shard.
    EndAccepted {
        seat: usize,
        shard: ShardNo,
        epoch: u64,
    },
    /// A worker said something about itself.
    Said {
        seat: usize,
        shard: Option<ShardNo>,
        event: Box<Event>,
    },
}

/// One call of `process`.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    pub(crate) seat: usize,
    pub(crate) worker: String,
    pub(crate) shard: ShardNo,
    pub(crate) epoch: u64,
    /// Where the records stand in their shard; `None` for one that was never written.
    pub(crate) places: Vec<Option<usize>>,
}

impl Fact {
    /// It is judged, and too dull to be told.
    pub(super) fn is_dull(&self) -> bool {
        matches!(
            self,
            Self::Called { .. } | Self::Polled { .. } | Self::PageCame { .. }
        )
    }

    /// It is told as it happens, and nobody judges or remembers it.
    pub(super) fn is_an_aside(&self) -> bool {
        matches!(
            self,
            Self::Fared { .. } | Self::Rolled { .. } | Self::Introduced { .. }
        )
    }

    /// The shard that it is about.
    pub(crate) fn shard(&self) -> Option<ShardNo> {
        match self {
            Self::ShardMade { shard, .. }
            | Self::Introduced { shard, .. }
            | Self::ShardClosed { shard }
            | Self::ShardVanished { shard }
            | Self::Trimmed { shard, .. }
            | Self::LeaseChanged { shard, .. }
            | Self::Polled { shard, .. }
            | Self::PageCame { shard, .. }
            | Self::Opened { shard, .. }
            | Self::Returned { shard, .. }
            | Self::EndAccepted { shard, .. } => Some(*shard),
            Self::Dispatched(dispatch) => Some(dispatch.shard),
            Self::Said { shard, .. } => *shard,
            _ => None,
        }
    }
}
