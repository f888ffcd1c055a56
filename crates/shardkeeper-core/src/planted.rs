//! Mistakes that can be planted, one at a time, to see whether the simulation finds them.
//!
//! A plant stands exactly where the mistake would be made, as `if planted!(Name) { .. }`. In an ordinary build there is none:
//! the condition is the constant `false`, and the compiler removes what depends on it. Only `cargo xtask sim --planted`
//! builds with the cfg `shardkeeper_planted`, in which the simulation chooses one for each world that it runs.

macro_rules! plants {
    ($(#[doc = $what:literal] $name:ident,)*) => {
        /// A mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Plant {
            $(#[doc = $what] $name,)*
        }

        impl Plant {
            /// Every one that there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name on the command line and in reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What goes wrong.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$name => $what.trim_ascii(),)*
                }
            }
        }
    };
}

plants! {
    // What a sequence number, a checkpoint and an acknowledgement mean.
    /// Sequence numbers are compared as texts.
    NumbersAsTexts,
    /// A checkpoint covers the record that was acknowledged last, not the unbroken prefix.
    CheckpointRunsAhead,
    /// What nobody will acknowledge any more counts as acknowledged.
    AbandonedIsDone,
    /// A batch that was done up to some record counts as done.
    PartIsWhole,
    /// One bad record is to be skipped, and its whole batch is.
    SkipsTheBatch,
    /// The checkpoint that is stored when a lease is let go is the one with which it began.
    LeavesWithOldCheckpoint,

    // The writes of a lease.
    /// An owner's writes have no condition but that the row exists.
    UnfencedWrites,
    /// An owner's writes ask for the owner alone, not for its epoch and version.
    WritesByNameAlone,
    /// A lease changes its owner without a new epoch.
    TakeWithoutEpoch,
    /// A new lease overwrites one that is there.
    CreateOverwrites,
    /// The start position of a lease that was taken is the one that was read before the take.
    StartFromRead,
    /// A refused write means that the lease is lost.
    RefusedIsLost,
    /// A refused write counts as applied before.
    RefusedIsDone,
    /// A write whose answer was lost counts as applied.
    UnansweredIsDone,
    /// A write whose answer was lost means that the lease is lost.
    UnansweredIsLost,
    /// An answer that shows nothing counts as a write that was applied.
    EmptyAnswerIsDone,
    /// Every write is sent twice, and the refusal of the second is believed.
    WritesTwice,
    /// Rows are read without asking for consistency.
    StaleRowsRead,

    // Who lives.
    /// A worker believes in itself from the answer to its beat on, not from its sending.
    StampAfterAnswer,
    /// A worker that has lapsed believes in itself again when a beat is answered late.
    DemotedResumes,
    /// The verdict on a silent worker counts from when a read was answered, not sent.
    CachedVerdict,
    /// A worker begins each life under the same name, and takes an existing row for its own.
    SameIdAccepted,
    /// Whether the group knows a worker is not looked at.
    StruckOffUnnoticed,
    /// What is known of the lease table dies with the incarnation.
    ForgetsTheTable,
    /// The row of a worker that was just buried is removed at once.
    ReapsTheBuried,
    /// A throttled beat means that the row is somebody else's.
    ThrottledBeatIsForeign,
    /// Beats run where user code can starve them.
    BeatsOnUserRuntime,
    /// A call that takes long ends its worker's standing.
    SlowCallEndsWorker,
    /// A processor that panics ends its worker.
    PanicEndsWorker,
    /// A worker that leaves waits for its processors for ever.
    ShutdownWaitsForEver,

    // Who owns what.
    /// A lease that was handed over is not taken up.
    NoAdoption,
    /// An owner does not hear who asks for its leases.
    DeafOwner,
    /// A worker asks itself for the leases that it lacks.
    ClaimsFromItself,
    /// A look at the group always comes before a sweep, however slow the table is.
    LooksBeforeSweeps,

    // How shards follow each other.
    /// A shard without a checkpoint is read from its latest record.
    ChildAtLatest,
    /// A parent that is neither leased nor listed counts as gone at once.
    AbsentIsGone,
    /// A parent that is on no page of a listing yet counts as gone.
    UnseenIsGone,
    /// A child is leased and read beside its parent.
    BesideItsParent,
    /// A shard whose parent was trimmed away waits for it.
    WaitsForTrimmedParent,
    /// A finished parent covers children that were listed late.
    LateChildLost,
    /// No lease is made for the children of a shard that ended.
    ChildrenForgotten,
    /// A closed shard without children is a panic.
    ClosedLeafPanics,
    /// A child that is listed beside its open parent is a panic.
    OpenParentPanics,
    /// The children are leased and begun, and the end of their parent is known to nobody else.
    EndInMemoryOnly,
    /// A page without a next iterator is the end, whatever the listing says.
    EmptyBodyIsEnd,
    /// The end that a page showed before the shard was closed is believed.
    FirstEndIsBelieved,
    /// A lease is forgotten as soon as its shard has ended.
    ForgetsAtTheEnd,
    /// A shard that one listing leaves out is taken for gone.
    ForgetsUnlisted,
    /// A shard with an ending sequence number needs no lease.
    ClosedNeedsNoLease,
    /// Finished leases are taken and read again.
    FinishedReopened,

    // Listings.
    /// Only the first page of a listing is read.
    FirstPageOnly,
    /// One throttled listing ends discovery.
    ThrottledListingEnds,
    /// One lease that cannot be forgotten ends discovery.
    CleanerStops,
    /// Every worker lists the stream, in office or not.
    EverybodyLists,
    /// The stream that was listed first is listed for ever.
    OldStreamForEver,
    /// Calls wait for no turn of their worker.
    ListsWithoutPause,

    // Reading.
    /// Each start at the latest record begins at the moment of its own listing.
    LatestWithoutMoment,
    /// A start time is forgotten when its iterator expires: reading goes on at the latest record.
    LatestRenewed,
    /// An expired iterator is opened again at the oldest record.
    ReopensAtHorizon,
    /// An expired iterator is used again.
    IteratorReused,
    /// Trimmed records are skipped without a word.
    TrimmedIsHorizon,
    /// Trimmed records are asked for again and again.
    TrimmedForEver,
    /// A shard that vanished counts as read to its end.
    VanishedIsFinished,
    /// A shard that vanished is a panic.
    VanishedPanics,
    /// An empty page is the end of its shard.
    EmptyPageIsEnd,
    /// Records on a page without a next iterator are dropped.
    LastPageDropped,
    /// Records on a page as large as a page can be are dropped.
    HugePageDropped,
    /// A record that cannot be decoded is skipped without a word.
    UndecodableSkipped,
    /// A gap behind which reading goes on is told again when it is read again.
    GapToldTwice,
    /// Records that were given up are read again from the checkpoint, and a gap right behind it is not told again.
    GivenUpFromCheckpoint,

    // Pauses.
    /// A failed call is repeated at once.
    NoBackoff,
    /// All pauses between attempts are equally long.
    NoJitter,
}

