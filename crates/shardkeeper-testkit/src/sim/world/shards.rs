//! The streams of the world's table: shards that roll over and split, records that age.

use std::collections::BTreeMap;

use shardkeeper_core::ids::{SequenceNumber, ShardId, StreamArn};
use shardkeeper_core::lease::lease_key;
use shardkeeper_core::lineage::Shard as Listed;
use shardkeeper_core::ports::StreamStatus;
use shardkeeper_core::record::Record;
use shardkeeper_core::row::RowKey;

use super::readers::Readers;
use crate::sim::ground::{HOUR, Time};

/// How long records are kept (F29).
pub(crate) const RETENTION: Time = 24 * HOUR;

/// The world's table.
pub(crate) const TABLE: &str = "orders";

/// A kind of change that nobody knows.
pub(crate) const STRANGE: &str = "RENAME";

/// What one record adds to the size of a page, as a rule.
pub(crate) const RECORD_BYTES: usize = 160;

/// What is in every item, and must be nowhere else.
pub(crate) const CANARY: &str = "canary";

/// What records may show beside the key of their item: nothing, or the item.
const VIEWS: [&str; 2] = ["KEYS_ONLY", "NEW_IMAGE"];

/// A shard's place in [`Streams::shards`], over all streams.
pub(crate) type ShardNo = usize;

/// Where virtual time stands on the service's clock.
const SERVICE_EPOCH: Time = 1_795_000_000_000;

/// Every stream that the table has had.
pub(crate) struct Streams {
    pub(crate) shards: Vec<Shard>,
    pub(crate) streams: Vec<Stream>,
    by_key: BTreeMap<RowKey, ShardNo>,
    last_number: u128,
    /// Records written so far.
    pub(crate) written: usize,
}

/// One stream.
pub(crate) struct Stream {
    pub(crate) arn: StreamArn,
    pub(crate) status: StreamStatus,
    /// One of [`VIEWS`].
    pub(crate) view: &'static str,
    pub(crate) by_id: BTreeMap<ShardId, ShardNo>,
}

/// One shard, with everything that was ever in it.
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) key: RowKey,
    pub(crate) stream: usize,
    pub(crate) parent: Option<ShardNo>,
    pub(crate) children: Vec<ShardNo>,
    pub(crate) closed_at: Option<Time>,
    /// The items whose changes it gets.
    pub(crate) items: Vec<u32>,
    pub(crate) starting: u128,
    pub(crate) ending: u128,
    pub(crate) records: Vec<Change>,
    /// The first record that is still there.
    pub(crate) trimmed: usize,
    /// Listings show it from then on.
    pub(crate) listed_from: Time,
    /// Listings show its end from then on.
    pub(crate) end_listed_from: Time,
    /// It is gone, whatever is left in it.
    pub(crate) vanished: bool,
    /// It is not closed before that.
    pub(crate) open_until: Time,
    pub(crate) readers: Readers,
}

/// One record.
pub(crate) struct Change {
    pub(crate) number: u128,
    pub(crate) item: u32,
    pub(crate) at: Time,
    /// The newest time that is told of it and of all before it, on the service's clock: start times are looked up by it.
    pub(crate) newest: u64,
    /// What it adds to the size of a page.
    pub(crate) bytes: usize,
    /// `None` when nobody can decode it.
    pub(crate) record: Option<Record>,
}

/// How a change comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coming {
    pub(crate) at: Time,
    /// When it says that it came. That is approximate, rounded, does not grow from record to record and may be missing
    /// (F46, F50).
    pub(crate) told: Option<Time>,
    pub(crate) bytes: usize,
    /// Nobody can decode it.
    pub(crate) poison: bool,
    /// It is of a kind and has a type that nobody knows.
    pub(crate) strange: bool,
}

#[cfg(test)]
impl Coming {
    /// A change like any other.
    pub(crate) fn at(at: Time) -> Self {
        Self {
            at,
            told: Some(at),
            bytes: RECORD_BYTES,
            poison: false,
            strange: false,
        }
    }
}

impl Streams {
    /// The first stream, without shards. Numbers begin just below a power of ten, so that their widths differ.
    pub(crate) fn new(dice: &mut fastrand::Rng) -> Self {
        let below = dice.u128(1..20_000);
        let mut streams = Self {
            shards: Vec::new(),
            streams: Vec::new(),
            by_key: BTreeMap::new(),
            last_number: 10u128.pow(21 + dice.u32(0..4)) - below,
            written: 0,
        };
        streams.switch_on();
        streams
    }

