//! Faults of the stream and of the lease table themselves.

use shardkeeper_core::lease::column;

use super::chaos::Fault;
use super::ground::{MINUTE, SECOND, Time};
use super::oracle::Fact;
use super::world::{ShardNo, World};

/// A shard that closed is not emptied before.
const LOOKED_INTO: Time = 10 * MINUTE;
/// Streams that a table has at most: their labels differ in one digit.
const MOST_STREAMS: usize = 8;

impl World {
    /// Shards split in many, and their children split again.
    pub(super) fn storm(&mut self) {
        let open = self.streams.open_shards();
        if open.is_empty() || open.len() > 24 {
            return;
        }
        self.struck(Fault::SplitStorm, None, 0);
        for _ in 0..1 + self.dice.usize(0..3) {
            let shard = open[self.dice.usize(0..open.len())];
            let count = [1, 1, 2, 2, 3, 8][self.dice.usize(0..6)];
            let wait = self.dice.u64(0..30 * SECOND);
            self.after(wait, move |world| {
                world.roll_over(shard, count);
                let again = world.dice.u64(0..20 * SECOND);
                world.after(again, World::roll_something);
            });
        }
    }

    /// Records go that nobody has read yet.
    pub(super) fn trim(&mut self) {
        let (oracle, scene) = self.scene();
        let all = 0..scene.streams.shards.len();
        let unread = |shard: &ShardNo| oracle.first_unread(&scene, *shard).is_some();
        let kept = |shard: &ShardNo| {
            let shard = &scene.streams.shards[*shard];
            shard.trimmed < shard.records.len()
        };
        let mut behind: Vec<ShardNo> = all.clone().filter(unread).collect();
        if behind.is_empty() {
            behind = all.filter(kept).collect();
        }
        if behind.is_empty() {
            return;
        }
        let shard = behind[self.dice.usize(0..behind.len())];
        self.trim_shard(shard);
    }

    /// The same in this shard, if it can still happen.
    pub(super) fn trim_if_kept(&mut self, shard: ShardNo) {
        if self.weather.is_on(Fault::Trim) && !self.streams.shards[shard].is_gone(self.now) {
            self.trim_shard(shard);
        }
    }

    /// Records of this shard go, the first that nobody has acknowledged among them.
    fn trim_shard(&mut self, shard: ShardNo) {
        let (oracle, scene) = self.scene();
        let unread = oracle.first_unread(&scene, shard);
        let (from, records) = (
            self.streams.shards[shard].trimmed,
            self.streams.shards[shard].records.len(),
        );
        let (least, most) = (
            unread.unwrap_or(from) + 1,
            records - usize::from(self.closed_lately(shard)),
        );
        if least > most {
            return;
        }
        let to = self.dice.usize(least..=most);
        self.struck(Fault::Trim, None, 0);
        self.streams.shards[shard].trimmed = to;
        self.happened(Fact::Trimmed { shard, from, to });
    }

    /// Its end may be being looked into. Where nothing is left in it, nobody can tell then what came behind an end that was
    /// none, and no real shard is empty so soon.
    fn closed_lately(&self, shard: ShardNo) -> bool {
        let closed = self.streams.shards[shard].closed_at;
        closed.is_some_and(|closed| closed + LOOKED_INTO > self.now)
    }

    /// A closed shard is gone before its time.
    pub(super) fn vanish(&mut self) {
        let closed = |shard: &ShardNo| {
            let shard = &self.streams.shards[*shard];
            shard.closed_at.is_some() && !shard.is_gone(self.now)
        };
        let all: Vec<ShardNo> = (0..self.streams.shards.len()).filter(closed).collect();
        let shard = if all.is_empty() || self.dice.bool() {
            let open = self.streams.open_shards();
            let Some(shard) = open.first().copied() else {
                return;
            };
            self.roll_over(shard, 1);
            shard
        } else {
            all[self.dice.usize(0..all.len())]
        };
        if self.streams.shards[shard].closed_at.is_none() {
            return;
        }
        // Of one that was read to its end nobody misses anything.
        if !self
            .lease_of(shard)
            .is_some_and(|lease| lease.is_finished())
        {
            self.struck(Fault::ShardVanishes, None, 0);
        }
        let (from, to) = (
            self.streams.shards[shard].trimmed,
            self.streams.shards[shard].records.len(),
        );
        self.streams.shards[shard].vanished = true;
        self.happened(Fact::ShardVanished { shard });
        self.happened(Fact::Trimmed { shard, from, to });
    }

    /// The stream ends and another one begins.
    pub(super) fn switch_stream(&mut self, fault: Fault) {
        if !self.streams.is_enabled() || self.streams.streams.len() > MOST_STREAMS {
            return;
        }
        let open = self.streams.open_shards();
        if open
            .iter()
            .any(|shard| self.streams.shards[*shard].open_until > self.now)
        {
            return;
        }
        let pause = self.long(2 * MINUTE);
        self.struck(fault, None, pause);
        for shard in self.streams.switch_off(self.now) {
            self.happened(Fact::ShardClosed { shard });
        }
        self.weather.table_missing = fault == Fault::TableRecreated;
        self.after(pause, World::switch_on);
    }

    /// Nobody leaves a stream switched off for ever.
    pub(super) fn mend_stream(&mut self) {
        if !self.streams.is_enabled() {
            self.switch_on();
        }
    }

    fn switch_on(&mut self) {
        if self.streams.is_enabled() {
            return;
        }
        self.weather.table_missing = false;
        self.streams.switch_on();
        let lineages = self.scenario.lineages;
        for lineage in 0..lineages {
            let items = (0..self.scenario.keys)
                .filter(|item| *item as usize % lineages == lineage)
                .collect();
            let salt = self.dice.u32(..);
            let shard = self
                .streams
                .make(None, items, self.now + lineage as u64, salt);
            self.streams.shards[shard].listed_from = self.now;
            self.happened(Fact::ShardMade {
                shard,
                parent: None,
            });
        }
    }

    /// Somebody has just heard that a shard is gone, and is about to forget its lease: a person does it first.
    pub(super) fn tidy(&mut self, shard: ShardNo) {
        let over = self
            .lease_of(shard)
            .is_some_and(|lease| lease.is_finished());
        if over && self.strikes(Fault::OperatorEdits, 5_000) {
            self.remove(shard);
        }
    }

    /// A person changes a lease.
    pub(super) fn meddle(&mut self) {
        let leased: Vec<ShardNo> = (0..self.streams.shards.len())
            .filter(|shard| self.lease_of(*shard).is_some())
            .collect();
        if leased.is_empty() {
            return;
        }
        let shard = leased[self.dice.usize(0..leased.len())];
        self.struck(Fault::OperatorEdits, None, 0);
        match self.dice.u8(..) % 4 {
            0 => self.remove(shard),
            1 => self.edit(shard, |row| {
                row.columns
                    .insert(column::OWNER.into(), "nobody we know#1".into());
            }),
            2 => self.edit(shard, |row| {
                row.columns
                    .insert(column::NEXT_OWNER.into(), "nobody we know#2".into());
            }),
            _ => self.edit(shard, |row| {
                row.columns.remove(column::STOPPED_WHY);
                row.columns.remove(column::STOPPED_BY);
            }),
        }
    }
}
