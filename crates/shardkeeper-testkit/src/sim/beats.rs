//! What each worker heard of its beats. A worker that may believe in itself goes on doing so (S12), and no user code holds up
//! its beats (S15): whoever gives himself up for nothing makes every shard of his wait for another worker.

use shardkeeper::Halt;
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::membership::{WorkerRow, WorkerState, worker_key};
use shardkeeper_core::row::Write;

use super::chaos::Fault;
use super::fleet::millis;
use super::ground::Time;
use super::world::World;

/// The beats of one incarnation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Beats {
    /// The latest one was sent then.
    sent: Time,
    /// The latest one of which the worker heard that it counts was sent then.
    heard: Time,
}

impl World {
    /// When this call is a beat: the moment at which it is sent.
    pub(crate) fn beat_sent(&mut self, seat: usize, writes: &[Write]) -> Option<Time> {
        let place = &mut self.fleet.seats[seat];
        let me = WorkerId::from_row(place.incarnation.as_ref()?);
        let is_beat = matches!(writes, [only] if only.key == worker_key(&me));
        is_beat.then(|| {
            place.beats.sent = self.now;
            self.now
        })
    }

    /// The worker heard that the beat that it had sent then counts.
    pub(crate) fn beat_heard(&mut self, seat: usize, sent: Time) {
        self.fleet.seats[seat].beats.heard = sent;
    }

    /// S12: a worker gave itself up. Was there a reason?
    pub(crate) fn judge_demotion(&mut self, seat: usize, why: &str) {
        let entitled = self.entitled();
        let place = &self.fleet.seats[seat];
        let heard = place.beats.heard;
        // The clocks of workers run a little too fast or too slow.
        let lapsed = heard + entitled * 95 / 100 <= self.now;
        let halted = place.halted_until + entitled > self.now;
        if heard == 0 || lapsed || halted || self.is_cloned() || !self.lives_in_the_table(seat) {
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
        let Beats { sent, heard } = place.beats;
        // A worker whose keeper is not at work for longer than that stops its beats on purpose.
        let judged = halt == Halt::Starved && long < 2 * self.entitled() - 2 * beat;
        let goes_on = place.life == life && place.is_alive() && place.incarnation.is_some();
        let expected = judged && goes_on && heard == sent && sent > 0 && !self.is_cloned();
        if expected && place.leaving_since.is_none() && sent + 5 * beat < self.now {
            let silent = self.now - sent;
            let message = format!(
                "w{seat} has not beaten for {silent} ms while user code held up its runtime"
            );
            self.oracle.accuse(self.now, "S15", message);
        }
    }

    /// How long a worker may believe in itself after a beat.
    fn entitled(&self) -> Time {
        let settings = &self.scenario.settings;
        millis(settings.lease_duration) - millis(settings.margin)
    }

    /// Another process may hold the same names and dice.
    fn is_cloned(&self) -> bool {
        self.scenario.has(Fault::ClonedWorker)
    }

    fn lives_in_the_table(&self, seat: usize) -> bool {
        let me = self.fleet.seats[seat].incarnation.as_ref();
        let key = me.map(|me| worker_key(&WorkerId::from_row(me)));
        let row = key.and_then(|key| self.table.rows.get(&key));
        let row = row.and_then(WorkerRow::parse);
        row.is_some_and(|row| row.state != WorkerState::Left)
    }
}