impl Plant {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|plant| plant.name() == name)
    }
}

/// True where this mistake is planted.
#[doc(hidden)]
#[macro_export]
macro_rules! planted {
    ($plant:ident) => {
        $crate::planted::is($crate::planted::Plant::$plant)
    };
}

/// True when mistakes can be planted in this build.
pub const POSSIBLE: bool = cfg!(shardkeeper_planted);

#[cfg(not(shardkeeper_planted))]
mod chosen {
    use super::Plant;

    /// Nothing is planted here.
    #[must_use]
    pub const fn is(_: Plant) -> bool {
        false
    }

    /// Plants nothing.
    pub const fn plant(_: Option<Plant>) {}
}

#[cfg(shardkeeper_planted)]
mod chosen {
    use std::cell::Cell;

    use super::Plant;

    thread_local! {
        static CHOSEN: Cell<Option<Plant>> = const { Cell::new(None) };
    }

    /// True when this mistake was planted on this thread.
    #[must_use]
    pub fn is(plant: Plant) -> bool {
        CHOSEN.get() == Some(plant)
    }

    /// From now on everything that runs on this thread makes this mistake, or none.
    pub fn plant(plant: Option<Plant>) {
        CHOSEN.set(plant);
    }
}

pub use self::chosen::{is, plant};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_build_has_no_mistake_whatever_is_asked_for() {
        for chosen in Plant::ALL {
            plant(Some(*chosen));
            assert!(!is(*chosen), "{} is in an ordinary build", chosen.name());
        }
    }

    #[test]
    fn a_plant_is_found_by_its_name_and_no_two_say_the_same() {
        let mut said = std::collections::BTreeSet::new();
        for plant in Plant::ALL {
            assert_eq!(Plant::named(plant.name()), Some(*plant));
            assert!(said.insert(plant.what()), "{}", plant.what());
        }
        assert_eq!(Plant::named("NoSuchMistake"), None);
    }
}
