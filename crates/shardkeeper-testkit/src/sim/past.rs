//! What happened before a world begins: shards that rolled over every four hours, records as old as a day, and an
//! application that had read some of it.

use std::collections::BTreeSet;

use shardkeeper_core::checkpoint::{Checkpoint, Timestamp};
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{NewLease, column};
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::row::{Row, Value};

use super::chaos::Fault;
use super::ground::{BIRTH, HOUR, MINUTE, SECOND, Time};
use super::scenario::Beginning;
use super::world::shards::{Coming, RECORD_BYTES, sequence_number, service_millis};
use super::world::{ShardNo, World};

/// How far back the oldest records lie: further than any is kept, so that shards age away while the world runs.
const OLDEST: Time = 30 * HOUR;
/// Told times are so far off at most. Whoever reads from the horizon allows for a minute between the two that matter: one
/// that is told too late, and one behind it that is told too early.
const FAR_OFF: Time = 25 * SECOND;
/// So many of ten thousand records are large, where any are.
const LARGE: u32 = 600;
/// The part of all records that was written before the run, in percent.
const WRITTEN_BEFORE: usize = 60;

impl World {
    /// Makes the past.
    pub(crate) fn remember(&mut self) {
        let backlog = self.scenario.records * WRITTEN_BEFORE / 100;
        let lineages = self.scenario.lineages;
        for lineage in 0..lineages {
            let all = 0..self.scenario.keys;
            let items: Vec<u32> = all
                .filter(|item| *item as usize % lineages == lineage)
                .collect();
            self.remember_lineage(items, backlog / lineages);
        }
        self.streams.age(BIRTH);
        if self.scenario.beginning == Beginning::MidLife {
            self.remember_application();
        }
    }

    fn remember_lineage(&mut self, items: Vec<u32>, records: usize) {
        let begins = BIRTH - self.dice.u64(10 * MINUTE..OLDEST);
        let mut times: Vec<Time> = (0..records).map(|_| self.dice.u64(begins..BIRTH)).collect();
        times.sort_unstable();
        let mut times = times.into_iter().peekable();
        let salt = self.dice.u32(..);
        let mut shard = self.streams.make(None, items, begins, salt);
        let mut ends = begins + self.lifetime();
        loop {
            let until = ends.min(BIRTH);
            while let Some(at) = times.next_if(|at| *at < until) {
                self.write_to(shard, at);
            }
            if ends >= BIRTH {
                let shard = shard;
                self.at(ends.max(BIRTH + SECOND), move |world| {
                    world.roll_over(shard, 1)
                });
                return;
            }
            let mut dice = self.dice.fork();
            // Only one child goes on being interesting; a split's other children stay open and idle.
            let children = self.streams.roll(shard, 1, ends, &mut dice);
            shard = children[0];
            ends += self.lifetime();
        }
    }

    /// How long a shard stays open: four hours and a little.
    pub(crate) fn lifetime(&mut self) -> Time {
        4 * HOUR + self.dice.u64(0..30 * MINUTE)
    }

    /// Writes a change of one of the shard's items; nothing when it has none.
    pub(crate) fn write_to(&mut self, shard: ShardNo, at: Time) {
        let items = &self.streams.shards[shard].items;
        if items.is_empty() {
            return;
        }
        let item = items[self.dice.usize(0..items.len())];
        let coming = Coming {
            at,
            told: self.told(at),
            bytes: self.size(),
            poison: self.strikes(Fault::PoisonRecord, 100),
            strange: self.strikes(Fault::PoisonRecord, 100),
        };
        self.streams.write(shard, item, coming);
    }

    /// When a change says that it came: about when it did.
    fn told(&mut self, at: Time) -> Option<Time> {
        let most = match self.dice.u8(..) {
            0..4 => return None,
            4..16 => FAR_OFF,
            _ => 2 * SECOND,
        };
        Some(at - most + self.dice.u64(0..2 * most))
    }

    /// A few together are more than a page holds.
    fn size(&mut self) -> usize {
        if self.weather.is_on(Fault::HugeRecords) && self.chance(LARGE) {
            self.dice.usize(100_000..900_000)
        } else {
            RECORD_BYTES
        }
    }

    /// The application had read each lineage up to some moment, and died.
    fn remember_application(&mut self) {
        let mut group =
            GroupRow::found("sim", Some(Timestamp::from_millis(service_millis(HOUR)))).apply(None);
        let arn = self.streams.streams[0].arn.clone();
        let dead = WorkerId::new("before", 7);
        group = GroupRow::mark_listed(&dead, 0, &arn).apply(group.as_ref());
        if let Some(group) = group {
            self.table.rows.insert(group_key(), group);
        }
        let roots: Vec<ShardNo> = (0..self.streams.shards.len())
            .filter(|shard| self.streams.shards[*shard].parent.is_none())
            .collect();
        for root in roots {
            let back = if self.dice.bool() {
                30 * MINUTE
            } else {
                OLDEST
            };
            let read_until = BIRTH - self.dice.u64(1..back);
            self.remember_reading(root, read_until, &dead);
        }
    }

    fn remember_reading(&mut self, root: ShardNo, read_until: Time, dead: &WorkerId) {
        let mut next = Some(root);
        let owned = self.dice.bool();
        while let Some(number) = next {
            let shard = &self.streams.shards[number];
            let ended = shard.closed_at.is_some_and(|closed| closed <= read_until);
            let read = shard
                .records
                .partition_point(|change| change.at <= read_until);
            let last = read.checked_sub(1).map(|last| shard.records[last].number);
            let checkpoint = match last.and_then(sequence_number) {
                _ if ended => Checkpoint::ShardEnd,
                Some(number) => Checkpoint::After(number),
                None => Checkpoint::TrimHorizon,
            };
            // What is finished and gone was forgotten.
            let forgotten = ended && shard.is_gone(BIRTH);
            self.oracle.remember(number, last.unwrap_or(0), ended);
            if !forgotten {
                let row = self.old_row(number, checkpoint, owned.then_some(dead));
                self.table.rows.insert(row.key.clone(), row);
                let lease = self.lease_of(number);
                let now = self.now;
                self.oracle.ledger.log_mut(number).remembered(now, lease);
            }
            next = if ended {
                self.streams.shards[number].children.first().copied()
            } else {
                None
            };
        }
    }

    fn old_row(
        &mut self,
        number: ShardNo,
        checkpoint: Checkpoint,
        owner: Option<&WorkerId>,
    ) -> Row {
        let shard = &self.streams.shards[number];
        let new = NewLease {
            stream: self.streams.streams[shard.stream].arn.clone(),
            shard: shard.id.clone(),
            parent: shard
                .parent
                .map(|parent| self.streams.shards[parent].id.clone()),
            checkpoint,
            epoch: 1 + number as u64,
            stopped: None,
        };
        let finished = checkpoint == Checkpoint::ShardEnd;
        let write = new.create(owner.filter(|_| !finished), "before");
        let mut row = write
            .apply(None)
            .unwrap_or_else(|| Row::empty(shard.key.clone()));
        if finished {
            let children: BTreeSet<String> = shard
                .children
                .iter()
                .map(|child| self.streams.shards[*child].id.to_string())
                .collect();
            row.columns
                .insert(column::CHILDREN.into(), Value::Texts(children));
        }
        row
    }
}
