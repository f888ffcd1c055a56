//! The two doors of the house: where records come from, and where leases are kept.
//!
//! Everything asynchronous in this crate is here. Both traits are small, object safe and come with an
//! in-memory implementation, a real one and a contract suite (`shardkeeper_testkit::conformance`) that
//! every implementation must pass.
//!
//! Both ports make *one attempt* per call, bounded in time by the implementation: retrying is decided
//! in one place, by the caller. Every method may be cancelled by dropping its future; a write that is
//! dropped may still land, which the caller treats like a lost response.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::checkpoint::Timestamp;
use crate::ids::{SequenceNumber, ShardId, StreamArn};
use crate::lineage::Shard;
use crate::record::Page;
use crate::row::{Row, RowKey, Write};

/// Why a call failed, as far as a caller acts on it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Too many calls; slow down.
    Throttled,
    /// More readers than a shard lets in: `LimitExceededException` of `GetRecords` (F40).
    TooManyReaders,
    /// A server or network failure that may pass. A write may have been applied.
    Unavailable,
    /// Credentials or permissions; may be repaired while we run.
    Denied,
    /// The iterator is older than the service allows; open a new one (F41).
    ExpiredIterator,
    /// The position was trimmed away: data between it and the horizon is gone (F42).
    Trimmed,
    /// The table, stream or shard does not exist.
    NotFound,
    /// The service refuses the request itself; asking again does not help.
    Invalid,
    /// The answer makes no sense: an empty 200, HTML, a missing mandatory member. It proves nothing.
    /// A write may have been applied.
    Protocol,
}

/// A call that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{action} failed: {message}")]
pub struct PortError {
    /// What to do about it.
    pub kind: FailureKind,
    /// The API action, such as `GetRecords`.
    pub action: &'static str,
    /// What the service said; never item data, never an iterator.
    pub message: String,
}

impl PortError {
    /// An error of this kind.
    pub fn new(kind: FailureKind, action: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            action,
            message: message.into(),
        }
    }

    /// True when asking again later may succeed without anybody doing anything, or after an operator
    /// repaired it: everything but a request that is itself wrong.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Throttled
                | FailureKind::TooManyReaders
                | FailureKind::Unavailable
                | FailureKind::Denied
                | FailureKind::Protocol
        )
    }

    /// True when a *write* that failed like this may have been applied all the same (S12).
    pub fn is_ambiguous(&self) -> bool {
        matches!(self.kind, FailureKind::Unavailable | FailureKind::Protocol)
    }
}

/// Where in a shard to begin reading (F28).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// The oldest record that is still there.
    TrimHorizon,
    /// The first record at or after this time. Not every server knows it: they answer
    /// [`FailureKind::Invalid`].
    At(Timestamp),
    /// The record right after this one.
    After(SequenceNumber),
    /// This record; [`FailureKind::Trimmed`] when it is gone.
    From(SequenceNumber),
}

/// A place in a shard that the service remembers for 15 minutes (F30). Opaque (F33): never parsed,
/// stored or printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ShardIterator(String);

impl ShardIterator {
    /// Wraps what the service said; `None` for the empty string, which is no iterator.
    pub fn from_service(said: impl Into<String>) -> Option<Self> {
        let said = said.into();
        (!said.is_empty()).then_some(Self(said))
    }

    /// The token, to be sent back and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShardIterator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShardIterator(..)")
    }
}

/// Is the stream being written (F16)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamStatus {
    /// Being switched on; it may list no shards yet.
    Enabling,
    /// In use.
    Enabled,
    /// Being switched off.
    Disabling,
    /// Switched off: every shard is closed and readable for the rest of its retention.
    Disabled,
}

/// One page of a listing of shards (F15, F17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPage {
    /// The state of the stream.
    pub status: StreamStatus,
    /// The shards of this page, in the order of the answer. May be empty though more follow.
    pub shards: Vec<Shard>,
    /// Where to go on; `None` ends the listing, and nothing else does.
    pub next: Option<ShardId>,
    /// What records carry, as the service names it (`KEYS_ONLY` ...), where it says so.
    pub view_type: Option<String>,
}