    /// Makes another stream of the table.
    pub(crate) fn switch_on(&mut self) {
        let second = self.streams.len();
        let arn = format!(
            "arn:aws:dynamodb:us-east-1:111122223333:table/{TABLE}/stream/2026-01-01T00:00:0{second}.000"
        );
        // Parsed from a constant shape: there is no other outcome.
        let Ok(arn) = StreamArn::parse(&arn) else {
            return;
        };
        // Who changes the view type switches the stream off and on: each stream has another one than the one before.
        let first = usize::from(self.last_number.is_multiple_of(2));
        let before = self.streams.last().map(|stream| stream.view);
        let view = VIEWS[before.map_or(first, |view| usize::from(view == VIEWS[0]))];
        self.streams.push(Stream {
            arn,
            status: StreamStatus::Enabled,
            view,
            by_id: BTreeMap::new(),
        });
    }

    /// Closes every shard of the latest stream.
    pub(crate) fn switch_off(&mut self, now: Time) -> Vec<ShardNo> {
        let open = self.open_shards();
        for &shard in &open {
            self.close(shard, now);
        }
        if let Some(stream) = self.streams.last_mut() {
            stream.status = StreamStatus::Disabled;
        }
        open
    }

    /// The open shards of the latest stream.
    pub(crate) fn open_shards(&self) -> Vec<ShardNo> {
        let latest = self.streams.len().saturating_sub(1);
        let open = |shard: &&ShardNo| {
            let shard = &self.shards[**shard];
            shard.stream == latest && shard.closed_at.is_none() && !shard.vanished
        };
        let all: Vec<ShardNo> = (0..self.shards.len()).collect();
        all.iter().filter(open).copied().collect()
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.streams
            .last()
            .is_some_and(|stream| stream.status == StreamStatus::Enabled)
    }

    pub(crate) fn stream_of(&self, arn: &StreamArn) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.arn == *arn)
    }

    pub(crate) fn by_key(&self, key: &RowKey) -> Option<ShardNo> {
        self.by_key.get(key).copied()
    }

    /// Makes a shard of the latest stream.
    pub(crate) fn make(
        &mut self,
        parent: Option<ShardNo>,
        items: Vec<u32>,
        at: Time,
        salt: u32,
    ) -> ShardNo {
        let number = self.shards.len();
        let stream = self.streams.len() - 1;
        let id = ShardId::from_service(format!("shardId-{:020}-{salt:08x}", SERVICE_EPOCH + at));
        let starting = self.next_number();
        let Stream { arn, by_id, .. } = &mut self.streams[stream];
        let key = lease_key(arn, &id);
        by_id.insert(id.clone(), number);
        self.by_key.insert(key.clone(), number);
        self.shards.push(Shard {
            id,
            key,
            stream,
            parent,
            children: Vec::new(),
            closed_at: None,
            items,
            starting,
            ending: starting,
            records: Vec::new(),
            trimmed: 0,
            listed_from: at,
            end_listed_from: at,
            vanished: false,
            open_until: 0,
            readers: Readers::default(),
        });
        if let Some(parent) = parent {
            self.shards[parent].children.push(number);
        }
        number
    }

    pub(crate) fn close(&mut self, shard: ShardNo, at: Time) {
        let last = self.shards[shard]
            .records
            .last()
            .map(|change| change.number);
        let number = self.next_number();
        let shard = &mut self.shards[shard];
        shard.closed_at = Some(at);
        shard.end_listed_from = at;
        // A shard of no records begins and ends with one number (F21).
        shard.ending = if last.is_none() {
            shard.starting
        } else {
            number
        };
    }

    /// Closes a shard and makes `count` children, among which its items are divided.
    pub(crate) fn roll(
        &mut self,
        shard: ShardNo,
        count: usize,
        at: Time,
        dice: &mut fastrand::Rng,
    ) -> Vec<ShardNo> {
        self.close(shard, at);
        let mut shares = vec![Vec::new(); count.max(1)];
        for item in self.shards[shard].items.clone() {
            let share = dice.usize(0..shares.len());
            shares[share].push(item);
        }
        shares
            .into_iter()
            .map(|items| self.make(Some(shard), items, at, dice.u32(..)))
            .collect()
    }

    /// Writes one change of one item of an open shard.
    pub(crate) fn write(&mut self, shard: ShardNo, item: u32, coming: Coming) {
        let number = self.next_number();
        self.written += 1;
        let told = coming.told.map(|told| service_millis(told) / 1000);
        let view = self.streams[self.shards[shard].stream].view;
        let record = (!coming.poison)
            .then(|| encode(number, item, told, (coming.strange, view)))
            .flatten();
        let records = &mut self.shards[shard].records;
        let before = records.last().map_or(0, |change| change.newest);
        records.push(Change {
            number,
            item,
            at: coming.at,
            newest: before.max(told.map_or(0, |told| told * 1000)),
            bytes: coming.bytes,
            record,
        });
    }

    /// Removes what is older than the retention, and returns the shards of which something went.
    pub(crate) fn age(&mut self, now: Time) -> Vec<(ShardNo, usize)> {
        let mut aged = Vec::new();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            let before = shard.trimmed;
            let old = |change: &&Change| change.at + RETENTION <= now;
            shard.trimmed += shard.records[before..].iter().take_while(old).count();
            if shard.trimmed > before {
                aged.push((number, before));
            }
        }
        aged
    }

    fn next_number(&mut self) -> u128 {
        self.last_number += 1 + self.last_number % 7;
        self.last_number
    }
}

