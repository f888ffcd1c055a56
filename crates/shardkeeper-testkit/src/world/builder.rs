//! What a world is.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use shardkeeper::{Decision, RecordProcessor, Settings, ShardContext};

use super::changes::Changes;
use super::run::Run;
use super::script::Script;
use super::stand::stand;

/// What a world does to a processor. Each happens at least once in every world of which it is a part and that has
/// records enough: [`Run::met`] says how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Adversity {
    /// A shard ends and one child goes on.
    RollOver,
    /// A shard ends and two children share its items.
    Split,
    /// A worker's machine dies with everything that it had in memory; another worker takes over, and it comes back.
    Crash,
    /// A worker crashes when a batch is done and before that is stored: the batch comes again.
    Redelivery,
    /// A worker stands still for so long that others take its shards, and goes on in the middle of its work.
    TakeOver,
    /// A worker leaves in order and another one comes.
    Deploy,
    /// The stream and the lease table refuse calls for a while.
    Throttle,
    /// Iterators expire before their time.
    IteratorExpiry,
    /// Pages are empty although records follow.
    EmptyPages,
    /// Many changes are made in one second, and nothing for long.
    Burst,
}

impl Adversity {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::RollOver,
        Self::Split,
        Self::Crash,
        Self::Redelivery,
        Self::TakeOver,
        Self::Deploy,
        Self::Throttle,
        Self::IteratorExpiry,
        Self::EmptyPages,
        Self::Burst,
    ];
}

/// A world that is being described. Made by [`World::builder`](super::World::builder); ends in [`run`](Self::run) or
/// [`assert_idempotent`](Self::assert_idempotent).
#[derive(Clone)]
#[must_use = "a world does nothing until it is run"]
pub struct WorldBuilder {
    pub(super) seed: u64,
    pub(super) shards: usize,
    pub(super) workers: usize,
    pub(super) changes: Changes,
    pub(super) adversities: BTreeSet<Adversity>,
    pub(super) settings: Settings,
    pub(super) decision: Decision,
    pub(super) script: Option<Script>,
    pub(super) worlds: u64,
    pub(super) time_limit: Duration,
    pub(super) real_time_limit: Duration,
}

impl WorldBuilder {
    pub(super) fn new() -> Self {
        Self {
            seed: 0,
            shards: 1,
            workers: 2,
            changes: Changes::of_items(60, 8),
            adversities: Adversity::ALL.iter().copied().collect(),
            settings: Settings::default(),
            decision: Decision::Stop,
            script: None,
            worlds: 10,
            time_limit: Duration::from_secs(30 * 60),
            real_time_limit: Duration::from_secs(60),
        }
    }

    /// Where all dice begin: the same seed is the same run. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many shards there are at first, at least 1. Default 1.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// How many workers share them, at least 1. Default 2.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// So many changes of as many items as were set or of 8. Default 60.
    pub fn records(self, records: usize) -> Self {
        self.changes(Changes::of_items(records, 8))
    }

    /// What is changed, in this order: your own items. See [`Changes`].
    pub fn changes(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    /// Everything but this happens.
    pub fn without(mut self, adversity: Adversity) -> Self {
        self.adversities.remove(&adversity);
        self
    }

    /// Only these happen.
    pub fn only(mut self, adversities: impl IntoIterator<Item = Adversity>) -> Self {
        self.adversities = adversities.into_iter().collect();
        self
    }

    /// Nothing happens but the changes, each in a second of its own; of a script, only the records and how shards end.
    pub fn quiet(mut self) -> Self {
        self.script = self.script.map(Script::quiet);
        self.only([])
    }

    /// The scene is exactly this: no dice, none of the shards, changes and adversities above.
    pub fn script(mut self, script: Script) -> Self {
        self.script = Some(script);
        self
    }

    /// The workers' settings. Default [`Settings::default`].
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// What the workers do when records are gone: [`Script`] can make that happen. Default [`Decision::Stop`], as in
    /// production.
    pub fn on_data_loss(mut self, decision: Decision) -> Self {
        self.decision = decision;
        self
    }

    /// How many hostile worlds [`assert_idempotent`](Self::assert_idempotent) tries, from the seed on. Default 10.
    pub fn worlds(mut self, worlds: u64) -> Self {
        self.worlds = worlds.max(1);
        self
    }

    /// How long the workers may take to finish everything, in virtual time from the end of all trouble on, and how long a
    /// script may take. Default 30 minutes. What is not done by then is told by [`Run`].
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How long a world may take in real time. Default one minute. It takes milliseconds, unless the processor blocks
    /// its thread, for which no virtual time passes.
    pub fn real_time_limit(mut self, limit: Duration) -> Self {
        self.real_time_limit = limit;
        self
    }

    /// Runs this processor in this world, to the end.
    ///
    /// The factory is the one that [`Worker::run`](shardkeeper::Worker::run) gets. A processor that fails, panics or
    /// never returns ends no run: what it did is in the [`Run`].
    ///
    /// # Panics
    /// When the settings contradict each other, and when the processor blocks the thread for longer than
    /// [`real_time_limit`](Self::real_time_limit). The thread is left behind then.
    #[track_caller]
    pub fn run<P, F>(self, factory: F) -> Run
    where
        P: RecordProcessor,
        F: Fn(&ShardContext) -> P + Send + Sync + 'static,
    {
        stand(self, factory)
    }
}

impl fmt::Debug for WorldBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldBuilder")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
