//! What can happen in one step, and how it is told.

use std::fmt;

use crate::cast::{Branch, worker_name};
use crate::wire::Wire;

/// One step. Workers are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A tick goes by for everybody.
    Tick,
    /// A worker beats.
    Beat(usize, Wire),
    /// A worker sends a beat that takes its time.
    BeatSent(usize),
    /// That beat reaches the table.
    BeatLands(usize),
    /// Its answer reaches the worker.
    BeatHeard(usize),
    /// It counts as not answered; it may still land.
    BeatTimesOut(usize),
    /// A worker reads every row and acts on it; the fate is that of its takes.
    Sweep(usize, Wire),
    /// A worker reads every row, and the answer takes its time.
    SweepSent(usize),
    /// The answer is there.
    SweepHeard(usize, Wire),
    /// A worker publishes whom it found dead.
    Bury(usize),
    /// An owner makes its next write.
    Write(usize, Branch, Wire),
    /// A worker asks for a lease.
    Ask(usize, Branch, Wire),
    /// A worker takes its request back.
    Lapse(usize),
    /// A worker takes what it was not given: only as a planted mistake.
    Force(usize, Wire),
    /// A worker is told to leave; the number says which of its heirs it chooses.
    Leave(usize, usize),
    /// A worker that leaves looks whether a row still names it.
    LookBack(usize),
    /// The time for leaving is over.
    Deadline(usize),
    /// A worker dies.
    Crash(usize),
    /// A worker that is over comes back as another incarnation.
    Rejoin(usize),
    /// A worker's lease keeper hangs.
    Hang(usize),
    /// A write that timed out lands.
    Lands(usize),
    /// Somebody removes the row of a worker.
    Vanishes(usize),
    /// The stream lists a child.
    Shows(Branch),
    /// The stream lists the parent no more.
    Trims,
    /// The stream lists it once more.
    Flaps,
    /// A worker becomes the discoverer.
    Lead(usize),
    /// The discoverer lists the stream.
    List(usize),
    /// The discoverer reads the leases and writes what follows.
    Discover(usize, Wire),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |worker: &usize| worker_name(*worker);
        match self {
            Self::Tick => write!(f, "a tick goes by"),
            Self::Beat(w, wire) => write!(f, "{} beats{wire}", name(w)),
            Self::BeatSent(w) => write!(f, "{} sends a beat, which takes its time", name(w)),
            Self::BeatLands(w) => write!(f, "the beat of {} reaches the table", name(w)),
            Self::BeatHeard(w) => write!(f, "{} hears the answer to its beat", name(w)),
            Self::BeatTimesOut(w) => write!(f, "the beat of {} times out", name(w)),
            Self::Sweep(w, wire) => write!(f, "{} reads every row and acts on it{wire}", name(w)),
            Self::SweepSent(w) => {
                write!(f, "{} reads every row; the answer takes its time", name(w))
            }
            Self::SweepHeard(w, wire) => write!(f, "{} acts on what it read{wire}", name(w)),
            Self::Bury(w) => write!(f, "{} buries whom it found dead", name(w)),
            Self::Write(w, branch, wire) => {
                write!(f, "{} goes on with its work on {branch:?}{wire}", name(w))
            }
            Self::Ask(w, branch, wire) => write!(f, "{} asks for {branch:?}{wire}", name(w)),
            Self::Lapse(w) => write!(f, "{} takes its request back", name(w)),
            Self::Force(w, wire) => write!(f, "{} takes by force{wire}", name(w)),
            Self::Leave(w, _) => write!(f, "{} is told to leave", name(w)),
            Self::LookBack(w) => write!(f, "{} looks whether a row still names it", name(w)),
            Self::Deadline(w) => write!(f, "{} has no more time to leave", name(w)),
            Self::Crash(w) => write!(f, "{} crashes", name(w)),
            Self::Rejoin(w) => write!(f, "{} comes back as a new incarnation", name(w)),
            Self::Hang(w) => write!(f, "the lease keeper of {} hangs", name(w)),
            Self::Lands(index) => write!(f, "late write {index} lands"),
            Self::Vanishes(w) => write!(f, "somebody removes the row of {}", name(w)),
            Self::Shows(branch) => write!(f, "the stream now lists {branch:?}"),
            Self::Trims => write!(f, "the stream no longer lists Parent"),
            Self::Flaps => write!(f, "the stream lists Parent once more"),
            Self::Lead(w) => write!(f, "{} becomes the discoverer", name(w)),
            Self::List(w) => write!(f, "{} lists the stream", name(w)),
            Self::Discover(w, wire) => {
                write!(
                    f,
                    "{} leases and forgets what the listing says{wire}",
                    name(w)
                )
            }
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered => Ok(()),
            Self::AnswerLost => write!(f, " (and the answer is lost)"),
            Self::Late => write!(f, " (and the write times out on its way)"),
        }
    }
}