impl Shard {
    /// True when the service no longer knows it.
    pub(crate) fn is_gone(&self, now: Time) -> bool {
        let aged = self
            .closed_at
            .is_some_and(|closed| closed + RETENTION <= now);
        self.vanished || (aged && self.trimmed == self.records.len())
    }

    /// What a listing shows of it; `None` when nothing.
    pub(crate) fn listed(&self, all: &[Shard], now: Time) -> Option<Listed> {
        if self.is_gone(now) || now < self.listed_from {
            return None;
        }
        let closed = self.closed_at.is_some() && now >= self.end_listed_from;
        Some(Listed {
            id: self.id.clone(),
            parent: self.parent.map(|parent| all[parent].id.clone()),
            starting: sequence_number(self.starting),
            ending: closed.then(|| sequence_number(self.ending)).flatten(),
        })
    }

    /// The first record for which a time from this one on is told, on the service's clock.
    pub(crate) fn place_at_time(&self, millis: u64) -> usize {
        self.records
            .partition_point(|change| change.newest < millis)
    }

    /// The first record after this number.
    pub(crate) fn after(&self, number: u128) -> usize {
        self.records
            .partition_point(|change| change.number <= number)
    }

    /// The place of the record with exactly this number.
    pub(crate) fn place_of(&self, number: u128) -> Option<usize> {
        self.records
            .binary_search_by_key(&number, |change| change.number)
            .ok()
    }
}

/// The service's clock.
pub(crate) fn service_millis(at: Time) -> u64 {
    SERVICE_EPOCH + at
}

pub(crate) fn sequence_number(number: u128) -> Option<SequenceNumber> {
    SequenceNumber::from_service(&number.to_string()).ok()
}

/// Read with our own arithmetic, not with the type that is being judged.
pub(crate) fn number_of(sequence_number: SequenceNumber) -> u128 {
    sequence_number.as_str().parse().unwrap_or(0)
}

fn encode(
    number: u128,
    item: u32,
    told: Option<u64>,
    (strange, view): (bool, &str),
) -> Option<Record> {
    let (kind, value) = if strange {
        (STRANGE, "Q")
    } else {
        ("MODIFY", "S")
    };
    let told = told.map_or_else(String::new, |seconds| {
        format!("\"ApproximateCreationDateTime\":{seconds},")
    });
    let id = format!("{{\"id\":{{\"{value}\":\"{CANARY}-{item}\"}}}}");
    let image = if view == VIEWS[0] {
        String::new()
    } else {
        format!("\"NewImage\":{id},")
    };
    let json = format!(
        "{{\"eventName\":\"{kind}\",\"dynamodb\":{{{told}\"Keys\":{id},{image}\"SequenceNumber\":\"{number}\",\"SizeBytes\":40,\"StreamViewType\":\"{view}\"}}}}"
    );
    Record::from_json(json)
}
