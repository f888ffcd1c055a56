//! One state of the world: the table, the workers, what is still on the wire, and what may yet go wrong.

use std::sync::Arc;

use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{Departure, Held};
use shardkeeper_core::membership::Watch;
use shardkeeper_core::row::Write;

use crate::cast::Branch;
use crate::table::Table;

/// What a worker is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Life {
    /// At work.
    Living,
    /// Handing its leases over.
    Leaving,
    /// Everything is handed over; its next beat says so.
    Parting,
    /// Over: it left, crashed, or gave itself up. It comes back as another incarnation.
    Over,
}

/// A worker and everything that it believes.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) incarnation: usize,
    pub(crate) life: Life,
    /// Until when it believes in itself.
    pub(crate) until: u64,
    /// The latest beat that it knows to be in its row, and those whose answers were lost.
    pub(crate) acknowledged: String,
    pub(crate) unresolved: Vec<String>,
    /// A beat that takes its time.
    pub(crate) beating: Option<Beating>,
    pub(crate) watch: Arc<Watch>,
    /// A sweep that takes its time.
    pub(crate) reading: Option<Reading>,
    pub(crate) tasks: [Option<Task>; 3],
    /// When a lease was last taken up or let go.
    pub(crate) touched: [Option<u64>; 3],
    pub(crate) asked: Option<Asked>,
    /// A listing that takes its time, and the term in which it was begun.
    pub(crate) listing: Option<Listing>,
    /// To whom it gives everything when it leaves.
    pub(crate) heir: Departure,
    /// Its lease keeper hangs since then; its beats do not know.
    pub(crate) hung: Option<u64>,
    /// Write ids of takes, where a planted mistake takes them for ownership.
    pub(crate) takes: Vec<String>,
    /// The mail that it has seen, where a planted mistake relies on it.
    pub(crate) inbox: Option<u64>,
}

/// A beat under way.
#[derive(Debug, Clone)]
pub(crate) struct Beating {
    pub(crate) sent: u64,
    pub(crate) beat_id: String,
    pub(crate) write: Write,
    /// What the table made of it, once it is there.
    pub(crate) landed: Option<bool>,
}

/// A sweep under way: what the table was when it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) sent: u64,
    pub(crate) table: Table,
}

/// A request that is not answered.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) branch: Branch,
    pub(crate) request_id: String,
    pub(crate) at: u64,
    /// The owner's beat at that time, where a planted mistake wants to know.
    pub(crate) beat: Option<String>,
}

/// What the stream showed when it was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) shown: [bool; 3],
    pub(crate) term: u64,
}

/// A worker that reads a shard.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// The real proof of ownership. States share it; the protocol's code never clones it.
    pub(crate) held: Arc<Held>,
    /// Records that are acknowledged.
    pub(crate) reached: u8,
    pub(crate) order: Option<Departure>,
    pub(crate) writing: Option<Writing>,
}

/// What an owner writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Intent {
    /// The position behind so many records.
    Checkpoint(u8),
    Depart(Departure),
    End,
}

/// An owner's write that is not known to be done.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    pub(crate) intent: Intent,
    pub(crate) attempts: Vec<String>,
    /// Only the model knows: one of the attempts was applied.
    pub(crate) landed: bool,
}

/// Who owned what when it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenure {
    pub(crate) owner: WorkerId,
    pub(crate) branch: Branch,
    pub(crate) epoch: u64,
}

/// A write that nobody waits for any more, and that may land at any time.
#[derive(Debug)]
pub(crate) struct Stray {
    pub(crate) writes: Vec<Write>,
    pub(crate) write_id: String,
    pub(crate) by: Option<Tenure>,
}

