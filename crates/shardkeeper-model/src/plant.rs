//! Mistakes that can be planted, one at a time: each takes one answer of the protocol away, in the model only.

use shardkeeper_core::lease::column;
use shardkeeper_core::row::{Condition, Effect, Write};

/// A mistake. The numbers are those of the holes that the first draft of the protocol had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Plant {
    /// Hole 1: a verdict counts from when a read was answered, so an old answer kills.
    CachedVerdict,
    /// Hole 2: a request that is not answered in time is enforced; an idle owner never learns.
    Force,
    /// Hole 3: enforced when the owner has beaten since, though the bump of its inbox got lost.
    ForceAfterLostBump,
    /// Hole 4: an owner without a row is over at once.
    AbsentIsOver,
    /// Hole 5: enforced when the owner has beaten since, though it saw the request before its own take.
    ForceUnheardTake,
    /// Hole 6: a worker believes in itself from the answer to its beat, not from its sending.
    BelieveFromAnswer,
    /// Hole 7: a row that names a worker which does not read the shard is not adopted.
    NoAdoption,
    /// Hole 8: enforced, and a lease is ours only when the row has our own write id.
    ForceMineByWriteId,
    /// Hole 9: a request moves the version and the write id.
    RequestStamps,
    /// Hole 10: the end of a shard creates all children, also those that exist.
    EndCreatesAll,
    /// Hole 11: a finished parent covers its children.
    FinishedParentCovers,
    /// Hole 12: enforced, and a request survives a change of owner.
    ForceOldRequest,
    /// Hole 13: an observer waits its own lease duration, not the owner's.
    OwnDuration,
    /// Hole 14: a beat has no condition.
    BeatUpserts,
    /// Hole 16: reading begins at the checkpoint that was read before the take.
    StartFromRead,
    /// Hole 17: a discoverer writes without its term.
    NoTerm,
    /// Hole 18: new leases begin at epoch 1, whatever was there before.
    NoFloor,
    /// Hole 19: beats go on though the lease keeper hangs.
    BeatsWithoutKeeper,
    /// Hole 20: at the deadline of a shutdown the worker says that it left, whatever still runs.
    LeftAtDeadline,
    /// A failed condition means that the lease is lost.
    RefusedIsLost,
    /// A failed condition means that the write was applied before.
    RefusedIsDone,
    /// An unanswered write counts as done.
    UnansweredIsDone,
    /// A checkpoint's condition lacks the epoch alone: the version still implies it.
    CheckpointWithoutEpoch,
    /// A checkpoint's condition lacks the epoch, and the version that would imply it.
    CheckpointByOwnerAlone,
    /// A child is leased though its listed parent has no lease yet.
    AbsentParentIsFinished,
    /// A take leaves the epoch as it is.
    TakeWithoutEpoch,
    /// A lease is deleted without a condition.
    DeleteUnconditional,
    /// A worker that lapsed goes on when a beat is answered late.
    DemotedResumes,
}

impl Plant {
    /// True for the mistakes that take from living owners.
    pub(crate) fn forces(self) -> bool {
        matches!(
            self,
            Self::Force
                | Self::ForceAfterLostBump
                | Self::ForceUnheardTake
                | Self::ForceMineByWriteId
                | Self::ForceOldRequest
        )
    }

    /// True when an owner that knows of a request is trusted to have stopped, and only then taken from.
    pub(crate) fn forces_with_care(self) -> bool {
        self.forces() && self != Self::Force
    }
}

/// A write without the conditions on these columns.
pub(crate) fn unconditional(mut write: Write, columns: &[&str]) -> Write {
    write.conditions.retain(|condition| match condition {
        Condition::Equals(column, _)
        | Condition::Missing(column)
        | Condition::Differs(column, _) => !columns.contains(&column.as_ref()),
        Condition::RowAbsent | Condition::RowExists => true,
    });
    if write.conditions.is_empty() {
        // The table refuses writes without any: one that says nothing about the row's columns.
        write
            .conditions
            .push(Condition::Missing("noSuchColumn".into()));
    }
    write
}

/// A write that leaves these columns as they are.
pub(crate) fn without_effects(mut write: Write, columns: &[&str]) -> Write {
    write.effects.retain(|effect| {
        let (Effect::Set(column, _)
        | Effect::Remove(column)
        | Effect::Add(column, _)
        | Effect::Include(column, _)
        | Effect::Exclude(column, _)) = effect;
        !columns.contains(&column.as_ref())
    });
    write
}

/// A request as the first draft wrote it.
pub(crate) fn stamped(mut write: Write, write_id: &str) -> Write {
    write.effects.push(Effect::Add(column::VERSION.into(), 1));
    write
        .effects
        .push(Effect::Set(column::WRITE_ID.into(), write_id.into()));
    write
}
