//! Exact scenes: what happens to each shard, in order, without dice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::changes::Changes;

/// A scene: shards by name, and what happens to each.
///
/// Each step waits until the processor has handled every record that the shard got before it, so a scene plays the
/// same way however fast the processor is. A shard that [`split`](ShardScript::split) or
/// [`roll_over`](ShardScript::roll_over) names begins when it is born; all others are there at first.
///
/// ```
/// use shardkeeper_testkit::World;
/// use shardkeeper_testkit::processor::Recorder;
/// use shardkeeper_testkit::world::Script;
///
/// let script = Script::new()
///     .shard("a", |s| s.records(3).expire_iterator().records(2).crash().split(["b", "c"]))
///     .shard("b", |s| s.records(1).end());
/// let recorder = Recorder::default();
/// let run = World::builder().script(script).run(recorder.factory());
/// run.assert_nothing_lost();
/// assert_eq!(run.redelivered(), 2); // of the crash
/// ```
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(super) shards: BTreeMap<String, ShardScript>,
}

/// What happens to one shard.
#[derive(Debug, Clone, Default)]
#[must_use = "a step belongs to a script"]
pub struct ShardScript {
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Records(usize),
    Changes(Changes),
    Undecodable,
    Trimmed(usize),
    ExpireIterator,
    Throttle(u32),
    EmptyPages(u32),
    Crash,
    TakeOver,
    Deploy,
    Wait(Duration),
    End(Vec<String>),
}

impl Script {
    /// A scene without shards.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what happens to the shard of this name.
    ///
    /// # Panics
    /// When it has been said before.
    #[must_use]
    #[track_caller]
    pub fn shard(
        mut self,
        name: impl Into<String>,
        script: impl FnOnce(ShardScript) -> ShardScript,
    ) -> Self {
        let name = name.into();
        let script = script(ShardScript::default());
        let before = self.shards.insert(name.clone(), script);
        assert!(before.is_none(), "the script tells twice of shard {name}");
        self
    }

    /// The same records in the same shards, and all is well.
    pub(super) fn quiet(mut self) -> Self {
        for shard in self.shards.values_mut() {
            shard.steps.retain(|step| {
                matches!(
                    step,
                    Step::Records(_) | Step::Changes(_) | Step::Wait(_) | Step::End(_)
                )
            });
        }
        self
    }

    /// The shards that are there at first.
    pub(super) fn roots(&self) -> Vec<String> {
        let born: BTreeSet<&String> = self
            .shards
            .values()
            .flat_map(ShardScript::children)
            .collect();
        let roots = self.shards.keys().filter(|name| !born.contains(name));
        roots.cloned().collect()
    }
}

impl ShardScript {
    /// So many changes of one item, which no other shard changes.
    pub fn records(self, records: usize) -> Self {
        self.then(Step::Records(records))
    }

    /// These changes.
    pub fn changes(self, changes: Changes) -> Self {
        self.then(Step::Changes(changes))
    }

    /// A record that nobody can decode: told as [`DataLoss`](shardkeeper::DataLoss), and
    /// [`on_data_loss`](super::WorldBuilder::on_data_loss) decides.
    pub fn undecodable(self) -> Self {
        self.then(Step::Undecodable)
    }

    /// So many changes that are trimmed away before anybody reads them: also [`DataLoss`](shardkeeper::DataLoss).
    pub fn trimmed(self, records: usize) -> Self {
        self.then(Step::Trimmed(records))
    }

    /// The iterator that the worker has is too old.
    pub fn expire_iterator(self) -> Self {
        self.then(Step::ExpireIterator)
    }

    /// The next reads, so many, are throttled.
    pub fn throttle(self, reads: u32) -> Self {
        self.then(Step::Throttle(reads))
    }

    /// The next pages, so many, are empty.
    pub fn empty_pages(self, pages: u32) -> Self {
        self.then(Step::EmptyPages(pages))
    }

    /// The worker that has the shard crashes: right after its processor has returned from the records of the step
    /// before, and before that is stored, so they come again. Another worker takes over.
    pub fn crash(self) -> Self {
        self.then(Step::Crash)
    }

    /// The worker that has the shard stands still until another one has taken it, and goes on a second later.
    pub fn take_over(self) -> Self {
        self.then(Step::TakeOver)
    }

    /// The worker that has the shard leaves in order, and another one comes in its place.
    pub fn deploy(self) -> Self {
        self.then(Step::Deploy)
    }

    /// So much virtual time passes.
    pub fn wait(self, pause: Duration) -> Self {
        self.then(Step::Wait(pause))
    }

    /// The shard ends, and one child goes on.
    pub fn roll_over(self, child: impl Into<String>) -> Self {
        self.then(Step::End(vec![child.into()]))
    }

    /// The shard ends, and these go on.
    pub fn split<N: Into<String>>(self, children: impl IntoIterator<Item = N>) -> Self {
        self.then(Step::End(children.into_iter().map(Into::into).collect()))
    }

    /// The shard ends, and nothing goes on: the stream was switched off.
    pub fn end(self) -> Self {
        self.then(Step::End(Vec::new()))
    }

    #[track_caller]
    fn then(mut self, step: Step) -> Self {
        let ended = matches!(self.steps.last(), Some(Step::End(_)));
        assert!(!ended, "{step:?} comes after the end of the shard");
        self.steps.push(step);
        self
    }

    fn children(&self) -> impl Iterator<Item = &String> {
        self.steps.iter().flat_map(|step| match step {
            Step::End(children) => children.as_slice(),
            _ => &[],
        })
    }
}
