//! What a worker says about itself: facts in the past tense.
//!
//! The runtime emits these and nothing else; logs, metrics, the status picture and tests are made from
//! them. No event carries item data, an iterator or a credential (S16).

use std::time::Duration;

use crate::checkpoint::{Checkpoint, Timestamp};
use crate::ids::{SequenceNumber, ShardId, StreamArn, WorkerId};
use crate::ports::FailureKind;

/// Something that happened in a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The worker is a member of its group.
    WorkerJoined {
        /// Its incarnation.
        worker: WorkerId,
    },
    /// The worker no longer believes in itself and drops its leases; it comes back as a new incarnation.
    WorkerDemoted {
        /// The incarnation that ended.
        worker: WorkerId,
        /// Why.
        why: String,
    },
    /// The worker has left in order.
    WorkerLeft {
        /// The incarnation that ended.
        worker: WorkerId,
        /// Leases that could not be let go in time and are left to expire.
        abandoned: usize,
    },
    /// Another worker was found dead.
    WorkerFoundDead {
        /// The incarnation.
        worker: WorkerId,
    },
    /// This worker lists the stream from now on.
    DiscoveryTaken {
        /// The term of office.
        term: u64,
    },
    /// The streams of a table were listed.
    ShardsListed {
        /// The table.
        table: String,
        /// How many shards the listing showed.
        listed: usize,
        /// How many leases were created.
        created: usize,
        /// How many leases were forgotten.
        forgotten: usize,
    },
    /// The stream of the table is another one than before.
    StreamChanged {
        /// The stream that is read from now on.
        stream: StreamArn,
    },
    /// A stream that is read by its ARN is over: it is switched off or gone, and everything in it was processed. The
    /// worker ends when that is so of all that it reads.
    StreamEnded {
        /// The stream.
        stream: StreamArn,
    },
    /// A stream that is read by its ARN would be over, if shards did not stand still until somebody decides. The worker
    /// stays.
    StreamHeldUp {
        /// The stream.
        stream: StreamArn,
        /// How many shards.
        stopped: usize,
    },
    /// The group has leases of a table that this worker does not read. They are neither read nor deleted by it.
    TableLeftAlone {
        /// The table.
        table: String,
        /// How many of its leases are not finished.
        leases: usize,
    },
    /// The start position that the user asked for is not used.
    StartIgnored {
        /// Why, and where reading begins instead.
        why: String,
    },
    /// The lease table has leases of KCL: they are watched before they are adopted.
    KclLeasesFound {
        /// How many.
        leases: usize,
        /// For how long they must stand still.
        watched: Duration,
    },
    /// Leases of KCL were adopted.
    KclLeasesAdopted {
        /// How many this worker adopted; others may have adopted the rest.
        leases: usize,
    },
    /// A lease is ours.
    LeaseAcquired {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// The fencing token.
        epoch: u64,
        /// Where the shard goes on.
        from: Checkpoint,
        /// How we came by it.
        how: Acquired,
    },
    /// We asked a living owner for a lease.
    LeaseRequested {
        /// The shard's lease.
        lease: String,
        /// Its owner.
        owner: WorkerId,
    },
    /// A lease was let go by its owner.
    LeaseReleased {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// The fencing token.
        epoch: u64,
        /// The checkpoint that went with it.
        at: Checkpoint,
        /// The new owner; `None` when it is free or stopped.
        to: Option<WorkerId>,
    },
    /// A lease was lost.
    LeaseLost {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// The fencing token that is void now.
        epoch: u64,
    },
    /// The task of a shard was not polled for a long time, because user code blocks its thread. The lease was let
    /// go, so that another worker can read the shard.
    ShardBlocked {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// The fencing token that is void now.
        epoch: u64,
        /// For how long nothing was heard of it.
        silent: Duration,
    },
    /// Leases are free, nobody takes them, and this worker must not: it owns as many as it may.
    CapacityShort {
        /// How many are left over; 0 when that is over.
        left: usize,
        /// How many this worker may own.
        max_leases: usize,
    },
    /// The lease table says that no worker may go on until a person has looked: it was set back in time.
    GroupStopped {
        /// Why, and how to go on.
        why: String,
    },
    /// A row of the lease table cannot be read; it is left alone.
    LeaseUnreadable {
        /// The key of the row.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Records were given to the processor.
    BatchDelivered {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// The fencing token.
        epoch: u64,
        /// How many records.
        records: usize,
        /// The first one.
        first: SequenceNumber,
        /// The last one.
        last: SequenceNumber,
        /// 1 for the first attempt.
        attempt: u32,
    },
    /// The processor acknowledged records.
    BatchProcessed {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// How many records were acknowledged.
        records: usize,
        /// How long `process` took.
        took: Duration,
        /// How old the last record was when it was acknowledged, where that is known.
        iterator_age: Option<Duration>,
    },
    /// The processor failed.
    BatchFailed {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// 1 for the first attempt.
        attempt: u32,
        /// How long until the next attempt; zero when the batch is divided at once, to skip a record of it, or when
        /// its shard stops.
        retry_in: Duration,
        /// What the processor's error says of itself, in the user's words; `None` after a panic.
        error: Option<String>,
    },
    /// A call of the processor has not returned for a long time. It keeps its lease; told again each time the wait
    /// has doubled.
    ProcessorPending {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// For how long.
        pending: Duration,
    },
    /// Records whose acknowledgement was put off were given up by the processor; they are delivered again.
    DeferralDropped {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// Everything after this is delivered again, but for gaps that were told.
        after: Checkpoint,
    },
    /// A record was skipped because the processor said so.
    RecordSkipped {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// The record.
        sequence_number: SequenceNumber,
    },
    /// A checkpoint was stored.
    CheckpointStored {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// The fencing token.
        epoch: u64,
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// A shard is finished; its children may be read.
    ShardEnded {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// The shards that continue it, as far as they are known.
        children: Vec<ShardId>,
    },
    /// A shard stands still until somebody decides.
    ShardStopped {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// Why, and how to go on.
        why: String,
    },
    /// A page was read.
    PageFetched {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// How many records.
        records: usize,
        /// The size of the answer.
        bytes: usize,
    },
    /// A shard was refused for a minute and longer because too many read it (F40): two readers are allowed, and one
    /// of them is this worker. Told again each time it has lasted twice as long.
    TooManyReaders {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// For how long.
        lasted: Duration,
    },
    /// A shard is more than half of the service's retention behind and comes no closer. Told again each time what is
    /// left has halved.
    RetentionShort {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
        /// How long its oldest unprocessed record is still kept.
        headroom: Duration,
    },
    /// The service's iterator was too old; a new one was opened after the last delivered record.
    IteratorExpired {
        /// Its stream.
        stream: StreamArn,
        /// The shard.
        shard: ShardId,
    },
    /// Records are gone that were never processed. Exactly one per gap (G7, S2).
    DataLost(DataLoss),
    /// A call failed; it is tried again.
    CallFailed {
        /// The API action.
        action: &'static str,
        /// What kind of failure.
        kind: FailureKind,
        /// What the service said.
        message: String,
    },
}

impl Event {
    /// The shard that it is about, with its stream: streams of local servers may share the ids of their shards.
    #[must_use]
    pub fn shard(&self) -> Option<(&StreamArn, &ShardId)> {
        match self {
            Self::LeaseAcquired { stream, shard, .. }
            | Self::LeaseReleased { stream, shard, .. }
            | Self::LeaseLost { stream, shard, .. }
            | Self::ShardBlocked { stream, shard, .. }
            | Self::BatchDelivered { stream, shard, .. }
            | Self::BatchProcessed { stream, shard, .. }
            | Self::BatchFailed { stream, shard, .. }
            | Self::ProcessorPending { stream, shard, .. }
            | Self::DeferralDropped { stream, shard, .. }
            | Self::RecordSkipped { stream, shard, .. }
            | Self::CheckpointStored { stream, shard, .. }
            | Self::ShardEnded { stream, shard, .. }
            | Self::ShardStopped { stream, shard, .. }
            | Self::PageFetched { stream, shard, .. }
            | Self::TooManyReaders { stream, shard, .. }
            | Self::RetentionShort { stream, shard, .. }
            | Self::IteratorExpired { stream, shard }
            | Self::DataLost(DataLoss { stream, shard, .. }) => Some((stream, shard)),
            _ => None,
        }
    }
}

/// How a lease came to us.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acquired {
    /// Nobody owned it.
    Free,
    /// Its owner was dead or had left.
    From(WorkerId),
    /// Its owner handed it over.
    HandedOver,
    /// We finished its parent.
    Born,
}

/// Records that are gone unprocessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLoss {
    /// Its stream.
    pub stream: StreamArn,
    /// The shard.
    pub shard: ShardId,
    /// The last position that is safe: everything after it, up to `to`, is gone.
    pub from: Checkpoint,
    /// The first record that is there again; `None` when that is not known, or when the whole rest of
    /// the shard is gone.
    pub to: Option<SequenceNumber>,
    /// What happened.
    pub why: LossCause,
    /// When it was noticed, on the service's clock.
    pub noticed: Option<Timestamp>,
}

/// What made records disappear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossCause {
    /// The position was trimmed: it is older than the retention of the stream.
    Trimmed,
    /// The shard no longer exists.
    ShardVanished,
    /// A shard names a parent that was trimmed away before it was read.
    ParentVanished,
    /// A record could not be decoded.
    Undecodable,
}
