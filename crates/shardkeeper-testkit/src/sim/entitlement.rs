//! Until when a worker may believe in itself, reckoned beside it from what it sent and heard: a lease duration less the margin
//! from the sending of its latest beat that counts, by its own clock, and never again once that is over.
//!
//! Whoever calls user code later believed too long (S11), whether another one has taken over by then or not. Whoever finds a
//! worker dead earlier judged too soon (S5). Neither needs a record that comes at the wrong moment.

use std::time::Duration;

use shardkeeper_core::ids::WorkerId;

use super::world::{ShardNo, World};

/// One incarnation's, by the clock of its machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Entitlement {
    /// The latest beat, or the row of the next incarnation, was sent then.
    sent: Duration,
    until: Duration,
}

impl Entitlement {
    /// A beat is sent, or the row of an incarnation.
    pub(crate) fn sends(&mut self, now: Duration) {
        self.sent = now;
    }

    /// The incarnation whose row was sent has joined.
    pub(crate) fn begins(&mut self, lasts: Duration) {
        self.until = self.sent + lasts;
    }

    /// The worker hears, now, that what it sent counts.
    pub(crate) fn hears(&mut self, now: Duration, lasts: Duration) {
        if now < self.until {
            self.until = self.sent + lasts;
        }
    }

    /// The worker may believe in itself.
    pub(crate) fn holds(&self, now: Duration) -> bool {
        now < self.until
    }

    /// The incarnation is over.
    pub(crate) fn ends(&mut self) {
        self.until = Duration::ZERO;
    }
}

impl World {
    /// How long a worker may believe in itself after a beat.
    pub(crate) fn entitled_for(&self) -> Duration {
        let settings = &self.scenario.settings;
        settings.lease_duration.saturating_sub(settings.margin)
    }

    /// What the clock of a worker's machine shows.
    pub(crate) fn clock_of(&self, seat: usize) -> Duration {
        let env = self.fleet.seats[seat].env.as_ref();
        env.map_or(Duration::ZERO, |env| env.now())
    }

    /// S11: a worker calls user code of a shard.
    pub(crate) fn judge_call(&mut self, seat: usize, shard: ShardNo) {
        let now = self.clock_of(seat);
        let until = self.fleet.seats[seat].beats.entitlement.until;
        if now >= until {
            let late = now.saturating_sub(until).as_millis();
            let message = format!(
                "shard {shard}: w{seat} calls its processor {late} ms after the end of what its beats entitle it to"
            );
            self.oracle.accuse_of(Some(shard), self.now, "S11", message);
        }
    }

    /// S5: a worker found another one dead.
    pub(crate) fn judge_verdict(&mut self, by: usize, dead: &WorkerId) {
        let still = |seat: &usize| {
            let place = &self.fleet.seats[*seat];
            let named = place.incarnation.as_deref() == Some(dead.as_str());
            named && place.is_alive() && place.may_believe()
        };
        let Some(seat) = (0..self.fleet.seats.len()).find(still) else {
            return;
        };
        let left = self.fleet.seats[seat].beats.entitlement.until - self.clock_of(seat);
        let left = left.as_millis();
        let message =
            format!("w{by} finds w{seat} dead, which may believe in itself for {left} ms more");
        self.oracle.accuse(self.now, "S5", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_sending_and_what_has_lapsed_stays_lapsed() {
        let at = Duration::from_secs;
        let mut mine = Entitlement::default();
        mine.sends(at(1));
        mine.begins(at(8));
        assert_eq!(mine.until, at(9));
        mine.sends(at(5));
        mine.hears(at(7), at(8));
        assert_eq!(mine.until, at(13), "not from the answer on");
        mine.sends(at(12));
        mine.hears(at(13), at(8));
        assert_eq!(mine.until, at(13), "too late");
        mine.ends();
        assert_eq!(mine.until, Duration::ZERO);
    }
}
