//! The scenarios: each small enough to be walked to its end, together what the protocol must survive.

use crate::cast::Branch;
use crate::state::Budget;

/// What the world looks like at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first worker reads the parent.
    Owned,
    /// The parent has a lease that nobody owns.
    Free,
    /// No shard has a lease yet.
    Unleased,
    /// The first worker reads the parent, and the first child has a lease already.
    ChildLeased,
    /// The parent was read to its end; its children are being read.
    Ended,
}

/// One world and what may go wrong in it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens in it.
    pub what: &'static str,
    /// How many workers there are.
    pub workers: usize,
    /// The lease duration of each worker, in ticks.
    pub durations: [u64; 3],
    /// Records in the parent.
    pub records: u8,
    /// The parent has ended, and two children continue it.
    pub splits: bool,
    /// There is a group row and a discoverer.
    pub discovers: bool,
    /// What the world looks like at first.
    pub start: Start,
    /// What may go wrong.
    pub budget: Budget,
    /// What may go wrong besides, where there is more time.
    pub deeper: Budget,
}

/// The lease duration, in ticks. With less, some holes stay hidden.
const D: u64 = 3;

const NOTHING: Budget = Budget {
    slow_beats: 0,
    slow_reads: 0,
    lost: 0,
    late: 0,
    crashes: 0,
    lives: 0,
    asks: 0,
    leaves: 0,
    vanishing: 0,
    shows: 0,
    trims: 0,
    flaps: 0,
    hangs: 0,
};

const BASE: Scenario = Scenario {
    name: "",
    what: "",
    workers: 2,
    durations: [D; 3],
    records: 1,
    splits: false,
    discovers: false,
    start: Start::Owned,
    budget: NOTHING,
    deeper: NOTHING,
};

impl Scenario {
    pub(crate) fn duration(&self, worker: usize) -> u64 {
        self.durations[worker]
    }

    /// True when the shard has an end.
    pub(crate) fn ends(&self, branch: Branch) -> bool {
        self.splits && branch == Branch::Parent
    }

    /// How many records the shard has. Children that are not there yet have none: what is written of one
    /// lease, the scenarios of one lease walk through.
    pub(crate) fn records_of(&self, branch: Branch) -> u8 {
        if branch == Branch::Parent || self.start == Start::Ended {
            self.records
        } else {
            0
        }
    }

    pub(crate) fn longest(&self) -> u64 {
        self.durations.into_iter().max().unwrap_or(D)
    }

