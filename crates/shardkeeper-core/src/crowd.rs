//! Whether refusals mean that too many read a shard.
//!
//! The service lets two readers at a shard and refuses a third with an error of its own (F40). During a hand-off we are
//! two ourselves, so a refusal now and then says nothing; refusals that go on for a minute say that somebody else reads
//! the same stream.

use std::time::Duration;

/// A refusal that no other follows within this time stood alone.
const CALM: Duration = Duration::from_secs(60);
/// For how long refusals must go on, and how many they must be, before they are told.
const PERSISTENT: Duration = Duration::from_secs(60);
const MANY: u32 = 10;

/// The refusals of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crowd {
    spell: Option<Spell>,
}

/// Refusals that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spell {
    began: Duration,
    latest: Duration,
    refusals: u32,
    /// How long they must have gone on before they are told next.
    tell_after: Duration,
}

impl Crowd {
    /// The shard was refused because of too many readers. `Some` is for how long that has gone on, when it is to be
    /// told: after a minute, and each time it has doubled.
    pub fn refused(&mut self, now: Duration) -> Option<Duration> {
        let begun = Spell {
            began: now,
            latest: now,
            refusals: 0,
            tell_after: PERSISTENT,
        };
        let mut spell = match self.spell {
            Some(spell) if now.saturating_sub(spell.latest) <= CALM => spell,
            _ => begun,
        };
        spell.latest = now;
        spell.refusals = spell.refusals.saturating_add(1);
        let lasted = now.saturating_sub(spell.began);
        let tell = lasted >= spell.tell_after && spell.refusals >= MANY;
        if tell {
            spell.tell_after = lasted.saturating_mul(2);
        }
        self.spell = Some(spell);
        tell.then_some(lasted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a shard that is refused every so many seconds, for as long, is told of.
    fn told(every: u64, seconds: u64) -> Vec<u64> {
        let mut crowd = Crowd::default();
        let refusals = (0..=seconds / every).map(|n| Duration::from_secs(n * every));
        refusals
            .filter_map(|now| crowd.refused(now))
            .map(|lasted| lasted.as_secs())
            .collect()
    }

    #[test]
    fn f40_refusals_that_go_on_are_told_after_a_minute_and_ever_more_rarely() {
        assert_eq!(told(1, 600), [60, 120, 240, 480]);
        assert_eq!(told(1, 59), Vec::<u64>::new());
    }

    #[test]
    fn f40_a_refusal_now_and_then_says_nothing() {
        assert_eq!(told(61, 36_000), Vec::<u64>::new());
        // A hand-off of half a minute.
        assert_eq!(told(1, 30), Vec::<u64>::new());
    }

    #[test]
    fn f40_a_few_refusals_in_a_minute_are_not_many() {
        assert_eq!(told(40, 300), Vec::<u64>::new());
        assert_eq!(told(40, 400), [360]);
    }
}
