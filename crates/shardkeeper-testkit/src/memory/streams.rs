//! Streams in memory, as a test scripts them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::ids::{SequenceNumber, ShardId, StreamArn};
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::page::Undecodable;
use shardkeeper_core::ports::{
    FailureKind, Fetched, PortError, Position, ShardIterator, ShardPage, StreamSource,
    StreamStatus, StreamsPage,
};
use shardkeeper_core::record::{Page, Record};

use super::ItemChange;

/// Sequence numbers begin here: the 21 digits that the service demands.
const FIRST_SEQUENCE_NUMBER: u128 = 100_000_000_000_000_000_000;

/// A [`StreamSource`] in memory: one table with one stream, whose shards and records a test adds.
/// A clone is another handle to the same stream.
///
/// Iterators never expire and nothing is trimmed by its age; a page is as long as asked. It knows no time, so
/// [`Position::At`] is [`FailureKind::Invalid`], as on local servers.
#[derive(Debug, Clone)]
pub struct MemoryStreams(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    table: String,
    arn: StreamArn,
    status: StreamStatus,
    last: u128,
    shards: BTreeMap<ShardId, MemoryShard>,
}

#[derive(Debug)]
struct MemoryShard {
    shard: Shard,
    records: Vec<Kept>,
    /// How many of the oldest are no longer there.
    trimmed: usize,
}

#[derive(Debug)]
struct Kept {
    number: SequenceNumber,
    /// `None` when nobody can decode it.
    record: Option<Record>,
}

/// The stream has no such open shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stream has no open shard {0}")]
pub struct UnknownShard(pub ShardId);

