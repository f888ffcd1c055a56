//! What the stream does by itself while a world runs: records come, shards roll over, old records go.

use super::chaos::Fault;
use super::fleet::millis;
use super::ground::{BIRTH, MINUTE, SECOND, Time};
use super::oracle::Fact;
use super::world::{ShardNo, World};

/// Between two looks for records that are too old.
const AGING: Time = MINUTE;
/// So many changes come while it matters.
const MATTER: u32 = 12;
/// A shard whose children come late comes at most so late.
const LATEST_CHILD: Time = 5 * MINUTE;

impl World {
    /// Enters what the stream will do.
    pub(crate) fn begin_life(&mut self) {
        let left = self.scenario.records.saturating_sub(self.streams.written);
        let trouble = self.scenario.trouble;
        for _ in 0..left {
            let at = BIRTH + self.dice.u64(0..trouble + MINUTE);
            self.at(at, World::write_somewhere);
        }
        for _ in 0..1 + self.dice.usize(0..3) {
            let at = BIRTH + self.dice.u64(MINUTE..trouble);
            self.at(at, World::roll_something);
        }
        self.after(AGING, World::age);
    }

    /// Changes come while beats and verdicts cross: two workers that both believe in themselves have something to deliver.
    pub(crate) fn write_while_it_matters(&mut self) {
        let lease = millis(self.scenario.settings.lease_duration);
        for _ in 0..MATTER {
            let wait = self.dice.u64(0..2 * lease);
            self.after(wait, World::write_somewhere);
        }
    }

    fn write_somewhere(&mut self) {
        if let Some(shard) = self.an_open_shard() {
            self.write_to(shard, self.now);
        }
    }

    /// A change comes, if it still can.
    pub(crate) fn write_if_open(&mut self, shard: ShardNo) {
        if self.streams.open_shards().contains(&shard) {
            self.write_to(shard, self.now);
        }
    }

    fn age(&mut self) {
        for (shard, from) in self.streams.age(self.now) {
            let to = self.streams.shards[shard].trimmed;
            self.happened(Fact::Trimmed { shard, from, to });
        }
        self.after(AGING, World::age);
    }

    /// One of the open shards rolls over, in one child as a rule.
    pub(crate) fn roll_something(&mut self) {
        if let Some(shard) = self.an_open_shard() {
            let count = if self.dice.u8(..) < 60 { 2 } else { 1 };
            self.roll_over(shard, count);
        }
    }

    /// The same, in so many that some worker gets more than one lease.
    pub(crate) fn split_something(&mut self) {
        if let Some(shard) = self.an_open_shard() {
            self.roll_over(shard, 1 + self.well().len());
        }
    }

    fn an_open_shard(&mut self) -> Option<ShardNo> {
        let open = self.streams.open_shards();
        (!open.is_empty()).then(|| open[self.dice.usize(0..open.len())])
    }

    /// Closes a shard and makes its children, if it is still open.
    pub(crate) fn roll_over(&mut self, shard: ShardNo, count: usize) {
        let closed = self.streams.shards[shard].closed_at.is_some();
        if closed || self.streams.shards[shard].vanished || !self.streams.is_enabled() {
            return;
        }
        let open_until = self.streams.shards[shard].open_until;
        if open_until > self.now {
            self.at(open_until, move |world| world.roll_over(shard, count));
            return;
        }
        let mut dice = self.dice.fork();
        let children = self.streams.roll(shard, count, self.now, &mut dice);
        self.happened(Fact::ShardClosed { shard });
        for child in children {
            self.happened(Fact::ShardMade {
                shard: child,
                parent: Some(shard),
            });
            let lifetime = self.lifetime();
            self.after(lifetime, move |world| world.roll_over(child, 1));
            if self.strikes(Fault::StaleListing, 6_000) {
                self.streams.shards[child].listed_from = self.now + self.lag();
            }
            if self.strikes(Fault::EmptyShards, 3_000) {
                self.roll_over(child, 1);
            }
        }
        if self.strikes(Fault::StaleListing, 5_000) {
            self.streams.shards[shard].end_listed_from = self.now + self.lag();
        }
    }

    /// Mostly seconds, seldom minutes.
    fn lag(&mut self) -> Time {
        let most = if self.dice.u8(..) < 200 {
            10 * SECOND
        } else {
            LATEST_CHILD
        };
        self.dice.u64(1..most)
    }
}
