//! The faults of the matrix, by name, and which of them a seed switches on.

use std::collections::BTreeSet;
use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $number:literal $name:ident $word:literal,)*) => {
        /// A kind of fault. Its number is that of the fault matrix.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $name = $number,)*
        }

        impl Fault {
            /// Every kind, in the order of the matrix.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name on the command line and in reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

faults! {
    /// A worker crashes at some await point and comes back.
    1 Crash "crash",
    /// A worker crashes and does not come back.
    2 CrashForGood "crash-for-good",
    /// A worker stands still for one second to two hours and goes on.
    3 Pause "pause",
    /// A worker's clock is up to ten years ahead of the others, or days behind them.
    4 ClockSkew "clock-skew",
    /// A worker's clock runs too fast or too slow within the margin, or its machine is suspended.
    5 ClockDrift "clock-drift",
    /// A request never arrives.
    6 RequestLost "request-lost",
    /// A request is served and its answer never arrives.
    7 AnswerLost "answer-lost",
    /// A write arrives late, after its sender gave it up, or a second time.
    8 LateWrite "late-write",
    /// A write is applied and then answered as refused, as after a hidden retry.
    9 OwnWriteRefused "own-write-refused",
    /// A connection takes requests and never answers.
    10 HungSocket "hung-socket",
    /// A worker cannot reach the lease table, or is not reached by its answers.
    11 TablePartition "table-partition",
    /// A worker cannot reach the stream.
    12 StreamPartition "stream-partition",
    /// Names do not resolve, connections are refused.
    13 Unreachable "unreachable",
    /// Reads are answered with 500 and 503.
    14 ReadErrors "read-errors",
    /// Writes are answered with 500 and 503, applied or not.
    15 WriteErrors "write-errors",
    /// Calls to the stream are throttled.
    16 StreamThrottled "stream-throttled",
    /// Calls to the lease table are throttled.
    17 TableThrottled "table-throttled",
    /// Somebody else reads the same shards. That two of ours are enough to refuse a third is no fault.
    18 ThirdReader "third-reader",
    /// Answers of reads are old when they arrive, and sweeps see rows at different moments.
    19 StaleReads "stale-reads",
    /// Listings show an open parent beside its child, a closed leaf, or a child late.
    20 StaleListing "stale-listing",
    /// Pages of listings move, repeat a shard, leave one out, or show nothing of what follows.
    21 ListingPages "listing-pages",
    /// The question for children is answered with nothing, or with an error.
    22 ChildrenHidden "children-hidden",
    /// Shards split in many, and again at once.
    23 SplitStorm "split-storm",
    /// Shards end without a record.
    24 EmptyShards "empty-shards",
    /// Iterators expire before their time.
    25 IteratorExpiry "iterator-expiry",
    /// Records are trimmed under a reader.
    26 Trim "trim",
    /// A shard is gone though it was not read to its end.
    27 ShardVanishes "shard-vanishes",
    /// Answers are empty or make no sense.
    28 OddAnswers "odd-answers",
    /// Pages are empty though records follow.
    29 EmptyPages "empty-pages",
    /// The application starts at the latest record, and all of it crashes while a shard is idle since then; or its start
    /// time is found a few records early.
    30 LatestIdle "latest-idle",
    /// The stream is switched off and on again.
    31 StreamSwitched "stream-switched",
    /// The table is deleted and made again.
    32 TableRecreated "table-recreated",
    /// The lease table is gone for a while, or has another key, or is restored from an older copy.
    33 LeaseTableGone "lease-table-gone",
    /// A person deletes or edits a lease.
    34 OperatorEdits "operator-edits",
    /// One action is denied.
    35 AccessDenied "access-denied",
    /// Credentials have expired.
    36 CredentialsExpired "credentials-expired",
    /// Two workers have one name, or one machine is a copy of another.
    37 ClonedWorker "cloned-worker",
    /// Many workers start at once.
    38 Herd "herd",
    /// The processor fails, panics or never returns.
    39 ProcessorFails "processor-fails",
    /// The processor is slow, or acknowledges out of order.
    40 ProcessorSlow "processor-slow",
    /// Blocking code starves the runtime.
    41 RuntimeBlocked "runtime-blocked",
    /// A record cannot be decoded, or is of a kind and has types that nobody knows.
    42 PoisonRecord "poison-record",
    /// Pages hold one record, and records are huge.
    43 HugeRecords "huge-records",
    /// Workers leave in order, one after another, and others come.
    44 Shutdown "shutdown",
}

impl Fault {
    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// Its place in [`Fault::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize - 1
    }

    /// Each kind on or off with probability one half.
    pub(crate) fn swarm(dice: &mut fastrand::Rng) -> BTreeSet<Self> {
        Self::ALL.iter().copied().filter(|_| dice.bool()).collect()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each kind was injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected([u64; 44]);

impl Default for Injected {
    fn default() -> Self {
        Self([0; 44])
    }
}

impl Injected {
    pub(crate) fn count(&mut self, fault: Fault) {
        self.0[fault.index()] += 1;
    }

    /// How often this kind was injected.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault.index()]
    }

    /// How often any kind was.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds what was injected into another world.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}