/// What may still go wrong, or be asked for. Silence costs nothing: any worker may be slow for any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Beats whose landing or answer takes its time.
    pub slow_beats: u8,
    /// Sweeps whose answer takes its time.
    pub slow_reads: u8,
    /// Writes that are applied and whose answer is lost.
    pub lost: u8,
    /// Writes that time out and may land later.
    pub late: u8,
    /// Workers that die between two steps.
    pub crashes: u8,
    /// Incarnations beyond the first ones.
    pub lives: u8,
    /// Requests.
    pub asks: u8,
    /// Workers that are told to leave.
    pub leaves: u8,
    /// Rows of workers that somebody removes.
    pub vanishing: u8,
    /// Children that are not listed at first.
    pub shows: u8,
    /// The ended parent leaves the listing.
    pub trims: u8,
    /// And is listed once more, against all promises.
    pub flaps: u8,
    /// Lease keepers that hang while their worker beats.
    pub hangs: u8,
}

impl Budget {
    pub(crate) fn and(&self, more: &Self) -> Self {
        Self {
            slow_beats: self.slow_beats + more.slow_beats,
            slow_reads: self.slow_reads + more.slow_reads,
            lost: self.lost + more.lost,
            late: self.late + more.late,
            crashes: self.crashes + more.crashes,
            lives: self.lives + more.lives,
            asks: self.asks + more.asks,
            leaves: self.leaves + more.leaves,
            vanishing: self.vanishing + more.vanishing,
            shows: self.shows + more.shows,
            trims: self.trims + more.trims,
            flaps: self.flaps + more.flaps,
            hangs: self.hangs + more.hangs,
        }
    }

    pub(crate) fn numbers(&self) -> [u8; 13] {
        [
            self.slow_beats,
            self.slow_reads,
            self.lost,
            self.late,
            self.crashes,
            self.lives,
            self.asks,
            self.leaves,
            self.vanishing,
            self.shows,
            self.trims,
            self.flaps,
            self.hangs,
        ]
    }
}

/// What only the model knows of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Past {
    /// The highest epoch that anybody owned the lease under.
    pub(crate) highest: [u64; 3],
    /// Records that somebody has processed.
    pub(crate) processed: [u8; 3],
    pub(crate) ended: [bool; 3],
    pub(crate) forgotten: [bool; 3],
}

/// What must never happen, and happened in the step before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Broken {
    /// S5: an epoch fell, or was given to two owners.
    Epoch,
    /// S6: a checkpoint moved left.
    Left,
    /// S7: a checkpoint is ahead of what was processed.
    Ahead,
    /// S8: an end was stored that is not certain.
    End,
    /// S9: a lease went too early, or came back.
    Tree,
    /// S11: somebody who lost the lease, or was judged, changed something durable.
    AfterLoss,
    /// S12: a write was taken for what it is not.
    Guess,
    /// A request outlived the owner that it was made to.
    Request,
    /// S10: reading begins before what is stored.
    Again,
    /// An owner's write was refused, and no earlier attempt of its own was the reason.
    Disturbed,
}

/// The world.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) now: u64,
    pub(crate) table: Table,
    pub(crate) workers: Vec<Worker>,
    pub(crate) strays: Vec<Arc<Stray>>,
    /// Which shards a listing shows.
    pub(crate) shown: [bool; 3],
    pub(crate) budget: Budget,
    pub(crate) past: Past,
    pub(crate) broken: Option<Broken>,
    /// Names for attempts; never compared but for equality.
    pub(crate) names: u64,
    /// The longest lease duration of the scenario, in ticks.
    pub(crate) longest: u64,
    /// The workers are of one kind.
    pub(crate) alike: bool,
}

impl State {
    pub(crate) fn fresh(&mut self) -> String {
        self.names += 1;
        self.names.to_string()
    }

    pub(crate) fn breaks(&mut self, what: Broken) {
        self.broken.get_or_insert(what);
    }

    /// May this worker call user code for this shard, now?
    pub(crate) fn dispatches(&self, worker: usize, branch: Branch) -> bool {
        let worker = &self.workers[worker];
        let task = &worker.tasks[branch.index()];
        let reads = |task: &Task| {
            let writing = task.writing.as_ref().map(|writing| &writing.intent);
            !matches!(writing, Some(Intent::Depart(_) | Intent::End))
        };
        worker.life != Life::Over && self.now < worker.until && task.as_ref().is_some_and(reads)
    }
}
