//! When faults strike, and whom.

use shardkeeper::{Halt, Machine};

use super::chaos::Fault;
use super::fleet::millis;
use super::ground::{BIRTH, HOUR, MINUTE, SECOND, Time};
use super::oracle::Fact;
use super::scenario::Beginning;
use super::world::{Episode, Op, World};

/// A crash or a pause strikes within so many polls of the worker's tasks.
const FUSE: u64 = 400;
/// A fuse that did not blow by then is blown.
const FUSE_TIME: Time = 5 * SECOND;
/// The same for a worker that is to crash with a word on its way.
const WORD_TIME: Time = 20 * SECOND;

/// In a world of many hours something is away for so long at most.
const LONGEST_OUTAGE: Time = 6 * HOUR;

/// Which workers an episode concerns.
enum Whom {
    One,
    All,
    Either,
}

impl World {
    /// Enters every fault that the seed has switched on.
    pub(crate) fn begin_trouble(&mut self) {
        for fault in self.scenario.faults.clone() {
            let gap = self.gap(fault);
            self.after(gap, move |world| world.strike(fault));
        }
        // Between the moment that `Latest` means and the first listing lies what a fleet that begins in bad times may lose.
        if self.scenario.beginning == Beginning::Latest && self.scenario.has(Fault::StreamThrottled)
        {
            self.episode(Fault::StreamThrottled, Whom::All, 3 * MINUTE, 10_000);
        }
    }

    /// The time until a fault strikes (again): a few times in a run.
    fn gap(&mut self, fault: Fault) -> Time {
        let often = if fault == Fault::Crash { 6 } else { 3 };
        let mean = self.scenario.trouble * self.scenario.seam.shortens() / often;
        // About exponential: most gaps are short, some are long.
        let dice = self.dice.f64().max(0.001);
        let gap = mean as f64 * -dice.ln();
        (gap as Time).max(SECOND)
    }

    fn strike(&mut self, fault: Fault) {
        if self.healing || self.now >= BIRTH + self.scenario.trouble {
            return;
        }
        let gap = self.gap(fault);
        self.after(gap, move |world| world.strike(fault));
        self.strike_once(fault);
    }

    fn strike_once(&mut self, fault: Fault) {
        use Whom::{All, Either, One};
        match fault {
            Fault::Crash => self.crash_soon(true),
            Fault::CrashForGood => self.crash_soon(false),
            Fault::Pause => self.pause(fault, Halt::Frozen, 2 * 60 * MINUTE),
            Fault::ClockDrift => self.pause(fault, Halt::Suspended, 2 * MINUTE),
            Fault::RuntimeBlocked => self.pause(fault, Halt::Starved, 90 * SECOND),
            Fault::HungSocket => self.episode(fault, One, MINUTE, 9_000),
            Fault::TablePartition => self.episode(fault, One, self.outage(3 * MINUTE), 10_000),
            Fault::StreamPartition => self.episode(fault, One, self.outage(10 * MINUTE), 10_000),
            Fault::Unreachable => self.episode(fault, Either, self.outage(5 * MINUTE), 10_000),
            Fault::ReadErrors => self.episode(fault, All, 2 * MINUTE, 6_000),
            Fault::WriteErrors => self.episode(fault, All, 2 * MINUTE, 6_000),
            Fault::StreamThrottled => self.episode(fault, All, 10 * MINUTE, 10_000),
            Fault::TableThrottled => self.episode(fault, Either, 3 * MINUTE, 10_000),
            Fault::ThirdReader => self.episode(fault, All, 5 * MINUTE, 6_000),
            Fault::LeaseTableGone if self.dice.bool() => self.copy_table(),
            Fault::LeaseTableGone => self.episode(fault, All, MINUTE, 10_000),
            Fault::AccessDenied => self.deny(),
            Fault::CredentialsExpired => {
                self.episode(fault, One, self.outage(5 * MINUTE), 10_000);
            }
            Fault::SplitStorm => self.storm(),
            Fault::Trim => self.trim(),
            Fault::ShardVanishes => self.vanish(),
            Fault::StreamSwitched | Fault::TableRecreated => self.switch_stream(fault),
            Fault::OperatorEdits => self.meddle(),
            Fault::ClonedWorker => self.clone_worker(),
            Fault::Herd => self.herd(),
            Fault::Shutdown => self.deploy(),
            Fault::LatestIdle => self.crash_everyone(),
            // These strike single calls, records, shards, batches or starts.
            _ => {}
        }
    }

