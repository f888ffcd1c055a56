//! One shard: a range of keys, for some hours, and the records written in it.

use std::collections::VecDeque;
use std::time::Duration;

use super::key_range::KeyRange;
use super::record::StoredRecord;
use super::sequence::Sequence;
use crate::emulator::meter::Meter;

/// One shard of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Shard {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) range: KeyRange,
    pub(crate) created: Duration,
    /// The milliseconds in its id.
    pub(crate) stamp: u128,
    /// Belongs to no record: reading from it is reading from the beginning.
    pub(crate) starting: Sequence,
    pub(crate) closed: Option<Closed>,
    /// The newest record that was removed.
    pub(crate) trimmed: Option<Sequence>,
    records: VecDeque<StoredRecord>,
    pub(crate) reads: Meter,
}

/// When and where a shard ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) at: Duration,
    pub(crate) ending: Sequence,
}

/// What a read found.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) records: Vec<&'a StoredRecord>,
    /// Where the next read goes on.
    pub(crate) next: Sequence,
    /// Nothing is left behind `next`, for now or, in a closed shard, for ever.
    pub(crate) at_tip: bool,
}

impl Shard {
    /// An open, empty shard.
    pub(crate) fn new(id: String, range: KeyRange, created: Duration, starting: Sequence) -> Self {
        Self {
            id,
            parent: None,
            range,
            created,
            stamp: created.as_millis(),
            starting,
            closed: None,
            trimmed: None,
            records: VecDeque::new(),
            reads: Meter::default(),
        }
    }

    /// How many records it holds.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Adds a record; its number is larger than all before.
    pub(crate) fn append(&mut self, record: StoredRecord) {
        self.records.push_back(record);
    }

    /// Ends the shard. The range is inclusive, so it ends with its last record, if it ever had one.
    pub(crate) fn close(&mut self, at: Duration) {
        let last = self.records.back().map(|record| record.sequence);
        let ending = last.or(self.trimmed).unwrap_or(self.starting);
        self.closed = Some(Closed { at, ending });
    }

    /// Removes the records written before `horizon`.
    pub(crate) fn trim_before(&mut self, horizon: Duration) {
        self.trim_while(|record| record.written < horizon);
    }

    /// Removes the records up to and including `last`.
    pub(crate) fn trim_through(&mut self, last: Sequence) {
        self.trim_while(|record| record.sequence <= last);
    }

    fn trim_while(&mut self, doomed: impl Fn(&StoredRecord) -> bool) {
        while let Some(record) = self.records.pop_front_if(|record| doomed(record)) {
            self.trimmed = Some(record.sequence);
        }
    }

    /// Where the oldest record that is left stands, or will stand.
    pub(crate) fn horizon(&self) -> Sequence {
        self.trimmed.map_or(self.starting, Sequence::after)
    }

    /// Where the first record written at or after `time` stands, or will stand: `tip` if there is none yet.
    pub(crate) fn position_at(&self, time: Duration, tip: Sequence) -> Sequence {
        let index = self.records.partition_point(|record| record.written < time);
        self.records
            .get(index)
            .map_or(tip, |record| record.sequence)
    }

    /// The records from `position` on: at most `limit`, at most `bytes`, but at least one if there is one.
    pub(crate) fn read(&self, position: Sequence, limit: usize, bytes: usize) -> Page<'_> {
        let first = self
            .records
            .partition_point(|record| record.sequence < position);
        let mut records = Vec::with_capacity(limit.min(self.records.len() - first));
        let mut room = bytes;
        for record in self.records.range(first..).take(limit) {
            if !records.is_empty() && record.size > room {
                break;
            }
            room = room.saturating_sub(record.size);
            records.push(record);
        }
        let next = records
            .last()
            .map_or(position, |record| record.sequence.after());
        let at_tip = first + records.len() == self.records.len();
        Page {
            records,
            next,
            at_tip,
        }
    }
}
