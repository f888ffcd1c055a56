//! How far a shard has been processed, durably.
//!
//! A checkpoint never moves left (G4, S6): a start position is before every record, a record
//! is compared by its sequence number, and the end of the shard is after everything.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use crate::ids::SequenceNumber;

/// A moment on the service's clock, in milliseconds since 1970.
///
/// Times order nothing (facts F46, F50): they are rounded and not monotone. They serve start
/// positions and lag only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since 1970.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; nothing when it is before it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// From seconds since 1970 as the wire carries them; `None` for what is no time at all.
    pub fn from_epoch_seconds(seconds: f64) -> Option<Self> {
        let millis = seconds * 1000.0;
        (millis.is_finite() && (0.0..9e15).contains(&millis)).then(|| Self(millis.round() as u64))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1000, self.0 % 1000)
    }
}

/// The durable position of one shard, as its lease row stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checkpoint {
    /// Nothing acknowledged; begin at the oldest record that is still there.
    TrimHorizon,
    /// Nothing acknowledged; begin at the first record written at this time or later.
    At(Timestamp),
    /// Everything up to and including this record is acknowledged.
    After(SequenceNumber),
    /// Everything is acknowledged, and the shard is confirmed to have ended.
    ShardEnd,
}

impl Checkpoint {
    /// True when nothing of the shard has been acknowledged yet.
    pub fn is_start(&self) -> bool {
        matches!(self, Self::TrimHorizon | Self::At(_))
    }

    /// True when storing `self` over `stored` would not move the checkpoint left (S6).
    pub fn may_follow(&self, stored: &Self) -> bool {
        self >= stored
    }

    fn rank(&self) -> u8 {
        match self {
            Self::At(_) => 0,
            Self::TrimHorizon => 1,
            Self::After(_) => 2,
            Self::ShardEnd => 3,
        }
    }
}

impl Ord for Checkpoint {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::At(a), Self::At(b)) => a.cmp(b),
            (Self::After(a), Self::After(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Checkpoint {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrimHorizon => f.write_str("TRIM_HORIZON"),
            Self::At(time) => write!(f, "AT_TIMESTAMP {time}"),
            Self::After(sequence_number) => write!(f, "{sequence_number}"),
            Self::ShardEnd => f.write_str("SHARD_END"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Checkpoint {
        Checkpoint::After(SequenceNumber::from_service(text).unwrap())
    }

    #[test]
    fn s6_b26_a_checkpoint_never_moves_left() {
        let in_order = [
            Checkpoint::At(Timestamp::from_millis(5)),
            Checkpoint::TrimHorizon,
            after("820"),
            after("1683"),
            Checkpoint::ShardEnd,
        ];
        for (i, earlier) in in_order.iter().enumerate() {
            for later in &in_order[i..] {
                assert!(later.may_follow(earlier), "{later} after {earlier}");
            }
            for later in &in_order[i + 1..] {
                assert!(!earlier.may_follow(later), "{earlier} after {later}");
            }
        }
    }

    #[test]
    fn a_time_that_is_no_time_is_refused() {
        assert_eq!(
            Timestamp::from_epoch_seconds(1.5),
            Some(Timestamp::from_millis(1500))
        );
        for odd in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(Timestamp::from_epoch_seconds(odd), None);
        }
    }
}