    /// A scenario by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find(|scenario| scenario.name == name)
    }

    /// The same where more may go wrong.
    pub fn deep(mut self) -> Self {
        self.budget = self.budget.and(&self.deeper);
        self
    }

    /// All of them, at the size that takes a minute together.
    pub fn all() -> Vec<Self> {
        [
            Self::of_answers(),
            Self::of_a_lease_without_owner(),
            Self::of_moves(),
            Self::of_a_split(),
        ]
        .concat()
    }

    fn of_answers() -> Vec<Self> {
        vec![
            Self {
                name: "take-over",
                what: "workers fall silent; a beat is slow; another life",
                budget: Budget {
                    slow_beats: 1,
                    ..NOTHING
                },
                deeper: Budget {
                    lives: 1,
                    slow_reads: 1,
                    ..NOTHING
                },
                ..BASE
            },
            Self {
                name: "old-answers",
                what: "a sweep is acted on late, and a write lands late",
                records: 2,
                budget: Budget {
                    slow_reads: 1,
                    ..NOTHING
                },
                deeper: Budget { late: 1, ..NOTHING },
                ..BASE
            },
            Self {
                name: "lost-answers",
                what: "an answer is lost, a write lands late, another life",
                records: 2,
                budget: Budget {
                    lost: 1,
                    late: 1,
                    ..NOTHING
                },
                deeper: Budget {
                    lives: 1,
                    ..NOTHING
                },
                ..BASE
            },
        ]
    }

    fn of_a_lease_without_owner() -> Vec<Self> {
        vec![
            Self {
                name: "free",
                what: "everybody takes the same lease; answers are lost",
                start: Start::Free,
                budget: Budget {
                    lost: 1,
                    late: 1,
                    ..NOTHING
                },
                deeper: Budget {
                    slow_reads: 1,
                    ..NOTHING
                },
                ..BASE
            },
            Self {
                name: "vanished-row",
                what: "somebody removes the row of a living worker",
                budget: Budget {
                    vanishing: 1,
                    ..NOTHING
                },
                deeper: Budget {
                    lives: 1,
                    late: 1,
                    ..NOTHING
                },
                ..BASE
            },
            Self {
                name: "mixed-durations",
                what: "the lease durations of two workers differ",
                durations: [4, 3, 3],
                budget: Budget { late: 1, ..NOTHING },
                deeper: Budget {
                    slow_beats: 1,
                    ..NOTHING
                },
                ..BASE
            },
        ]
    }

    fn of_moves() -> Vec<Self> {
        vec![
            Self {
                name: "hand-off",
                what: "a request, and an answer or a write that gets lost",
                records: 2,
                budget: Budget {
                    asks: 1,
                    lost: 1,
                    ..NOTHING
                },
                deeper: Budget { late: 1, ..NOTHING },
                ..BASE
            },
            Self {
                name: "there-and-back",
                what: "a lease is asked for twice, and a write lands late",
                records: 2,
                budget: Budget { asks: 2, ..NOTHING },
                deeper: Budget { late: 1, ..NOTHING },
                ..BASE
            },
            Self {
                name: "leaving",
                what: "a worker leaves, in time or not, and a write gets lost",
                budget: Budget {
                    leaves: 1,
                    lost: 1,
                    ..NOTHING
                },
                deeper: Budget { late: 1, ..NOTHING },
                ..BASE
            },
            Self {
                name: "hung-keeper",
                what: "a lease keeper hangs and is asked, or handed a lease",
                budget: Budget {
                    hangs: 1,
                    ..NOTHING
                },
                deeper: Budget { asks: 1, ..NOTHING },
                ..BASE
            },
            Self {
                name: "three-workers",
                what: "three workers, one lease, a write that lands late",
                workers: 3,
                records: 0,
                deeper: Budget { late: 1, ..NOTHING },
                ..BASE
            },
        ]
    }

    fn of_a_split() -> Vec<Self> {
        let split = Self {
            splits: true,
            ..BASE
        };
        vec![
            Self {
                name: "split",
                what: "a shard ends and is continued by two; a write gets lost",
                budget: Budget { late: 1, ..NOTHING },
                deeper: Budget { lost: 1, ..NOTHING },
                ..split.clone()
            },
            Self {
                name: "split-early-child",
                what: "one child has a lease before its parent has ended",
                start: Start::ChildLeased,
                deeper: Budget { late: 1, ..NOTHING },
                ..split.clone()
            },
            Self {
                name: "split-late-child",
                what: "one child is listed late, and discovery finds it",
                discovers: true,
                budget: Budget {
                    shows: 1,
                    ..NOTHING
                },
                deeper: Budget { late: 1, ..NOTHING },
                ..split.clone()
            },
            Self {
                name: "first-listing",
                what: "nothing has a lease; parent and children are listed",
                discovers: true,
                start: Start::Unleased,
                deeper: Budget { late: 1, ..NOTHING },
                ..split.clone()
            },
            Self {
                name: "forgetting",
                what: "the parent leaves the listing; discoverers are slow",
                discovers: true,
                start: Start::Ended,
                budget: Budget {
                    trims: 1,
                    ..NOTHING
                },
                deeper: Budget { late: 1, ..NOTHING },
                ..split.clone()
            },
            Self {
                name: "flapping",
                what: "the parent leaves the listing and is listed once more",
                discovers: true,
                start: Start::Ended,
                budget: Budget {
                    trims: 1,
                    flaps: 1,
                    ..NOTHING
                },
                deeper: Budget { late: 1, ..NOTHING },
                ..split
            },
        ]
    }
}