/// One page of the list of a table's streams (F51).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsPage {
    /// Streams of tables of that name, in any order: the one that the table has now and older ones (F52).
    pub streams: Vec<StreamArn>,
    /// Where to go on; `None` ends the list, and nothing else does.
    pub next: Option<StreamArn>,
}

/// What `GetRecords` answered.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The records, still encoded.
    pub page: Page,
    /// Where to go on; `None` when the shard is closed and this was its last page (F38).
    pub next: Option<ShardIterator>,
}

/// Where records come from.
#[async_trait]
pub trait StreamSource: fmt::Debug + Send + Sync {
    /// The ARN of the stream that `table` has now, and the service's own clock at the answer.
    ///
    /// Fails with [`FailureKind::NotFound`] when there is no such table, and with
    /// [`FailureKind::Invalid`] when the table has no stream.
    async fn latest_stream(&self, table: &str) -> Result<StreamArn, PortError>;

    /// One page of the streams that the service keeps of tables with this name, after the stream `after`. Counts
    /// against 5 calls a second for the whole account (F51). May be empty for a table that is not there, or
    /// [`FailureKind::NotFound`].
    async fn list_streams(
        &self,
        table: &str,
        after: Option<&StreamArn>,
    ) -> Result<StreamsPage, PortError>;

    /// One page of the listing of a stream, after the shard `after` (F12, F13). Counts against 10 calls
    /// a second for the whole account (F10).
    async fn list_shards(
        &self,
        stream: &StreamArn,
        after: Option<&ShardId>,
    ) -> Result<ShardPage, PortError>;

    /// The children of one shard, as far as they are visible. [`FailureKind::Invalid`] where the
    /// server does not know the question.
    async fn children_of(
        &self,
        stream: &StreamArn,
        parent: &ShardId,
    ) -> Result<ShardPage, PortError>;

    /// An iterator (F27).
    async fn open(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        at: Position,
    ) -> Result<ShardIterator, PortError>;

    /// Up to `limit` records, 1 to 1000 (F35); fewer or none does not mean that none follow (F37).
    async fn fetch(&self, from: &ShardIterator, limit: u16) -> Result<Fetched, PortError>;

    /// The service's clock, from the `Date` of its latest answer; `None` before the first.
    fn service_time(&self) -> Option<Timestamp>;
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Applied. The rows as they are after it, in the order of the writes, `None` for a deleted row and
    /// for every row of a transaction (which answers with nothing: read it).
    Applied(Vec<Option<Row>>),
    /// A condition did not hold, so nothing was written. The rows as the service saw them, in the
    /// order of the writes; `None` where the row is absent or was not shown.
    Refused(Vec<Option<Row>>),
    /// Another transaction was writing one of the rows; nothing was written. Ask again.
    Conflict,
}

/// May the lease table be created when it is absent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableCreation {
    /// Create it, on demand, and wait until it is active.
    Allowed,
    /// Fail with [`FailureKind::NotFound`] when it is absent.
    Forbidden,
}

/// Where leases are kept: one table of rows with strongly consistent reads and conditional writes.
#[async_trait]
pub trait LeaseStore: fmt::Debug + Send + Sync {
    /// Makes sure that the table is there and is ours to use: hash key `leaseKey` of type text and no
    /// range key, else [`FailureKind::Invalid`].
    async fn open(&self, creation: TableCreation) -> Result<(), PortError>;

    /// Every row, each as of some moment after the call was made: strongly consistent row by row, not
    /// a snapshot of the whole.
    async fn sweep(&self) -> Result<Vec<Row>, PortError>;

    /// These rows, strongly consistent. A row that is not in the answer was proven absent. At most 100.
    async fn read(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, Row>, PortError>;

    /// Applies all of the writes or none. One is an update or a delete; up to 100 are a transaction.
    /// What [`Write::why_refused`] finds fault with, such as an empty slice, is
    /// [`FailureKind::Invalid`].
    async fn write(&self, writes: &[Write]) -> Result<Answer, PortError>;
}
