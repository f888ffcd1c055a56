//! The story of a world: the last events of every shard, the hash of everything, and, when asked, every line.

use std::collections::{BTreeMap, VecDeque};

use super::Violation;
use super::fact::Fact;
use super::telling::Span;
use crate::sim::ground::{BIRTH, Time};
use crate::sim::world::ShardNo;

/// Events that are kept of every shard.
const LAST_OF_A_SHARD: usize = 32;
/// Events that are kept of the world as a whole.
const LAST_OF_THE_WORLD: usize = 24;

/// FNV-1a: the same in every process.
const HASH_BEGINS: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0100_0000_01b3;

/// What is remembered of what happened.
pub(crate) struct Story {
    last: BTreeMap<Option<ShardNo>, VecDeque<(Time, Fact)>>,
    hash: u64,
    /// Every line goes out as it happens.
    pub(crate) aloud: bool,
    /// Every line goes into the hash.
    pub(crate) hashed: bool,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            last: BTreeMap::new(),
            hash: HASH_BEGINS,
            aloud: false,
            hashed: false,
        }
    }
}

impl Story {
    /// True when every line is told, to whoever reads it or to a hash.
    pub(crate) fn is_told(&self) -> bool {
        self.aloud || self.hashed
    }

    /// Tells a fact before it is judged.
    #[expect(clippy::print_stdout, reason = "the story was asked for")]
    pub(super) fn tell(&mut self, now: Time, fact: &Fact) {
        if !self.is_told() {
            return;
        }
        let line = line(now, fact);
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(HASH_PRIME);
        }
        if self.aloud {
            println!("{line}");
        }
    }

    pub(super) fn keep(&mut self, now: Time, fact: Fact) {
        let shard = fact.shard();
        let most = if shard.is_some() {
            LAST_OF_A_SHARD
        } else {
            LAST_OF_THE_WORLD
        };
        let last = self.last.entry(shard).or_default();
        if last.len() == most {
            last.pop_front();
        }
        last.push_back((now, fact));
    }

    /// The hash of every line so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn violation(
        &self,
        now: Time,
        judge: &'static str,
        message: String,
        shard: Option<ShardNo>,
    ) -> Violation {
        Violation {
            judge,
            at: now - BIRTH,
            message,
            story: self.last_of(shard),
        }
    }

    /// The last events of a shard and of the world, in their order.
    fn last_of(&self, shard: Option<ShardNo>) -> Vec<String> {
        let world = self.last.get(&None);
        let own = shard.and_then(|shard| self.last.get(&Some(shard)));
        let since = own.and_then(|own| own.front()).map_or(0, |(at, _)| *at);
        let mut facts: Vec<&(Time, Fact)> = own.into_iter().flatten().collect();
        facts.extend(
            world
                .into_iter()
                .flatten()
                .filter(|(at, _)| shard.is_none() || *at >= since),
        );
        facts.sort_by_key(|(at, _)| *at);
        facts.iter().map(|(at, fact)| line(*at, fact)).collect()
    }
}

fn line(now: Time, fact: &Fact) -> String {
    format!("{}  {fact}", Span(now.saturating_sub(BIRTH)))
}
