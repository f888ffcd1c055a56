//! What each worker heard of its beats. A worker that may believe in itself goes on doing so (S12), and no user code holds up
//! its beats (S15): whoever gives himself up for nothing makes every shard of his wait for another worker.

use std::time::Duration;

use shardkeeper::{Halt, Machine};
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::membership::{WorkerRow, WorkerState, group_key, worker_key};
use shardkeeper_core::row::RowKey;

use super::chaos::Fault;
use super::entitlement::Entitlement;
use super::fleet::millis;
use super::ground::{SECOND, Time};
use super::oracle::Fact;
use super::world::World;

/// Of ten thousand workers that ask to be members so many are overheard, where answers may be odd.
const OVERHEARD: u32 = 2_000;

/// The beats of one incarnation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Beats {
    /// The latest one was sent then.
    sent: Time,
    /// The latest one of which the worker heard that it counts was sent then.
    heard: Time,
    /// The row of the next incarnation was to be made then.
    joining: Time,
    /// It has a row, and is to become a member.
    enrols: bool,
    /// Between two that count lay so long that the worker may have lapsed: it gives itself up, as it should.
    lapsed: bool,
    /// The machine stops with the next one on its way.
    stops: Option<Halt>,
    pub(crate) entitlement: Entitlement,
}

impl Beats {
    /// A beat that was sent since then is known to count.
    pub(crate) fn has_heard_since(&self, then: Time) -> bool {
        self.heard >= then
    }

    /// The incarnation that was about to join has joined.
    pub(crate) fn joined(&mut self, entitled_for: Duration) {
        *self = Self {
            heard: self.joining,
            entitlement: self.entitlement,
            ..Self::default()
        };
        self.entitlement.begins(entitled_for);
    }

    pub(crate) fn stop_with_the_next(&mut self, halt: Option<Halt>) {
        self.stops = halt;
    }
}

impl World {
    /// When this call is a beat: the moment at which it is sent.
    ///
    /// It writes this row alone, or makes it.
    pub(crate) fn beat_sent(&mut self, seat: usize, row: &RowKey, makes_it: bool) -> Option<Time> {
        let clock = self.clock_of(seat);
        let place = &mut self.fleet.seats[seat];
        let me = place.incarnation.as_deref().map(WorkerId::from_row);
        if makes_it {
            place.beats.joining = self.now;
            place.beats.entitlement.sends(clock);
            place.beats.enrols = true;
        } else if std::mem::take(&mut place.beats.enrols) && *row == group_key() {
            self.overhear_the_newcomer();
            return None;
        }
        if me.is_none_or(|me| *row != worker_key(&me)) {
            if self.streams.by_key(row).is_some() {
                self.let_arrive(row);
                self.die_in_mid_sentence(seat, row);
            }
            return None;
        }
        place.beats.sent = self.now;
        place.beats.entitlement.sends(clock);
        let stops = place.beats.stops.take();
        if let Some((halt, machine)) = stops.zip(place.machine.as_ref()) {
            machine.halt(halt);
        } else {
            self.stop_the_silent(seat);
        }
        Some(self.now)
    }

    /// A new worker asks to be a member: nothing is done, and the answer says nothing.
    fn overhear_the_newcomer(&mut self) {
        self.weather.overheard = self.strikes(Fault::OddAnswers, OVERHEARD);
    }

    /// A worker reads the lease table while another one has been silent for a while and may yet beat: it may be stopped with
    /// the answer on its way, which is too old to judge by when it wakes up.
    pub(crate) fn stop_the_watcher(&mut self, seat: usize) {
        let lease = millis(self.scenario.settings.lease_duration);
        let silent = self.now.saturating_sub(self.entitled())..self.now.saturating_sub(lease / 3);
        let mut places = self.fleet.seats.iter().enumerate();
        let silent = places.any(|(other, place)| {
            other != seat && place.is_alive() && silent.contains(&place.beats.heard)
        });
        // One trouble at a time: what is held up otherwise is judged by that.
        let place = &self.fleet.seats[seat];
        let free = place.is_well() && place.halted_until <= self.now;
        if silent && free && self.strikes(Fault::Pause, 1_000) {
            let long = self.dice.u64(lease / 2..lease);
            self.hold_up(seat, "frozen with a read on its way", long);
        }
    }

    /// A worker that is about to crash dies with its next word on a lease, which arrives when others take over: some time
    /// then, or at the worst moment, between what whoever takes the lease has read and the take.
    fn die_in_mid_sentence(&mut self, seat: usize, row: &RowKey) {
        let place = &mut self.fleet.seats[seat];
        let dying = std::mem::take(&mut place.last_words);
        let Some(machine) = place.machine.clone().filter(|_| dying) else {
            return;
        };
        let lease = millis(self.scenario.settings.lease_duration);
        self.weather.late = Some(if self.dice.bool() {
            (2 * lease, Some(row.clone()))
        } else {
            (self.dice.u64(lease..lease + 6 * SECOND), None)
        });
        self.write_while_it_matters();
        machine.halt(Halt::Crashed);
        let life = self.fleet.seats[seat].life;
        self.after(1, move |world| world.is_crashed(seat, life));
    }

    /// A worker that has not heard of a beat for a while may be stopped with the next one on its way, which arrives late:
    /// it wakes up to an answer that is too old to be of use.
    fn stop_the_silent(&mut self, seat: usize) {
        let lease = millis(self.scenario.settings.lease_duration);
        let place = &self.fleet.seats[seat];
        let silent = place.beats.heard > 0 && place.beats.heard + lease / 2 < self.now;
        // One trouble at a time, here too: beats go on while user code holds up the rest.
        let free = place.halted_until <= self.now;
        if !(silent && free && self.strikes(Fault::Pause, 2_000)) {
            return;
        }
        let long = self.dice.u64(lease / 8..lease);
        if self.weather.is_on(Fault::LateWrite) {
            self.weather.late = Some((self.dice.u64(SECOND..5 * SECOND - 10), None));
        }
        self.write_while_it_matters();
        self.hold_up(seat, "frozen with a beat on its way", long);
    }

