//! What a worker sees of the others: who is alive, and whom to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{WorkerRow, WorkerState};
use crate::ids::WorkerId;
use crate::planted;

/// What is known of an incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not judged: alive as far as anybody knows.
    Alive,
    /// Alive and about to go.
    Leaving,
    /// Silent for its whole lease duration, by a consistent read. Final for what it owned; only a copy of its machine beats
    /// on under its name.
    Dead,
    /// Gone in order. As final.
    Left,
}

impl Fate {
    /// True when nothing more will ever come from this incarnation.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Dead | Self::Left)
    }
}

/// Everything this worker believes about the others, on its own clock.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    seen: BTreeMap<WorkerId, Seen>,
}

#[derive(Debug, Clone)]
struct Seen {
    /// `None`: the row was absent, which is a sighting like any other (hole 4).
    beat_id: Option<String>,
    /// The latest read showed a row.
    has_row: bool,
    /// `None`: the next read counts as the first.
    first_seen: Option<Duration>,
    lease_duration: Duration,
    leases: u64,
    fate: Fate,
}

impl Watch {
    /// Takes in one strongly consistent read of a worker row, sent and received at these moments of
    /// this worker's clock. `default_duration` serves for an incarnation whose row was never seen.
    pub fn observe(
        &mut self,
        id: &WorkerId,
        row: Option<&WorkerRow>,
        read: ReadAt,
        default_duration: Duration,
    ) -> Fate {
        let beat_id = row.map(|row| row.beat_id.clone());
        let known = self.seen.get(id).map(|seen| seen.lease_duration);
        let lease_duration = row
            .map(|row| row.lease_duration)
            .or(known)
            .unwrap_or(default_duration);
        let seen = self.seen.entry(id.clone()).or_insert_with(|| Seen {
            beat_id: beat_id.clone(),
            has_row: false,
            first_seen: None,
            lease_duration,
            leases: 0,
            fate: Fate::Alive,
        });
        seen.has_row = row.is_some();
        // Who beats under the name of a worker that is over may be a copy of its machine, and believe in itself like any other.
        let is_back =
            seen.beat_id != beat_id && row.is_some_and(|row| row.state != WorkerState::Left);
        if seen.fate.is_over() && !is_back {
            if row.is_some_and(|row| row.state == WorkerState::Left) {
                // Others have buried it meanwhile: the beat that was judged is there no more.
                seen.fate = Fate::Left;
            }
            return seen.fate;
        }
        if seen.beat_id != beat_id {
            seen.beat_id = beat_id;
            seen.first_seen = None;
            seen.lease_duration = lease_duration;
        }
        seen.leases = row.map_or(0, |row| row.leases);
        let read_at = if planted!(CachedVerdict) {
            read.received
        } else {
            read.sent
        };
        let first_seen = *seen.first_seen.get_or_insert(read.received);
        let silent = read_at >= first_seen + seen.lease_duration;
        seen.fate = match row.map(|row| row.state) {
            Some(WorkerState::Left) => Fate::Left,
            _ if silent => Fate::Dead,
            Some(WorkerState::Leaving) => Fate::Leaving,
            _ => Fate::Alive,
        };
        seen.fate
    }

    /// The table was away. An older copy may be in its place next, without the beats that were seen last and those that came
    /// since: who was not found dead by then is looked at as if for the first time.
    pub fn table_was_away(&mut self) {
        for seen in self.seen.values_mut().filter(|seen| !seen.fate.is_over()) {
            seen.first_seen = None;
        }
    }

    /// What is known of an incarnation; one that was never observed counts as alive.
    pub fn fate(&self, id: &WorkerId) -> Fate {
        self.seen.get(id).map_or(Fate::Alive, |seen| seen.fate)
    }

    /// When a read must be sent to judge the first of these that showed the same beat in this look and in one before;
    /// `None` while every one of them beats. A look on a fixed raster would come too early by a round trip, and the
    /// next one a whole raster too late.
    pub fn verdict_due(&self, watched: &[WorkerId], look: ReadAt) -> Option<Duration> {
        let seen = watched.iter().filter_map(|id| self.seen.get(id));
        let known = seen.filter(|seen| !seen.fate.is_over());
        let known = known.filter_map(|seen| Some((seen.first_seen?, seen.lease_duration)));
        let silent = known.filter(|(first_seen, _)| *first_seen < look.received);
        silent
            .map(|(first_seen, lease_duration)| first_seen + lease_duration)
            .min()
    }

    /// The beat that was judged, for burying; `None` when the row is gone.
    pub fn last_beat(&self, id: &WorkerId) -> Option<&str> {
        let seen = self.seen.get(id).filter(|seen| seen.has_row)?;
        seen.beat_id.as_deref()
    }

    /// Since when, on this worker's clock, the incarnation has shown the same beat.
    pub fn first_seen(&self, id: &WorkerId) -> Option<Duration> {
        self.seen.get(id)?.first_seen
    }

    /// How many leases the incarnation said it owns.
    pub fn leases(&self, id: &WorkerId) -> u64 {
        self.seen.get(id).map_or(0, |seen| seen.leases)
    }

    /// Forgets those that are neither members nor owners, so that the memory stays bounded.
    pub fn keep_only(&mut self, known: &BTreeSet<WorkerId>) {
        self.seen.retain(|id, _| known.contains(id));
    }
}

/// When a read was sent and when its answer came, on this worker's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAt {
    /// Just before the call.
    pub sent: Duration,
    /// Just after the answer.
    pub received: Duration,
}

/// The members that `me` watches: the next three in id order, all when there are five or fewer or
/// when `me` is the discoverer (hole 21).
pub fn neighbours(members: &BTreeSet<WorkerId>, me: &WorkerId, all: bool) -> Vec<WorkerId> {
    let others = || {
        members
            .range(me.clone()..)
            .chain(members.range(..me.clone()))
            .filter(|id| *id != me)
    };
    let most = if all || members.len() <= 5 {
        usize::MAX
    } else {
        3
    };
    others().take(most).cloned().collect()
}