    pub(crate) fn struck(&mut self, fault: Fault, seat: Option<usize>, long: Time) {
        self.weather.injected.count(fault);
        self.happened(Fact::Struck { fault, seat, long });
    }

    /// How long something is away at most.
    fn outage(&self, usual: Time) -> Time {
        if self.scenario.long {
            LONGEST_OUTAGE
        } else {
            usual
        }
    }

    /// Mostly short, seldom as long as it may be.
    pub(crate) fn long(&mut self, most: Time) -> Time {
        let exponent = self.dice.f64() * (most as f64 / SECOND as f64).ln();
        ((SECOND as f64 * exponent.exp()) as Time).clamp(SECOND, most)
    }

    /// The same, and half of the time about as long as a lease lives: there beats and verdicts cross.
    fn about_a_lease(&mut self, most: Time) -> Time {
        let lease = millis(self.scenario.settings.lease_duration);
        if self.dice.bool() {
            self.long(most)
        } else {
            self.dice.u64(lease / 3..lease * 3 / 2)
        }
    }

    /// One of the workers that nothing holds up.
    pub(crate) fn victim(&mut self) -> Option<usize> {
        let well = self.well();
        (!well.is_empty()).then(|| well[self.dice.usize(0..well.len())])
    }

    fn episode(&mut self, fault: Fault, whom: Whom, most: Time, strength: u32) {
        self.begin_episode((fault, None), whom, most, strength);
    }

    fn begin_episode(
        &mut self,
        (fault, op): (Fault, Option<Op>),
        whom: Whom,
        most: Time,
        strength: u32,
    ) {
        let one = match whom {
            Whom::One => true,
            Whom::All => false,
            Whom::Either => self.dice.bool(),
        };
        let seat = if one { self.victim() } else { None };
        if one && seat.is_none() {
            return;
        }
        let long = if fault == Fault::TablePartition {
            self.about_a_lease(most)
        } else {
            self.long(most)
        };
        let strength = if self.dice.bool() {
            strength
        } else {
            self.dice.u32(500..=strength)
        };
        self.struck(fault, seat, long);
        let (until, other_way) = (self.now + long, self.dice.bool());
        self.weather.episodes.push(Episode {
            fault,
            until,
            seat,
            op,
            strength,
            other_way,
        });
    }

    fn deny(&mut self) {
        let op = Op::ALL[self.dice.usize(0..Op::ALL.len())];
        self.begin_episode(
            (Fault::AccessDenied, Some(op)),
            Whom::Either,
            15 * MINUTE,
            10_000,
        );
    }

    /// Crashes a worker at one of its next polls.
    fn crash_soon(&mut self, comes_back: bool) {
        let fault = if comes_back {
            Fault::Crash
        } else {
            Fault::CrashForGood
        };
        let regular = self.scenario.workers.min(self.fleet.seats.len());
        let others = self.fleet.seats[..regular]
            .iter()
            .filter(|seat| !seat.closed)
            .count();
        let Some(seat) = self.victim().filter(|_| comes_back || others > 1) else {
            return;
        };
        self.struck(fault, Some(seat), 0);
        let polls = self.dice.u64(0..FUSE);
        let speaks = self.weather.is_on(Fault::LateWrite) && self.dice.bool();
        if speaks {
            self.give_it_something_to_say(seat);
        }
        let place = &mut self.fleet.seats[seat];
        (place.closed, place.last_words) = (!comes_back, speaks);
        let life = place.life;
        if let Some(machine) = place.machine.as_ref().filter(|_| !speaks) {
            machine.halt_after(polls, Halt::Crashed);
        }
        let by = if speaks { WORD_TIME } else { FUSE_TIME };
        self.after(by, move |world| world.is_crashed(seat, life));
    }

    /// What comes now in its shards is what its last checkpoint is about.
    fn give_it_something_to_say(&mut self, seat: usize) {
        for shard in self.oracle.ledger.holdings.shards_of(seat) {
            let wait = self.dice.u64(0..WORD_TIME / 2);
            self.after(wait, move |world| world.write_if_open(shard));
        }
    }

    /// Notices that the first worker is gone, and starts it again.
    pub(crate) fn watch_the_fuse(&mut self, machine: Machine) {
        self.after(SECOND, move |world| match machine.is_gone() {
            true => {
                world.struck(Fault::Crash, Some(0), 0);
                world.is_crashed(0, 1);
            }
            false if !world.healing => world.watch_the_fuse(machine),
            false => {}
        });
    }

