//! After the last fault: the world must come to rest, and then take one roll-over, one crash and one departure as it
//! is promised for quiet times.

use super::chaos::Fault;
use super::fleet::millis;
use super::ground::{BIRTH, MINUTE, SECOND, Time};
use super::oracle::Fact;
use super::world::{ShardNo, World};

/// How often a world that heals is looked at.
const LOOK: Time = 2 * SECOND;
/// Changes of the last fault phase may be listed late by so much.
const LISTED_BY: Time = 5 * MINUTE;
/// Everything that is left to be read is read within this time.
const RESTS_WITHIN: Time = 15 * MINUTE;
/// The longest pause between two attempts at anything, and the calls around it.
const SLACK: Time = 45 * SECOND;

/// How far the quiet part of a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calm {
    stage: Stage,
    since: Time,
    /// L1 has been judged.
    owned: bool,
    /// The processor of this shard fails, whatever else is well.
    pub(crate) cursed: Option<ShardNo>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
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
        for seat in 0..self.fleet.seats.len() {
            if let Some(machine) = self.fleet.seats[seat].machine.clone() {
                machine.go_on();
            }
            self.launch(seat);
        }
        self.after(SECOND, World::mend_stream);
        self.calm.since = self.now;
        if self.scenario.has(Fault::ProcessorFails) {
            self.calm.cursed = self.streams.open_shards().first().copied();
        }
        self.after(LOOK, World::look);
    }

    /// Is it at rest, or too late?
    fn look(&mut self) {
        let owned = self.unowned();
        self.judge_ownership(owned);
        match self.unsettled() {
            None if self.calm.stage != Stage::Healing
                || self.now > self.calm.since + self.quiet_time() =>
            {
                self.next_stage()
            }
            Some(why) if self.now > self.calm.since + RESTS_WITHIN => {
                self.oracle.accuse_of(self.now, "L10", why);
                self.over = true;
            }
            _ => {}
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
        wait.min(LISTED_BY) + MINUTE
    }

    /// L1 after the last fault, L4 after a crash: whatever can be read is owned by somebody who lives.
    fn judge_ownership(&mut self, unowned: Option<(Option<ShardNo>, String)>) {
        let lease = millis(self.scenario.settings.lease_duration);
        // What a person did to an idle lease is seen by the next sweep of the whole table.
        let shard = unowned.as_ref().and_then(|(shard, _)| *shard);
        let log = shard.and_then(|shard| self.oracle.ledger.shards.get(shard));
        let seen_late = if log.is_some_and(|log| log.edited) {
            millis(self.scenario.settings.sweep_interval)
        } else {
            0
        };
        let (judge, bound) = match self.calm.stage {
            Stage::Healing => ("L1", 3 * lease + SLACK + seen_late),
            // A watch interval is a fifth of the lease duration; three of them, and a sweep.
            Stage::Crashed => ("L4", lease + 3 * lease / 5 + 5 * SECOND),
            Stage::RolledOver | Stage::Left => return,
        };
        match unowned {
            _ if self.calm.owned => {}
            None => self.calm.owned = true,
            Some(why) if self.now > self.calm.since + bound => {
                self.oracle.accuse_of(self.now, judge, why);
                self.calm.owned = true;
            }
            Some(_) => {}
        }
    }

    fn next_stage(&mut self) {
        (self.calm.since, self.calm.owned) = (self.now, false);
        match self.calm.stage {
            Stage::Healing => {
                self.calm.stage = Stage::RolledOver;
                self.weather.slow_reads = 0;
                self.calm.cursed = None;
                self.roll_something();
            }
            Stage::RolledOver => {
                self.calm.stage = Stage::Crashed;
                self.lose_one(World::crash);
            }
            Stage::Crashed => {
                self.calm.stage = Stage::Left;
                self.lose_one(World::dismiss);
            }
            Stage::Left => self.over = true,
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
