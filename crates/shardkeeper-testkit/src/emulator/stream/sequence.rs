//! Sequence numbers: decimal, growing, and not always of the same width.

use std::fmt;

/// The shortest sequence number the service accepts, in digits.
pub(crate) const MIN_DIGITS: usize = 21;

/// The longest.
pub(crate) const MAX_DIGITS: usize = 40;

/// The place of a record in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence(u128);

impl Sequence {
    /// Reads 21 to 40 digits. What exceeds every number ever given out is read as the largest.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let valid = (MIN_DIGITS..=MAX_DIGITS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit());
        valid.then(|| Self(text.parse().unwrap_or(u128::MAX)))
    }

    /// The smallest position that lies after this number.
    pub(crate) fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.0, width = MIN_DIGITS)
    }
}

/// Gives out the sequence numbers of one stream, each larger than all before.
#[derive(Clone, Debug)]
pub(crate) struct SequenceCounter {
    last: u128,
}

impl SequenceCounter {
    /// Steps are random, so that nobody counts on neighbours.
    const MAX_STEP: u128 = 1000;

    /// Leaps end here; from then on the numbers have one width for longer than anybody writes.
    const LEAP_BELOW: u128 = 10_u128.pow(34);

    /// A counter at the widths that new streams start with.
    pub(crate) fn new() -> Self {
        Self {
            last: 10_u128.pow(20),
        }
    }

    /// The number given out last; every later one is larger.
    pub(crate) fn last(&self) -> Sequence {
        Sequence(self.last)
    }

    /// The next number.
    pub(crate) fn next(&mut self, dice: &mut fastrand::Rng) -> Sequence {
        self.last = self.last.saturating_add(dice.u128(1..=Self::MAX_STEP));
        Sequence(self.last)
    }

    /// Called when shards are created: goes to shortly below the next power of ten, so that a few
    /// records later the numbers are one digit longer. Whoever compares them as text is found out.
    pub(crate) fn leap(&mut self, dice: &mut fastrand::Rng) {
        if self.last >= Self::LEAP_BELOW {
            return;
        }
        let power = 10_u128.pow(self.last.ilog10() + 1);
        let short_of = dice.u128(1..=20 * Self::MAX_STEP);
        self.last = self.last.max(power.saturating_sub(short_of));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f23_numbers_grow_while_their_width_varies() {
        let mut dice = fastrand::Rng::with_seed(1);
        let mut counter = SequenceCounter::new();
        let mut numbers = Vec::new();
        for _ in 0..6 {
            counter.leap(&mut dice);
            numbers.extend((0..200).map(|_| counter.next(&mut dice)));
        }
        assert!(numbers.is_sorted());
        let texts: Vec<String> = numbers.iter().map(Sequence::to_string).collect();
        assert!(!texts.is_sorted(), "as text the order must be wrong");
        assert_eq!(texts.first().map(String::len), Some(21));
        assert_eq!(texts.last().map(String::len), Some(27));
        assert!(
            texts
                .iter()
                .zip(&numbers)
                .all(|(text, number)| Sequence::parse(text) == Some(*number))
        );
    }

    #[test]
    fn f22_f31_only_21_to_40_digits_are_a_sequence_number() {
        assert!(Sequence::parse(&"1".repeat(20)).is_none());
        assert!(Sequence::parse(&"x".repeat(21)).is_none());
        assert!(Sequence::parse(&"9".repeat(41)).is_none());
        assert!(Sequence::parse(&"9".repeat(40)) > Sequence::parse(&"9".repeat(38)));
    }
}
