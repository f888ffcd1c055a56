//! After the last fault: the world must come to rest, and then take one roll-over, one crash and one departure as it
//! is promised for quiet times.

use shardkeeper_core::membership::{GroupRow, group_key};

use super::chaos::Fault;
use super::fleet::millis;
use super::ground::{BIRTH, MINUTE, SECOND, Time};
use super::invariants::Verdict;
use super::oracle::Fact;
use super::world::{ShardNo, World};

/// How often a world that heals is looked at.
const LOOK: Time = 2 * SECOND;
/// Changes of the last fault phase may be listed late by so much.
const LISTED_BY: Time = 5 * MINUTE;
/// So long it is at least left alone, for the judge of who lists the stream.
const LISTED_AGAIN: Time = 2 * MINUTE;
/// How often one in which things go wrong is.
const GLANCE: Time = 10 * SECOND;

/// How far the quiet part of a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calm {
    stage: Stage,
    since: Time,
    /// The processor of this shard fails, whatever else is well.
    pub(crate) cursed: Option<ShardNo>,
}

/// The world as it stands, for the judges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Glance {
    /// How far the quiet part is, and since when; `None` while things go wrong.
    pub(crate) calm: Option<(Stage, Time)>,
    /// A lease that nobody owns who lives.
    pub(crate) unowned: Option<Verdict>,
    /// A worker that the group does not know.
    pub(crate) unknown: Option<Verdict>,
    /// Why the world is not at rest.
    pub(crate) unsettled: Option<Verdict>,
}

/// A part of the quiet part of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Comes to rest after the last fault.
    #[default]
    Healing,
    /// One shard has rolled over, and no processor fails any more.
    RolledOver,
    /// One worker has crashed.
    Crashed,
    /// One worker was asked to leave.
    Left,
}

impl World {
    /// Ends every fault; from now on the world must converge.
    pub(super) fn heal(&mut self) {
        self.healing = true;
        self.weather.clear_up();
        self.happened(Fact::Healed);
        if self.fleet.seats.iter().all(|seat| seat.closed) {
            self.seat(None);
        }
        self.resume_if_stopped();
        for seat in 0..self.fleet.seats.len() {
            self.cut_its_pause_short(seat);
            self.launch(seat);
        }
        self.after(SECOND, World::mend_stream);
        self.calm.since = self.now;
        if self.scenario.has(Fault::ProcessorFails) {
            self.calm.cursed = self.streams.open_shards().first().copied();
        }
        self.after(LOOK, World::look);
    }

    /// Has the judges look at it while things go wrong.
    pub(super) fn glance(&mut self) {
        if self.healing {
            return;
        }
        let (oracle, scene) = self.scene();
        oracle.look(&scene, &Glance::default());
        self.after(GLANCE, World::glance);
    }

    /// Is it at rest, or too late?
    fn look(&mut self) {
        let (unowned, unknown) = (self.unowned(), self.unknown());
        let glance = Glance {
            calm: Some((self.calm.stage, self.calm.since)),
            unsettled: self.unsettled(unowned.as_ref().or(unknown.as_ref())),
            unowned,
            unknown,
        };
        let (oracle, scene) = self.scene();
        oracle.look(&scene, &glance);
        // Nothing gets better from waiting.
        self.over = !oracle.violations.is_empty();
        let waits =
            self.calm.stage == Stage::Healing && self.now <= self.calm.since + self.quiet_time();
        if glance.unsettled.is_none() && !waits {
            self.next_stage();
        }
        if !self.over {
            self.after(LOOK, World::look);
        }
    }

    /// What is to be listed late is listed by then.
    fn quiet_time(&self) -> Time {
        let late = self.scenario.has(Fault::StaleListing);
        let last = self
            .streams
            .shards
            .iter()
            .map(|shard| shard.listed_from)
            .max()
            .unwrap_or(0);
        let wait = if late {
            last.saturating_sub(self.calm.since)
        } else {
            0
        };
        wait.min(LISTED_BY) + LISTED_AGAIN
    }

    fn next_stage(&mut self) {
        self.calm.since = self.now;
        match self.calm.stage {
            Stage::Healing => {
                self.calm.stage = Stage::RolledOver;
                self.weather.slow_reads = 0;
                self.calm.cursed = None;
                if self.scenario.has(Fault::SplitStorm) {
                    self.split_something();
                } else {
                    self.roll_something();
                }
            }
            Stage::RolledOver => {
                self.calm.stage = Stage::Crashed;
                self.lose_one(World::crash);
                self.look_away();
            }
            Stage::Crashed => {
                self.calm.stage = Stage::Left;
                self.lose_one(World::dismiss);
            }
            Stage::Left => self.over = true,
        }
    }

    /// Whoever does not list the stream stands still while the one that crashed is found dead, for too short a time to be
    /// found dead itself. Nobody waits for the same death a second time (L4).
    fn look_away(&mut self) {
        let lease = millis(self.scenario.settings.lease_duration);
        if self.dice.u8(..) < 192 {
            self.after(lease * 9 / 10, move |world| {
                world.hold_up_the_others(lease * 6 / 10)
            });
        }
    }

    fn hold_up_the_others(&mut self, long: Time) {
        let well = self.well();
        let group = self.table.rows.get(&group_key()).and_then(GroupRow::parse);
        let lists = |seat: &&usize| {
            let discoverer = group.as_ref().and_then(|group| group.discoverer.as_ref());
            let me = self.fleet.seats[**seat].incarnation.as_deref();
            me == discoverer.map(|id| id.as_str())
        };
        let Some(lists) = well.iter().find(lists).or(well.first()).copied() else {
            return;
        };
        if self.calm.stage == Stage::Crashed {
            let others = well.into_iter().filter(|seat| *seat != lists);
            others.for_each(|seat| self.hold_up(seat, "looking away", long));
        }
    }

    /// One worker goes and does not come back, if others stay.
    fn lose_one(&mut self, lose: impl FnOnce(&mut World, usize)) {
        let well = self.well();
        if well.len() < 2 {
            return;
        }
        let seat = well[self.dice.usize(0..well.len())];
        self.fleet.seats[seat].closed = true;
        lose(self, seat);
    }

    pub(super) fn since_birth(&self) -> Time {
        self.now - BIRTH
    }
}
