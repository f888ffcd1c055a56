//! What a seed means: how large a world, how old, with which faults, for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use shardkeeper::{Decision, Settings};

use super::chaos::Fault;
use super::ground::{MINUTE, Time};

const MIB: u64 = 1024 * 1024;

/// A world before it begins. Everything in it comes from the seed, unless a [`Cut`] says otherwise.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Where all dice of the world begin.
    pub seed: u64,
    /// The kinds of fault that may happen.
    pub faults: BTreeSet<Fault>,
    /// How many workers there are.
    pub workers: usize,
    /// How many open shards the stream begins with.
    pub lineages: usize,
    /// How many items are changed.
    pub keys: u32,
    /// How many changes are made, before and during the run.
    pub records: usize,
    /// How long things go wrong, in virtual milliseconds. Afterwards the world heals and must converge.
    pub(crate) trouble: Time,
    /// That is many hours.
    pub(crate) long: bool,
    pub(crate) beginning: Beginning,
    pub(crate) decision: Decision,
    /// Where the workers meet the world.
    pub seam: Seam,
    pub(crate) settings: Settings,
    /// Shards on one page of a listing.
    pub(crate) page: usize,
    /// Faults of single calls strike this often, in ten thousand.
    pub(crate) harshness: u32,
    /// Reads of the lease table take longer than the pause between two of them, until the world has come to rest.
    pub(crate) slow_table: bool,
    /// The service can look up a start time; not every one can.
    pub(crate) knows_times: bool,
    /// The first life of the first worker ends at this poll of its tasks.
    pub(crate) fuse: Option<u64>,
}

/// Where workers and the world meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// The two ports, in memory: fast.
    Port,
    /// The HTTP client of the real SDK: faithful.
    Sdk,
}

/// Of so many seeds one runs at the SDK seam.
const SDK_SHARE: u64 = 100;

/// In one of so many seeds nothing goes wrong until everything is well: there nothing may come twice (S10).
const QUIET_SHARE: u64 = 50;

/// One of so many seeds lasts for hours: there a machine stands still for two, a network is gone for six, and every shard
/// rolls over by itself.
const LONG_SHARE: u64 = 49;

/// So many times as long as another: six hours and more.
const LONGER: u64 = 7;

impl Seam {
    /// The one of a seed for which none is wished.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        if seed.is_multiple_of(SDK_SHARE) {
            Self::Sdk
        } else {
            Self::Port
        }
    }

    /// How much shorter the trouble is: no rarer, and no denser.
    pub(crate) fn shortens(self) -> u64 {
        match self {
            Self::Port => 1,
            Self::Sdk => 4,
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Sdk => "sdk",
        }
    }
}

/// What the application had done before its world begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Nothing: it starts at the oldest record.
    Fresh,
    /// Nothing: it starts at the latest record.
    Latest,
    /// It has read the stream before, up to here and there, and died.
    MidLife,
}

/// What a smaller run of the same seed leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Kinds of fault that do not happen.
    pub without: BTreeSet<Fault>,
    /// At most so many workers.
    pub workers: Option<usize>,
    /// At most so many open shards.
    pub lineages: Option<usize>,
    /// At most so many records.
    pub records: Option<usize>,
}

impl Scenario {
    /// What this seed means.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x5ca1_ab1e);
        let swarm = Fault::swarm(&mut dice);
        let quiet = seed % QUIET_SHARE == QUIET_SHARE / 2;
        let long = seed % LONG_SHARE == LONG_SHARE / 4;
        let faults = if quiet { BTreeSet::new() } else { swarm };
        let beginning = match dice.u8(..) % 4 {
            0 => Beginning::Fresh,
            1 if faults.contains(&Fault::LatestIdle) => Beginning::Latest,
            _ => Beginning::MidLife,
        };
        let lineages = 1 + dice.usize(0..3) + dice.usize(0..4) * usize::from(dice.bool());
        let workers = if dice.u8(..) < 40 {
            dice.usize(1..3)
        } else {
            dice.usize(2..6)
        };
        let stale_reads = faults.contains(&Fault::StaleReads);
        let records = [60, 200, 500, 1_200][dice.usize(0..4)];
        Self {
            seed,
            faults,
            workers,
            lineages,
            keys: [3, 12, 40, 200][dice.usize(0..4)],
            records,
            seam: Seam::Port,
            trouble: dice.u64(54 * MINUTE..76 * MINUTE) * if long { LONGER } else { 1 },
            long,
            beginning,
            decision: if dice.u8(..) < 80 {
                Decision::Stop
            } else {
                Decision::GoOn
            },
            settings: settings(&mut dice),
            page: [2, 3, 7, 100][dice.usize(0..4)],
            harshness: [10, 40, 150][dice.usize(0..3)],
            slow_table: stale_reads && dice.u8(..) < 32,
            knows_times: dice.u8(..) < 150,
            fuse: None,
        }
    }

    /// The same at this seam. A call through the SDK costs fifty times as much as one in memory, so there the
    /// world is smaller and the trouble shorter.
    #[must_use]
    pub fn at(mut self, seam: Seam) -> Self {
        self.seam = seam;
        self.trouble /= seam.shortens();
        if seam == Seam::Sdk {
            self.workers = self.workers.min(3);
            self.lineages = self.lineages.min(3);
        }
        self
    }

    /// The same with less in it.
    #[must_use]
    pub fn cut(mut self, cut: &Cut) -> Self {
        self.faults.retain(|fault| !cut.without.contains(fault));
        self.workers = self.workers.min(cut.workers.unwrap_or(usize::MAX)).max(1);
        self.lineages = self.lineages.min(cut.lineages.unwrap_or(usize::MAX)).max(1);
        self.records = self.records.min(cut.records.unwrap_or(usize::MAX)).max(1);
        self
    }

    /// Nothing is going to go wrong.
    pub(crate) fn is_free_of_faults(&self) -> bool {
        self.faults.is_empty() && self.fuse.is_none()
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

/// Valid by construction: everything about beats scales together.
fn settings(dice: &mut fastrand::Rng) -> Settings {
    let scale = [1, 2, 3][dice.usize(0..3)];
    let seconds = |n: u64| Duration::from_secs(n * scale);
    let mut settings = Settings::default();
    settings.lease_duration = seconds(10);
    settings.beat_interval = seconds(1);
    settings.margin = seconds(2);
    settings.idle_poll_max = Duration::from_secs([2, 5, 10][dice.usize(0..3)]);
    settings.checkpoint_interval = Duration::from_secs([1, 1, 10][dice.usize(0..3)]);
    settings.page_limit = [3, 20, 1_000][dice.usize(0..3)];
    settings.prefetch_pages = dice.u16(0..3);
    // A small budget holds two pages as large as pages may be.
    settings.fetched_bytes_max = [2 * MIB, 8 * MIB, 256 * MIB][dice.usize(0..3)];
    settings
}