    /// Stops a machine for a while.
    pub(crate) fn hold_up(&mut self, seat: usize, how: &'static str, long: Time) {
        let place = &mut self.fleet.seats[seat];
        let Some(machine) = place.machine.clone() else {
            return;
        };
        place.halted_until = place.halted_until.max(self.now + long);
        self.happened(Fact::Halted { seat, how, long });
        machine.halt(Halt::Frozen);
        let life = self.fleet.seats[seat].life;
        self.after(long, move |world| {
            world.goes_on((seat, life), &machine);
        });
    }

    /// A machine that stands still, or is about to, goes on before its time: everybody has to know, for whoever stands still
    /// is excused from much.
    pub(crate) fn cut_its_pause_short(&mut self, seat: usize) {
        let now = self.now;
        let place = &mut self.fleet.seats[seat];
        place.beats.stop_with_the_next(None);
        let Some(machine) = place.machine.clone() else {
            return;
        };
        let halted = machine.is_halted() || place.halted_until > now;
        place.halted_until = place.halted_until.min(now);
        machine.go_on();
        if halted && !machine.is_gone() {
            self.happened(Fact::WentOn { seat });
        }
    }

    /// A machine goes on. False when its worker lives on another one by now, of which this says nothing, and when it went on
    /// before, as everything healed.
    pub(crate) fn goes_on(&mut self, (seat, life): (usize, u32), machine: &Machine) -> bool {
        // When all is well only one thing holds a machine up, and never two at once.
        if self.healing && self.fleet.seats[seat].halted_until != self.now {
            return false;
        }
        machine.go_on();
        let is_its_own = self.fleet.seats[seat].life == life;
        if is_its_own {
            self.happened(Fact::WentOn { seat });
        }
        is_its_own
    }

    /// The worker heard that the beat that it had sent then counts.
    pub(crate) fn beat_heard(&mut self, seat: usize, sent: Time) {
        let bound = self.now.saturating_sub(self.entitled() * 95 / 100);
        let (clock, lasts) = (self.clock_of(seat), self.entitled_for());
        let beats = &mut self.fleet.seats[seat].beats;
        beats.entitlement.hears(clock, lasts);
        beats.lapsed |= beats.heard <= bound;
        beats.heard = sent;
    }

    /// S12: a worker gave itself up. Was there a reason?
    pub(crate) fn judge_demotion(&mut self, seat: usize, why: &str) {
        let entitled = self.entitled();
        let place = &self.fleet.seats[seat];
        let heard = place.beats.heard;
        // The clocks of workers run a little too fast or too slow.
        let lapsed = heard + entitled * 95 / 100 <= self.now;
        let halted = place.halted_until + entitled > self.now;
        if place.beats.lapsed
            || lapsed
            || halted
            || self.fleet.is_copied(seat)
            || !self.lives_in_the_table(seat)
        {
            return;
        }
        let age = self.now - heard;
        let message = format!(
            "w{seat} gave itself up {age} ms after a beat that counts, though its row is its own: {why}"
        );
        self.oracle.accuse(self.now, "S12", message);
    }

    /// S15: user code has held up the runtime of a worker. Did it hold up the beats, too?
    pub(crate) fn judge_starved(&mut self, (seat, life): (usize, u32), halt: Halt, long: Time) {
        let beat = millis(self.scenario.settings.beat_interval);
        let place = &self.fleet.seats[seat];
        let Beats { sent, heard, .. } = place.beats;
        // A worker whose keeper is not at work for longer than that stops its beats on purpose.
        let alone = place.halted_until == self.now;
        let judged = halt == Halt::Starved && alone && long < 2 * self.entitled() - 2 * beat;
        let goes_on = place.life == life && place.is_alive() && place.incarnation.is_some();
        // Nothing else had stopped it before.
        let beat_before = sent + long + 2 * beat >= self.now;
        let expected =
            judged && goes_on && beat_before && heard == sent && !self.fleet.is_copied(seat);
        if expected && place.leaving_since.is_none() && sent + 5 * beat < self.now {
            let silent = self.now - sent;
            let message = format!(
                "w{seat} has not beaten for {silent} ms while user code held up its runtime"
            );
            self.oracle.accuse(self.now, "S15", message);
        }
    }

    /// A worker has not heard of a beat for so long that others wonder, or have just found it dead.
    pub(crate) fn somebody_is_silent(&self) -> bool {
        let lease = millis(self.scenario.settings.lease_duration);
        let silent = self.now.saturating_sub(2 * lease)..self.now.saturating_sub(lease / 2);
        let mut living = self.fleet.seats.iter().filter(|seat| seat.is_alive());
        living.any(|seat| silent.contains(&seat.beats.heard))
    }

    fn entitled(&self) -> Time {
        millis(self.entitled_for())
    }

    fn lives_in_the_table(&self, seat: usize) -> bool {
        let me = self.fleet.seats[seat].incarnation.as_ref();
        let key = me.map(|me| worker_key(&WorkerId::from_row(me)));
        let row = key.and_then(|key| self.table.rows.get(&key));
        let row = row.and_then(WorkerRow::parse);
        row.is_some_and(|row| row.state != WorkerState::Left)
    }
}
