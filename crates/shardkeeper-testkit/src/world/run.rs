//! What happened in a world.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use shardkeeper::{DataLoss, SequenceNumber, ShardId};

use super::builder::Adversity;
use super::stage::{State, Told, Written};
use crate::processor::{Delivery, out_of_order};

/// What happened in a world, from the first worker to the last. Its assertions tell the story when they fail: shards,
/// numbers and workers, never what is in an item.
pub struct Run {
    pub(super) seed: u64,
    pub(super) handed: Vec<Handed>,
    pub(super) written: BTreeMap<SequenceNumber, Written>,
    pub(super) losses: Vec<DataLoss>,
    pub(super) skipped: Vec<SequenceNumber>,
    pub(super) unsettled: Vec<ShardId>,
    pub(super) stopped: Vec<ShardId>,
    met: BTreeMap<Adversity, u64>,
    story: Vec<Told>,
    took: Duration,
}

/// A record as it was given to a processor once.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handed {
    /// What was delivered, where and under which token.
    pub delivery: Delivery,
    /// When, in virtual time since the world began.
    pub at: Duration,
    /// 1 for the first attempt of this instance of the processor.
    pub attempt: u32,
    /// The processor said that it was done with it, in this call.
    pub handled: bool,
}

impl Run {
    pub(super) fn of(seed: u64, state: &mut State, unsettled: Vec<ShardId>) -> Self {
        let shards = state.shards.keys();
        let stopped = shards.filter(|id| state.is_stopped(id)).cloned().collect();
        Self {
            seed,
            stopped,
            unsettled,
            took: state.now(),
            handed: std::mem::take(&mut state.handed),
            written: std::mem::take(&mut state.written),
            losses: std::mem::take(&mut state.losses),
            skipped: std::mem::take(&mut state.skipped),
            met: std::mem::take(&mut state.met),
            story: std::mem::take(&mut state.story),
        }
    }

    /// The seed that makes this run again.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How long it took in virtual time.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// How many records were written that could be read.
    #[must_use]
    pub fn written(&self) -> usize {
        self.readable().count()
    }

    /// Every delivery, in the order in which they were made.
    #[must_use]
    pub fn deliveries(&self) -> &[Handed] {
        &self.handed
    }

    /// How many deliveries were repetitions.
    #[must_use]
    pub fn redelivered(&self) -> usize {
        self.handed.len() - self.delivered().len()
    }

    /// How often this happened.
    #[must_use]
    pub fn met(&self, adversity: Adversity) -> u64 {
        self.met.get(&adversity).copied().unwrap_or(0)
    }

    /// What the workers said that is gone: one for each gap.
    #[must_use]
    pub fn losses(&self) -> &[DataLoss] {
        &self.losses
    }

    /// The records that the processor chose to skip.
    #[must_use]
    pub fn skipped(&self) -> &[SequenceNumber] {
        &self.skipped
    }

    /// The shards that nobody reads until somebody decides.
    #[must_use]
    pub fn stopped(&self) -> &[ShardId] {
        &self.stopped
    }

    /// The shards of which not everything was acknowledged when the time was over.
    #[must_use]
    pub fn unfinished(&self) -> &[ShardId] {
        &self.unsettled
    }

    /// The whole story, a line for each thing that happened.
    #[must_use]
    pub fn story(&self) -> String {
        lines(self.story.iter())
    }

    pub(super) fn readable(&self) -> impl Iterator<Item = (&SequenceNumber, &Written)> {
        self.written
            .iter()
            .filter(|(_, written)| written.key.is_some())
    }

    pub(super) fn delivered(&self) -> BTreeSet<SequenceNumber> {
        let numbers = self.handed.iter();
        numbers
            .map(|handed| handed.delivery.sequence_number)
            .collect()
    }

    pub(super) fn out_of_order(&self) -> Vec<Delivery> {
        out_of_order(self.handed.iter().map(|handed| &handed.delivery))
    }

    /// The last things that happened to a shard and to all of them.
    pub(super) fn story_of(&self, shard: &ShardId, most: usize) -> String {
        let concerns = |told: &&Told| told.shard.as_ref().is_none_or(|about| about == shard);
        let told: Vec<&Told> = self.story.iter().filter(concerns).collect();
        lines(told[told.len().saturating_sub(most)..].iter().copied())
    }

    pub(super) fn last_lines(state: &State, most: usize) -> String {
        lines(state.story[state.story.len().saturating_sub(most)..].iter())
    }

    /// Crashes, take-overs and what else changes who has a shard.
    pub(super) fn upheavals(&self, most: usize) -> String {
        lines(
            self.story
                .iter()
                .filter(|told| told.shard.is_none())
                .take(most),
        )
    }
}

fn lines<'a>(story: impl Iterator<Item = &'a Told>) -> String {
    let line = |told: &Told| {
        let shard = told.shard.as_ref().map_or("", |shard| short(shard));
        format!(
            "  {:9.3} s  {shard:<10} {}\n",
            told.at.as_secs_f64(),
            told.text
        )
    };
    story.map(line).collect()
}

/// The end of a shard's name, which tells shards of one world apart.
fn short(shard: &ShardId) -> &str {
    shard.as_str().rsplit('-').next().unwrap_or_default()
}

impl Handed {
    /// True when it was in the shard of this name in a [`Script`](super::Script).
    #[must_use]
    pub fn is_of(&self, shard: &str) -> bool {
        short(&self.delivery.shard) == shard
    }
}

impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handed")
            .field("shard", &self.delivery.shard)
            .field("sequence_number", &self.delivery.sequence_number)
            .field("at", &self.at)
            .field("attempt", &self.attempt)
            .field("handled", &self.handled)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("seed", &self.seed)
            .field("written", &self.written())
            .field("deliveries", &self.handed.len())
            .field("redelivered", &self.redelivered())
            .field("unfinished", &self.unsettled)
            .finish_non_exhaustive()
    }
}
