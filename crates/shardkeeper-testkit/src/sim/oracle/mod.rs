//! Who knows everything: writes down what happens, and has it judged at once.

mod attendance;
mod fact;
mod holdings;
mod ledger;
mod story;
pub(crate) mod telling;

use self::attendance::Attendance;
pub(crate) use self::fact::{Author, Dispatch, Fact};
pub(crate) use self::holdings::{DONE, LATER, Paper};
pub(crate) use self::ledger::{Ledger, ShardLog};
pub(crate) use self::story::Story;
use super::calm::Glance;
use super::ground::Time;
use super::invariants::{self, Judge, before_the_start};
use super::scenario::Scenario;
use super::world::shards::Shard;
use super::world::{ShardNo, Streams};
use shardkeeper_core::lease::Lease;
use std::ops::Range;

/// Violations that are kept; one is enough to fail.
const MOST_VIOLATIONS: usize = 5;

/// What the judges may look at beside the ledger.
pub(crate) struct Scene<'a> {
    pub(crate) now: Time,
    pub(crate) streams: &'a Streams,
    pub(crate) scenario: &'a Scenario,
    pub(crate) healing: bool,
    /// When the application was first started, on the service's clock, once that is stored.
    pub(crate) started_at: Option<u64>,
}

impl Scene<'_> {
    /// True for a stream that is not listed yet because an older one of the table is not drained.
    pub(crate) fn is_waiting_stream(&self, stream: usize, ledger: &Ledger) -> bool {
        let older = |(number, shard): (usize, &Shard)| {
            let lease = ledger.shards.get(number).and_then(|log| log.lease.as_ref());
            shard.stream < stream && lease.is_some_and(Lease::is_active)
        };
        self.streams.shards.iter().enumerate().any(older)
    }
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The number of the invariant.
    pub judge: &'static str,
    /// When, in milliseconds since the run began.
    pub at: u64,
    /// What is wrong.
    pub message: String,
    /// What had happened to that shard before.
    pub story: Vec<String>,
}

/// Counts of what the oracle saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Records given to processors, repetitions included.
    pub records: u64,
    /// Shards whose end was stored.
    pub rollovers: u64,
    /// Times that records went which nobody had acknowledged.
    pub trims: u64,
    /// Leases that were taken from a dead or departed owner.
    pub takeovers: u64,
    /// Leases that their owner handed over.
    pub handovers: u64,
    /// Times that the application was stopped because its lease table was restored, and resumed.
    pub resumes: u64,
}

impl Seen {
    /// Adds what another world saw.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.rollovers += other.rollovers;
        self.trims += other.trims;
        self.takeovers += other.takeovers;
        self.handovers += other.handovers;
        self.resumes += other.resumes;
    }
}

/// The ledger, the judges and the story.
pub(crate) struct Oracle {
    pub(crate) ledger: Ledger,
    pub(crate) story: Story,
    pub(crate) seen: Seen,
    attendance: Attendance,
    pub(crate) violations: Vec<Violation>,
    /// The first violation ends the world.
    pub(crate) first_only: bool,
    judges: Vec<Box<dyn Judge>>,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        Self {
            ledger: Ledger::default(),
            story: Story::default(),
            seen: Seen::default(),
            attendance: Attendance::default(),
            violations: Vec::new(),
            first_only: false,
            judges: invariants::all(),
        }
    }

    /// Has a fact judged by what was known before it, then writes it down.
    pub(crate) fn happened(&mut self, scene: &Scene<'_>, fact: Fact) {
        if fact.is_an_aside() {
            return self.story.tell(scene.now, &fact);
        }
        if let Some(shard) = fact.shard() {
            self.ledger.log_mut(shard);
        }
        if !fact.is_dull() {
            self.story.tell(scene.now, &fact);
        }
        for judge in &mut self.judges {
            if let Some(message) = judge.see(scene, &self.ledger, &fact) {
                let violation =
                    self.story
                        .violation(scene.now, judge.name(), message, fact.shard());
                keep(&mut self.violations, violation);
            }
        }
        self.count(scene, &fact);
        self.attendance.take_in(scene.now, &fact);
        self.ledger.take_in(scene, &fact);
        if !fact.is_dull() {
            self.story.keep(scene.now, fact);
        }
    }

    /// Has the world as it stands judged, though nothing happened.
    pub(crate) fn look(&mut self, scene: &Scene<'_>, glance: &Glance) {
        for judge in &mut self.judges {
            if let Some((shard, message)) = judge.look(scene, &self.ledger, glance) {
                let violation = self
                    .story
                    .violation(scene.now, judge.name(), message, shard);
                keep(&mut self.violations, violation);
            }
        }
    }

    /// The application had read a shard up to this number before the world began.
    pub(crate) fn remember(&mut self, shard: ShardNo, read_before: u128, ended: bool) {
        let log = self.ledger.log_mut(shard);
        log.read_before = read_before;
        log.finished = ended.then_some(0);
    }

    /// The first record that is still there and that nobody has acknowledged, though it is there to be read.
    pub(crate) fn first_unread(&self, scene: &Scene<'_>, shard: ShardNo) -> Option<usize> {
        let truth = &scene.streams.shards[shard];
        self.unread_in(scene, shard, truth.trimmed..truth.records.len())
    }

    fn unread_in(
        &self,
        scene: &Scene<'_>,
        shard: ShardNo,
        mut places: Range<usize>,
    ) -> Option<usize> {
        let truth = &scene.streams.shards[shard];
        let Some(log) = self.ledger.shards.get(shard) else {
            return places.next();
        };
        places.find(|place| {
            !log.mark(*place).is_settled() && !before_the_start(scene, truth, log, *place)
        })
    }

    /// Nothing more is to be found out.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.first_only && !self.violations.is_empty()
    }

    /// The time until now in which a worker was at work.
    pub(crate) fn attended(&self, now: Time) -> Time {
        self.attendance.until(now)
    }

    /// Something is wrong that no judge of facts can see.
    pub(crate) fn accuse(&mut self, now: Time, judge: &'static str, message: String) {
        self.accuse_of(None, now, judge, message);
    }

    /// The same, of a shard, with its story.
    pub(crate) fn accuse_of(
        &mut self,
        shard: Option<ShardNo>,
        now: Time,
        judge: &'static str,
        message: String,
    ) {
        let violation = self.story.violation(now, judge, message, shard);
        keep(&mut self.violations, violation);
    }

    fn count(&mut self, scene: &Scene<'_>, fact: &Fact) {
        match fact {
            Fact::Resumed => self.seen.resumes += 1,
            Fact::Dispatched(dispatch) => self.seen.records += dispatch.places.len() as u64,
            Fact::Trimmed { shard, from, to } => {
                let unread = self.unread_in(scene, *shard, *from..*to);
                self.seen.trims += u64::from(unread.is_some());
            }
            Fact::LeaseChanged {
                before: Some(before),
                after: Some(after),
                by: Author::Worker(_),
                ..
            } => {
                let ended = after.is_finished() && !before.is_finished();
                self.seen.rollovers += u64::from(ended);
                let moved =
                    before.owner.is_some() && after.owner.is_some() && before.owner != after.owner;
                let handed = moved && before.next_owner == after.owner;
                self.seen.handovers += u64::from(handed);
                self.seen.takeovers += u64::from(moved && !handed);
            }
            _ => {}
        }
    }
}

fn keep(violations: &mut Vec<Violation>, violation: Violation) {
    if violations.len() < MOST_VIOLATIONS {
        violations.push(violation);
    }
}
