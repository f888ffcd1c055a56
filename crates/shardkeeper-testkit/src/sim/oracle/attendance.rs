//! How long was a worker at work? Time in which nobody is proves nothing.

use std::collections::BTreeMap;

use super::fact::Fact;
use crate::sim::ground::Time;

/// Who is there, and the time in which anybody was awake.
#[derive(Debug, Default)]
pub(super) struct Attendance {
    /// Workers that were started and have not ended; true for those whose machines do not stand still.
    awake: BTreeMap<usize, bool>,
    since: Time,
    attended: Time,
}

impl Attendance {
    pub(super) fn take_in(&mut self, now: Time, fact: &Fact) {
        let (seat, awake) = match fact {
            Fact::Launched { seat, .. } | Fact::WentOn { seat } => (*seat, Some(true)),
            Fact::Halted { seat, .. } => (*seat, Some(false)),
            Fact::Crashed { seat } | Fact::Ended { seat, .. } => (*seat, None),
            _ => return,
        };
        self.attended = self.until(now);
        self.since = now;
        match (awake, fact) {
            (Some(_), Fact::WentOn { .. }) if !self.awake.contains_key(&seat) => {}
            (Some(awake), _) => drop(self.awake.insert(seat, awake)),
            (None, _) => drop(self.awake.remove(&seat)),
        }
    }

    /// The time until now in which anybody was awake.
    pub(super) fn until(&self, now: Time) -> Time {
        let anybody = self.awake.values().any(|awake| *awake);
        self.attended + if anybody { now - self.since } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_counts_in_which_a_worker_is_awake() {
        let mut attendance = Attendance::default();
        let launched = |seat| Fact::Launched {
            seat,
            life: 1,
            copy: false,
        };
        let story = [
            (10, launched(0)),
            (20, launched(1)),
            (30, Fact::Crashed { seat: 0 }),
            (
                40,
                Fact::Halted {
                    seat: 1,
                    how: "frozen",
                    long: 100,
                },
            ),
            (140, Fact::WentOn { seat: 1 }),
            (150, Fact::Ended { seat: 1, why: None }),
            // A machine that goes on after its worker has ended is nobody.
            (160, Fact::WentOn { seat: 1 }),
        ];
        for (at, fact) in story {
            attendance.take_in(at, &fact);
        }
        assert_eq!(attendance.until(1_000), (40 - 10) + (150 - 140));
    }
}
