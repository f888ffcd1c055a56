//! What the workers of a scene said: which record came when, to whom, and what came twice or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Sub;
use std::time::Duration;

use super::source::Written;
use crate::Outcome;

/// A worker of a scene, by the order of its start.
pub(super) type Member = usize;

/// One record at a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// On the clock that all processes share.
    pub(super) at: Duration,
    pub(super) member: Member,
    /// By its place among the shards.
    pub(super) shard: usize,
    /// The writer counts the records of each shard from 1.
    pub(super) number: u64,
}

/// Everything that was said.
#[derive(Debug)]
pub(super) struct Journal {
    shard_ids: BTreeMap<String, usize>,
    /// By shard, in the order of time.
    deliveries: Vec<Vec<Delivery>>,
    seen: BTreeSet<(usize, u64)>,
    pub(super) counts: Counts,
    pub(super) joined: BTreeSet<Member>,
    pub(super) discoverer: Option<Member>,
}

/// What should be rare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Records that came once more.
    pub(super) again: usize,
    /// Leases that were taken while nobody owned them: their owner knew of no successor.
    pub(super) freed: usize,
    /// Workers that gave themselves up.
    pub(super) demotions: usize,
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            again: self.again - before.again,
            freed: self.freed - before.freed,
            demotions: self.demotions - before.demotions,
        }
    }
}

impl Journal {
    pub(super) fn of(shards: &[String]) -> Self {
        let place = |(place, id): (usize, &String)| (id.clone(), place);
        Self {
            shard_ids: shards.iter().enumerate().map(place).collect(),
            deliveries: vec![Vec::new(); shards.len()],
            seen: BTreeSet::new(),
            counts: Counts::default(),
            joined: BTreeSet::new(),
            discoverer: None,
        }
    }

    /// Takes a line of a worker in.
    pub(super) fn hear(&mut self, member: Member, line: &str) -> Outcome<()> {
        let garbled = || format!("a worker said {line:?}");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [what, at, rest @ ..] = words.as_slice() else {
            return Err(garbled().into());
        };
        let at = Duration::from_nanos(at.parse().map_err(|_| garbled())?);
        match (*what, rest) {
            ("record", [shard, _, number]) => {
                let shard = *self.shard_ids.get(*shard).ok_or_else(garbled)?;
                let number = number.parse().map_err(|_| garbled())?;
                self.deliver(Delivery {
                    at,
                    member,
                    shard,
                    number,
                });
            }
            ("joined", _) => _ = self.joined.insert(member),
            ("discoverer", _) => self.discoverer = Some(member),
            ("demoted", _) => self.counts.demotions += 1,
            ("acquired", [_, how, ..]) => self.counts.freed += usize::from(*how == "Free"),
            ("released" | "dead" | "left", _) => {}
            _ => return Err(garbled().into()),
        }
        Ok(())
    }

    fn deliver(&mut self, delivery: Delivery) {
        // What was written to find out which key belongs to which shard has no number.
        if delivery.number == 0 {
            return;
        }
        if !self.seen.insert((delivery.shard, delivery.number)) {
            self.counts.again += 1;
        }
        let earlier = &mut self.deliveries[delivery.shard];
        let place = earlier.partition_point(|d| d.at <= delivery.at);
        earlier.insert(place, delivery);
    }

    pub(super) fn shards(&self) -> usize {
        self.deliveries.len()
    }

    /// The shards whose latest record this worker got.
    pub(super) fn shards_of(&self, member: Member) -> Vec<usize> {
        let latest = |shard: &usize| self.latest(*shard).is_some_and(|d| d.member == member);
        (0..self.shards()).filter(latest).collect()
    }

    fn latest(&self, shard: usize) -> Option<Delivery> {
        self.deliveries[shard].last().copied()
    }

    /// True when exactly these workers read, and none of them reads two shards more than another.
    pub(super) fn is_balanced(&self, members: &[Member]) -> bool {
        let counts: Vec<usize> = members.iter().map(|m| self.shards_of(*m).len()).collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        let even = least
            .zip(most)
            .is_some_and(|(least, most)| most - least <= 1);
        even && counts.iter().sum::<usize>() == self.shards()
    }

    /// The first record of a shard that another worker got after `after`.
    pub(super) fn first_elsewhere(
        &self,
        shard: usize,
        than: Member,
        after: Duration,
    ) -> Option<Delivery> {
        let later = self.within(shard, after, Duration::MAX).iter();
        later.copied().find(|d| d.member != than)
    }

    /// How long a shard stood still when it last came to this worker from another one.
    pub(super) fn pause_before(&self, shard: usize, member: Member) -> Option<Duration> {
        let all = &self.deliveries[shard];
        let moved = |pair: &[Delivery]| pair[0].member != member && pair[1].member == member;
        let last = all.windows(2).rev().find(|pair| moved(pair))?;
        Some(last[1].at - last[0].at)
    }

    fn within(&self, shard: usize, from: Duration, to: Duration) -> &[Delivery] {
        let all = &self.deliveries[shard];
        let begin = all.partition_point(|d| d.at < from);
        let end = all.partition_point(|d| d.at <= to);
        &all[begin..end.max(begin)]
    }

    /// What came from `from` on until `to`, in the order of time.
    pub(super) fn between(&self, from: Duration, to: Duration) -> Vec<Delivery> {
        let shards = 0..self.shards();
        let mut all: Vec<Delivery> = shards
            .flat_map(|shard| self.within(shard, from, to))
            .copied()
            .collect();
        all.sort_by_key(|d| d.at);
        all
    }

    /// The longest time that a shard stood still between `from` and `to`.
    pub(super) fn longest_pause(&self, shard: usize, from: Duration, to: Duration) -> Duration {
        let came = self.within(shard, from, to).iter().map(|d| d.at);
        let times: Vec<Duration> = [from].into_iter().chain(came).chain([to]).collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }

    /// True when every record that was written has come.
    pub(super) fn is_complete(&self, written: &Written) -> bool {
        self.missing(written) == 0
    }

    /// How many records were written and never came.
    pub(super) fn missing(&self, written: &Written) -> usize {
        let all = written.last.iter().enumerate();
        let all = all.flat_map(|(shard, last)| (1..=*last).map(move |number| (shard, number)));
        all.filter(|record| !self.seen.contains(record)).count()
    }
}
