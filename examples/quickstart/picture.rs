//! What there is to see: made from `WorkerHandle::status()` and from events, nothing else, as any dashboard
//! could be.

use std::collections::BTreeMap;
use std::time::Duration;

use shardkeeper::{Health, ShardId, ShardStatus};

use crate::chronicle::{BIN, Note, Pages, bin_of, short};
use crate::fleet::{Glimpse, Standing};
use crate::stage::Stage;

/// A shard that has ended stays in the picture for so long, so that the eye can follow.
const AFTERGLOW: Duration = Duration::from_millis(1500);

/// One moment of the run.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) title: String,
    pub(crate) elapsed: Duration,
    /// Changes that writers made so far, of how many.
    pub(crate) written: u64,
    pub(crate) target: u64,
    /// Records that workers processed so far, repetitions included.
    pub(crate) processed: u64,
    /// Processed in the last second.
    pub(crate) per_second: u64,
    /// Processed in each quarter of a second.
    pub(crate) bins: Vec<u64>,
    pub(crate) workers: Vec<WorkerRow>,
    pub(crate) shards: Vec<ShardRow>,
    /// Shards that were read to their end.
    pub(crate) ended: usize,
    pub(crate) notes: Vec<Note>,
}

#[derive(Debug)]
pub(crate) struct WorkerRow {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) at_work: bool,
    pub(crate) shards: usize,
    pub(crate) lists: bool,
}

#[derive(Debug)]
pub(crate) struct ShardRow {
    pub(crate) name: String,
    pub(crate) follows: String,
    /// The owner's name.
    pub(crate) owner: Option<String>,
    pub(crate) state: ShardState,
    pub(crate) records: u64,
    pub(crate) age: Option<Duration>,
    pub(crate) epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardState {
    Reading,
    /// Its owner is dead or has left, or nobody has it yet.
    Waiting,
    Stopped,
    Ended,
}

impl Picture {
    pub(crate) fn take(stage: &Stage) -> Self {
        let elapsed = stage.elapsed();
        let glimpses = stage.fleet.glimpses();
        let pages = stage.chronicle.read();
        let now = bin_of(elapsed);
        let last_second = now.saturating_sub(4)..now;
        let in_bin = |bin: usize| pages.bins.get(bin).copied().unwrap_or(0);
        Self {
            title: stage.title(),
            elapsed,
            written: stage.ledger.written(),
            target: stage.records,
            processed: pages.processed,
            per_second: last_second.map(in_bin).sum(),
            bins: (0..now).map(in_bin).collect(),
            workers: glimpses.iter().map(worker_row).collect(),
            shards: shard_rows(&glimpses, &pages, elapsed),
            ended: pages.ended.len(),
            notes: pages.notes.clone(),
        }
    }

    /// How old the oldest record was that a worker processed last in one of its shards.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.shards.iter().filter_map(|shard| shard.age).max()
    }

    pub(crate) fn open(&self) -> usize {
        self.shards
            .iter()
            .filter(|shard| shard.state != ShardState::Ended)
            .count()
    }
}

fn worker_row(glimpse: &Glimpse) -> WorkerRow {
    let state = match (glimpse.standing, &glimpse.health) {
        (Standing::Killed, _) => "killed",
        (Standing::Away, _) => "away",
        (Standing::Leaving, _) => "leaving",
        (Standing::Working, Health::Starting) => "joining",
        (Standing::Working, Health::Well) => "at work",
        (Standing::Working, _) => "in trouble",
    };
    WorkerRow {
        name: glimpse.name.clone(),
        state,
        at_work: matches!(glimpse.standing, Standing::Working | Standing::Leaving),
        shards: glimpse
            .status
            .shards
            .iter()
            .filter(|shard| shard.ours)
            .count(),
        lists: glimpse.status.discoverer,
    }
}

/// Every shard that any worker knows: who reads a shard knows best.
fn shard_rows(glimpses: &[Glimpse], pages: &Pages, elapsed: Duration) -> Vec<ShardRow> {
    let mut known: BTreeMap<&ShardId, &ShardStatus> = BTreeMap::new();
    for shard in glimpses.iter().flat_map(|glimpse| &glimpse.status.shards) {
        let better = |known: &&ShardStatus| (known.ours, known.epoch) >= (shard.ours, shard.epoch);
        if !pages.ended.contains_key(&shard.shard) && !known.get(&shard.shard).is_some_and(better) {
            known.insert(&shard.shard, shard);
        }
    }
    let is_fresh = |at: Duration| elapsed.saturating_sub(at) < AFTERGLOW;
    let fresh = pages.ended.iter().filter(|(_, at)| is_fresh(**at));
    let open = known.into_values().map(|shard| shard_row(shard, pages));
    let ended = fresh.map(|(shard, _)| ended_row(shard, pages));
    open.chain(ended).collect()
}

fn shard_row(shard: &ShardStatus, pages: &Pages) -> ShardRow {
    ShardRow {
        owner: shard.owner.as_ref().map(|owner| owner.name().to_owned()),
        state: match (&shard.stopped, shard.ours) {
            (Some(_), _) => ShardState::Stopped,
            (None, true) => ShardState::Reading,
            (None, false) => ShardState::Waiting,
        },
        records: shard.records,
        age: shard.iterator_age,
        epoch: shard.epoch,
        ..ended_row(&shard.shard, pages)
    }
}

fn ended_row(shard: &ShardId, pages: &Pages) -> ShardRow {
    ShardRow {
        name: short(shard),
        follows: pages.parents.get(shard).map(short).unwrap_or_default(),
        owner: None,
        state: ShardState::Ended,
        records: 0,
        age: None,
        epoch: 0,
    }
}

/// The bins as a unit that people know.
pub(crate) fn per_second(bin: u64) -> u64 {
    bin.saturating_mul(1000) / u64::try_from(BIN.as_millis()).unwrap_or(1)
}

/// 12345 as 12,345.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

/// Seconds with one digit.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// An age in whole seconds: the stream knows the time of a change no better.
pub(crate) fn age(age: Option<Duration>) -> String {
    match age.map(|age| age.as_secs()) {
        None => String::new(),
        Some(0) => "< 1 s".to_owned(),
        Some(seconds) => format!("{seconds} s"),
    }
}