    pub(crate) fn is_crashed(&mut self, seat: usize, life: u32) {
        let place = &self.fleet.seats[seat];
        if place.life != life || place.machine.is_none() {
            return;
        }
        self.crash(seat);
        let pause = self.long(2 * MINUTE);
        self.after(pause, move |world| world.launch(seat));
    }

    fn pause(&mut self, fault: Fault, halt: Halt, most: Time) {
        let Some(seat) = self.victim() else { return };
        let long = self.about_a_lease(most);
        let polls = self.dice.u64(0..FUSE);
        let at_a_beat = halt != Halt::Starved && self.dice.bool();
        let how = match halt {
            Halt::Frozen => "frozen",
            Halt::Suspended => "suspended",
            _ => "starved",
        };
        let Some(machine) = self.fleet.seats[seat].machine.clone() else {
            return;
        };
        self.struck(fault, Some(seat), long);
        self.happened(Fact::Halted { seat, how, long });
        self.fleet.seats[seat].halted_until = self.now + long;
        if at_a_beat {
            self.fleet.seats[seat].beats.stop_with_the_next(Some(halt));
        } else {
            machine.halt_after(polls, halt);
        }
        let life = self.fleet.seats[seat].life;
        self.after(long, move |world| {
            world.judge_starved((seat, life), halt, long);
            if world.goes_on((seat, life), &machine) {
                world.fleet.seats[seat].beats.stop_with_the_next(None);
                world.comes_back_alone(seat);
            }
        });
    }

    /// A machine that stood still comes back to dead connections, as often as not.
    fn comes_back_alone(&mut self, seat: usize) {
        if self.strikes(Fault::TablePartition, 5_000) {
            self.write_while_it_matters();
            let until = self.now + self.about_a_lease(30 * SECOND);
            self.weather.episodes.push(Episode {
                fault: Fault::TablePartition,
                until,
                seat: Some(seat),
                op: None,
                strength: 10_000,
                other_way: self.dice.bool(),
            });
        }
    }

    /// All at once: nobody is left who knows that a shard without a checkpoint waits for its first record.
    fn crash_everyone(&mut self) {
        if self.waits_at_the_start() && !self.well().is_empty() {
            self.struck(Fault::LatestIdle, None, 0);
        }
        for seat in self.well() {
            self.crash(seat);
            let pause = self.long(MINUTE);
            self.after(pause, move |world| world.launch(seat));
        }
    }

    /// Every worker is replaced, one after another.
    fn deploy(&mut self) {
        self.struck(Fault::Shutdown, None, 0);
        let mut wait = 0;
        for seat in self.well() {
            wait += self.dice.u64(SECOND..20 * SECOND);
            self.after(wait, move |world| world.dismiss(seat));
        }
    }

    /// Many workers come at once, and are gone again after a while.
    fn herd(&mut self) {
        if self.fleet.seats.len() > 16 {
            return;
        }
        self.struck(Fault::Herd, None, 0);
        for _ in 0..3 + self.dice.usize(0..4) {
            let seat = self.seat(None);
            self.launch(seat);
            let (stay, crashes) = (self.dice.u64(10 * SECOND..4 * MINUTE), self.dice.bool());
            self.after(stay, move |world| world.send_home(seat, crashes));
        }
    }

    fn send_home(&mut self, seat: usize, crashes: bool) {
        if self.healing {
            return;
        }
        self.fleet.seats[seat].closed = true;
        if crashes || self.fleet.seats[seat].handle.is_none() {
            self.crash(seat);
        } else {
            self.dismiss(seat);
        }
    }

    /// A second worker of the same name, as often as not with the same dice.
    fn clone_worker(&mut self) {
        let Some(victim) = self.victim() else { return };
        let Seated { name, dice } = Seated::of(self, victim);
        self.struck(Fault::ClonedWorker, Some(victim), 0);
        let seat = self.seat(Some(name));
        self.fleet.seats[seat].copied_dice = self.dice.bool().then_some(dice);
        self.launch(seat);
        let stay = self.dice.u64(10 * SECOND..3 * MINUTE);
        self.after(stay, move |world| world.send_home(seat, true));
    }
}

/// Whom a copy is made of.
struct Seated {
    name: String,
    dice: u64,
}

impl Seated {
    fn of(world: &World, seat: usize) -> Self {
        let seat = &world.fleet.seats[seat];
        Self {
            name: seat.name.clone(),
            dice: seat.dice,
        }
    }
}