impl MemoryStreams {
    /// The table `table` with a stream that is enabled and has no shard yet.
    ///
    /// # Panics
    /// If no ARN can be made of the name: it contains a slash, or is longer than a thousand bytes.
    #[must_use]
    pub fn new(table: &str) -> Self {
        let arn = format!(
            "arn:aws:dynamodb:memory:000000000000:table/{table}/stream/2015-05-20T20:51:10.252"
        );
        let arn = StreamArn::parse(&arn).expect("a table name");
        let state = State {
            table: table.to_owned(),
            arn,
            status: StreamStatus::Enabled,
            last: FIRST_SEQUENCE_NUMBER,
            shards: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The ARN of the stream.
    #[must_use]
    pub fn arn(&self) -> StreamArn {
        self.state().arn.clone()
    }

    /// Adds an open shard. The parent is only named: it need not be listed, and is not closed by this.
    pub fn add_shard(&self, id: &str, parent: Option<&ShardId>) -> ShardId {
        let mut state = self.state();
        let starting = state.next_number();
        let id = ShardId::from_service(id);
        let shard = Shard {
            id: id.clone(),
            parent: parent.cloned(),
            starting,
            ending: None,
        };
        state.shards.insert(
            id.clone(),
            MemoryShard {
                shard,
                records: Vec::new(),
                trimmed: 0,
            },
        );
        id
    }

    /// Adds a record to an open shard. Sequence numbers grow over all shards.
    ///
    /// # Errors
    /// If there is no such open shard.
    pub fn push(
        &self,
        shard: &ShardId,
        change: &ItemChange,
    ) -> Result<SequenceNumber, UnknownShard> {
        let mut state = self.state();
        let unknown = || UnknownShard(shard.clone());
        let number = state.next_number().ok_or_else(unknown)?;
        let record = Record::from_json(change.wire(number).to_string()).ok_or_else(unknown)?;
        let record = Some(record);
        state
            .open_shard(shard)?
            .records
            .push(Kept { number, record });
        Ok(number)
    }

    /// Adds a record that nobody can decode.
    ///
    /// # Errors
    /// If there is no such open shard.
    pub fn push_undecodable(&self, shard: &ShardId) -> Result<SequenceNumber, UnknownShard> {
        let mut state = self.state();
        let unknown = || UnknownShard(shard.clone());
        let number = state.next_number().ok_or_else(unknown)?;
        let record = None;
        state
            .open_shard(shard)?
            .records
            .push(Kept { number, record });
        Ok(number)
    }

    /// Takes away every record of a shard so far, as their age does.
    pub fn trim(&self, shard: &ShardId) {
        if let Some(shard) = self.state().shards.get_mut(shard) {
            shard.trimmed = shard.records.len();
        }
    }

    /// Closes a shard: it gets no more records, and its last page has no next iterator.
    ///
    /// # Errors
    /// If there is no such open shard.
    pub fn close(&self, shard: &ShardId) -> Result<(), UnknownShard> {
        let mut state = self.state();
        let number = state.next_number();
        state.open_shard(shard)?.shard.ending = number;
        Ok(())
    }

    /// Takes a shard out of the stream, as its age does.
    pub fn forget(&self, shard: &ShardId) {
        self.state().shards.remove(shard);
    }

    /// Switches the stream off: every shard is closed.
    pub fn disable(&self) {
        let mut state = self.state();
        state.status = StreamStatus::Disabled;
        let number = state.next_number();
        for shard in state.shards.values_mut() {
            shard.shard.ending = shard.shard.ending.or(number);
        }
    }

    /// The shard that this iterator is in.
    pub(crate) fn shard_of(iterator: &ShardIterator) -> Option<ShardId> {
        place(iterator).map(|(_, shard)| shard)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_number(&mut self) -> Option<SequenceNumber> {
        self.last += 1;
        SequenceNumber::from_service(&self.last.to_string()).ok()
    }

    fn open_shard(&mut self, id: &ShardId) -> Result<&mut MemoryShard, UnknownShard> {
        let shard = self
            .shards
            .get_mut(id)
            .filter(|shard| shard.shard.ending.is_none());
        shard.ok_or_else(|| UnknownShard(id.clone()))
    }

    fn shard(&self, action: &'static str, id: &ShardId) -> Result<&MemoryShard, PortError> {
        let unknown = || PortError::new(FailureKind::NotFound, action, format!("no shard {id}"));
        self.shards.get(id).ok_or_else(unknown)
    }

    fn known(&self, action: &'static str, stream: &StreamArn) -> Result<(), PortError> {
        if *stream == self.arn {
            return Ok(());
        }
        Err(PortError::new(
            FailureKind::NotFound,
            action,
            format!("no stream {stream}"),
        ))
    }

    fn list(&self, include: impl Fn(&Shard) -> bool) -> ShardPage {
        let shards = self.shards.values().map(|shard| &shard.shard);
        ShardPage {
            status: self.status,
            shards: shards.filter(|shard| include(shard)).cloned().collect(),
            next: None,
            view_type: Some("NEW_AND_OLD_IMAGES".to_owned()),
        }
    }
}

impl MemoryShard {
    /// The place behind this number; `None` when something behind it is gone.
    fn after(&self, number: SequenceNumber) -> Option<usize> {
        let index = self.records.partition_point(|kept| kept.number <= number);
        (index >= self.trimmed).then_some(index)
    }

    /// The place of this number; `None` when it is gone.
    fn at(&self, number: SequenceNumber) -> Option<usize> {
        let index = self.records.partition_point(|kept| kept.number < number);
        (index >= self.trimmed).then_some(index)
    }

    /// The page at this place, and the place behind it.
    fn page(&self, index: usize, limit: usize) -> (Page, usize) {
        let rest = self.records.get(index..).unwrap_or_default();
        let mut page = Page::default();
        let mut reached = index;
        for kept in rest.iter().take(limit) {
            reached += 1;
            match &kept.record {
                Some(record) => {
                    page.bytes += record.keys_json().len();
                    page.records.push(record.clone());
                }
                None => page.undecodable.push(Undecodable {
                    index: page.records.len(),
                    sequence_number: Some(kept.number),
                }),
            }
        }
        (page, reached)
    }
}

fn trimmed(action: &'static str) -> impl Fn() -> PortError {
    move || PortError::new(FailureKind::Trimmed, action, "trimmed")
}

/// An iterator says which record of which shard comes next.
fn iterator(shard: &ShardId, index: usize) -> Option<ShardIterator> {
    ShardIterator::from_service(format!("{index}|{shard}"))
}

fn place(iterator: &ShardIterator) -> Option<(usize, ShardId)> {
    let (index, shard) = iterator.expose().split_once('|')?;
    Some((index.parse().ok()?, ShardId::from_service(shard)))
}

#[async_trait]
impl StreamSource for MemoryStreams {
    async fn latest_stream(&self, table: &str) -> Result<StreamArn, PortError> {
        let state = self.state();
        if table == state.table {
            return Ok(state.arn.clone());
        }
        Err(PortError::new(
            FailureKind::NotFound,
            "DescribeTable",
            format!("no table {table}"),
        ))
    }

    async fn list_streams(
        &self,
        table: &str,
        after: Option<&StreamArn>,
    ) -> Result<StreamsPage, PortError> {
        let state = self.state();
        let kept = table == state.table && after.is_none();
        Ok(StreamsPage {
            streams: kept.then(|| state.arn.clone()).into_iter().collect(),
            next: None,
        })
    }

    async fn list_shards(
        &self,
        stream: &StreamArn,
        after: Option<&ShardId>,
    ) -> Result<ShardPage, PortError> {
        let state = self.state();
        state.known("DescribeStream", stream)?;
        Ok(state.list(|shard| after.is_none_or(|after| shard.id > *after)))
    }

    async fn children_of(
        &self,
        stream: &StreamArn,
        parent: &ShardId,
    ) -> Result<ShardPage, PortError> {
        let state = self.state();
        state.known("DescribeStream", stream)?;
        Ok(state.list(|shard| shard.parent.as_ref() == Some(parent)))
    }

    async fn open(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        at: Position,
    ) -> Result<ShardIterator, PortError> {
        const ACTION: &str = "GetShardIterator";
        let state = self.state();
        state.known(ACTION, stream)?;
        let shard_kept = state.shard(ACTION, shard)?;
        let index = match at {
            Position::TrimHorizon => shard_kept.trimmed,
            Position::After(number) => shard_kept.after(number).ok_or_else(trimmed(ACTION))?,
            Position::From(number) => shard_kept.at(number).ok_or_else(trimmed(ACTION))?,
            _ => {
                return Err(PortError::new(
                    FailureKind::Invalid,
                    ACTION,
                    "there is no time in memory",
                ));
            }
        };
        let broken = || PortError::new(FailureKind::Protocol, ACTION, "no iterator");
        iterator(shard, index).ok_or_else(broken)
    }

    async fn fetch(&self, from: &ShardIterator, limit: u16) -> Result<Fetched, PortError> {
        const ACTION: &str = "GetRecords";
        let odd = || PortError::new(FailureKind::Invalid, ACTION, "this is no iterator");
        let (index, id) = place(from).ok_or_else(odd)?;
        let state = self.state();
        let shard = state.shard(ACTION, &id)?;
        if index < shard.trimmed {
            return Err(trimmed(ACTION)());
        }
        let (page, reached) = shard.page(index, usize::from(limit.clamp(1, 1000)));
        let ended = shard.shard.ending.is_some() && reached >= shard.records.len();
        Ok(Fetched {
            page,
            next: if ended { None } else { iterator(&id, reached) },
        })
    }

    fn service_time(&self) -> Option<Timestamp> {
        None
    }
}
