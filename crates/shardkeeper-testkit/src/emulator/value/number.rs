//! DynamoDB's number: a decimal of up to 38 significant digits, exact, between 1E-130 and 9.99E+125.

use std::cmp::Ordering;
use std::fmt;

use super::Invalid;

const MAX_DIGITS: u32 = 38;
const MAX_MAGNITUDE: i64 = 125;
const MIN_MAGNITUDE: i64 = -130;

/// `coefficient * 10^exponent`. The coefficient has no trailing zero and zero is `0 * 10^0`, so equal numbers are
/// equal values; 38 digits fit a `u128`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i32,
}

impl Number {
    /// Parses and canonicalises; refuses what DynamoDB refuses, in its words.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (
                mantissa,
                parse_power(power).ok_or_else(|| not_a_number(text))?,
            ),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return Err(not_a_number(text));
        }
        let mut coefficient: u128 = 0;
        let mut trailing_zeros: u32 = 0;
        for digit in whole
            .bytes()
            .chain(fraction.bytes())
            .map(|b| u128::from(b - b'0'))
        {
            if digit == 0 {
                trailing_zeros = if coefficient == 0 {
                    0
                } else {
                    trailing_zeros.saturating_add(1)
                };
                continue;
            }
            if digits_of(coefficient).saturating_add(trailing_zeros) >= MAX_DIGITS {
                return Err(Invalid::new(
                    "Attempting to store more than 38 significant digits in a Number",
                ));
            }
            coefficient = coefficient * 10u128.pow(trailing_zeros + 1) + digit;
            trailing_zeros = 0;
        }
        let scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        Self::checked(
            negative,
            coefficient,
            power
                .saturating_add(i64::from(trailing_zeros))
                .saturating_sub(scale),
        )
    }

    /// The exact sum; refused when 38 digits cannot hold it.
    pub(crate) fn add(&self, other: &Self) -> Result<Self, Invalid> {
        let (high, low) = if self.exponent >= other.exponent {
            (self, other)
        } else {
            (other, self)
        };
        if high.coefficient == 0 {
            return Ok(low.clone());
        }
        if low.coefficient == 0 {
            return Ok(high.clone());
        }
        // Both coefficients are without trailing zeros, so the sum's last digit stands at `low.exponent`: if scaling
        // `high` down to it leaves a u128, the sum has more than 38 significant digits.
        let shift = u32::try_from(high.exponent - low.exponent).unwrap_or(u32::MAX);
        let scaled = 10u128
            .checked_pow(shift)
            .and_then(|p| high.coefficient.checked_mul(p))
            .ok_or_else(overflow)?;
        let (negative, sum) = if high.negative == low.negative {
            (
                high.negative,
                scaled.checked_add(low.coefficient).ok_or_else(overflow)?,
            )
        } else if scaled >= low.coefficient {
            (high.negative, scaled - low.coefficient)
        } else {
            (low.negative, low.coefficient - scaled)
        };
        Self::checked(negative, sum, i64::from(low.exponent))
    }

    /// The exact difference.
    pub(crate) fn subtract(&self, other: &Self) -> Result<Self, Invalid> {
        self.add(&Self {
            negative: other.coefficient != 0 && !other.negative,
            ..other.clone()
        })
    }

    /// The bytes this number counts for: one per two digits, one more, and one for a sign.
    pub(crate) fn size(&self) -> usize {
        let digits = digits_of(self.coefficient) as usize;
        digits.div_ceil(2) + 1 + usize::from(self.negative)
    }

    fn checked(negative: bool, mut coefficient: u128, mut exponent: i64) -> Result<Self, Invalid> {
        if coefficient == 0 {
            return Ok(Self {
                negative: false,
                coefficient: 0,
                exponent: 0,
            });
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent = exponent.saturating_add(1);
        }
        let digits = digits_of(coefficient);
        let magnitude = exponent.saturating_add(i64::from(digits) - 1);
        if magnitude > MAX_MAGNITUDE || digits > MAX_DIGITS {
            return Err(overflow());
        }
        if magnitude < MIN_MAGNITUDE {
            return Err(Invalid::new(
                "Number underflow. Attempting to store a number with magnitude smaller than supported range",
            ));
        }
        let exponent = i32::try_from(exponent).map_err(|_| overflow())?;
        Ok(Self {
            negative,
            coefficient,
            exponent,
        })
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.coefficient, other.coefficient) {
            (0, 0) => return Ordering::Equal,
            (0, _) => return Ordering::Less,
            (_, 0) => return Ordering::Greater,
            _ => {}
        }
        let (mine, theirs) = (digits_of(self.coefficient), digits_of(other.coefficient));
        // Both fit 38 digits, so padding the shorter to the longer's width cannot overflow.
        let width = mine.max(theirs);
        let padded = |number: &Self, digits: u32| number.coefficient * 10u128.pow(width - digits);
        (i64::from(self.exponent) + i64::from(mine))
            .cmp(&(i64::from(other.exponent) + i64::from(theirs)))
            .then_with(|| padded(self, mine).cmp(&padded(other, theirs)))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        let mut number = Self {
            negative: false,
            coefficient: u128::from(value),
            exponent: 0,
        };
        while number.coefficient != 0 && number.coefficient.is_multiple_of(10) {
            number.coefficient /= 10;
            number.exponent += 1;
        }
        number
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Always plain notation, as DynamoDB answers: never an exponent.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let digits = self.coefficient.to_string();
        let Ok(fraction) = usize::try_from(-i64::from(self.exponent)) else {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            return write!(f, "{digits}{:0<zeros$}", "");
        };
        match digits.len().checked_sub(fraction) {
            _ if fraction == 0 => f.write_str(&digits),
            Some(whole) if whole > 0 => write!(f, "{}.{}", &digits[..whole], &digits[whole..]),
            _ => write!(f, "0.{digits:0>fraction$}"),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn digits_of(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(0, |log| log + 1)
}

/// The exponent, saturated: everything beyond the range is refused later, with the right message.
fn parse_power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i32>().map_or(i64::from(i32::MAX), i64::from);
    Some(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

fn not_a_number(text: &str) -> Invalid {
    Invalid(format!(
        "The parameter cannot be converted to a numeric value: {text}"
    ))
}

fn overflow() -> Invalid {
    Invalid::new(
        "Number overflow. Attempting to store a number with magnitude larger than supported range",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn n(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn numbers_are_answered_in_canonical_plain_notation() {
        for (given, canonical) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("0e999999999999", "0"),
            ("007", "7"),
            ("+1.50", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1E3", "1000"),
            ("-12.34e-3", "-0.01234"),
            ("1000e-3", "1"),
            (
                "12345678901234567890123456789012345678",
                "12345678901234567890123456789012345678",
            ),
        ] {
            assert_eq!(n(given).to_string(), canonical, "{given}");
        }
        assert_eq!(n("1e125").to_string().len(), 126);
        assert_eq!(n("1e-130").to_string().len(), 132);
    }

    #[test]
    fn what_is_not_a_number_of_dynamodb_is_refused() {
        for text in [
            "", "-", ".", "1e", "e5", "NaN", "Infinity", "1 ", "0x10", "1_000", "--1", "1.2.3",
            "１",
        ] {
            assert!(Number::parse(text).is_err(), "{text}");
        }
        for text in [
            "1e126",
            "1e-131",
            "123456789012345678901234567890123456789",
            "1e99999999999999999999",
        ] {
            assert!(Number::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_sum_is_exact_or_refused() {
        assert_eq!(n("0.1").add(&n("0.2")), Ok(n("0.3")));
        assert_eq!(
            n("1e37").add(&n("1")),
            Ok(n("10000000000000000000000000000000000001"))
        );
        assert_eq!(
            n("1e38").subtract(&n("1")),
            Ok(n("99999999999999999999999999999999999999"))
        );
        assert_eq!(n("5").subtract(&n("5")), Ok(n("0")));
        assert_eq!(n("3").subtract(&n("5")), Ok(n("-2")));
        assert!(n("1e50").add(&n("1")).is_err());
        assert!(n("9e125").add(&n("9e125")).is_err());
    }

    #[test]
    fn a_number_costs_a_byte_per_two_digits_and_one_more() {
        assert_eq!(n("0").size(), 1);
        assert_eq!(n("100").size(), 2);
        assert_eq!(n("123").size(), 3);
        assert_eq!(n("-123").size(), 4);
    }

    proptest! {
        #[test]
        fn integers_agree_with_i128(a in any::<i64>(), b in any::<i64>()) {
            let (x, y) = (n(&a.to_string()), n(&b.to_string()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.add(&y).unwrap().to_string(), (i128::from(a) + i128::from(b)).to_string());
            prop_assert_eq!(x.subtract(&y).unwrap().to_string(), (i128::from(a) - i128::from(b)).to_string());
        }

        #[test]
        fn canonical_text_is_a_fixed_point(text in "[+-]?[0-9]{1,12}(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?") {
            let number = n(&text);
            let canonical = number.to_string();
            prop_assert_eq!(&n(&canonical), &number);
            prop_assert_eq!(n(&canonical).to_string(), canonical);
        }

        #[test]
        fn ordering_is_numeric_across_scales(a in -10_000i64..10_000, b in -10_000i64..10_000, scale in 0u32..30) {
            let scaled = |v: i64| n(&format!("{v}e-{scale}"));
            prop_assert_eq!(scaled(a).cmp(&scaled(b)), a.cmp(&b));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = Number::parse(&text);
        }

        #[test]
        fn adding_never_panics_and_undoes_subtracting(
            a in "-?[0-9]{1,38}e-?[0-9]{1,2}",
            b in "-?[0-9]{1,38}e-?[0-9]{1,2}",
        ) {
            if let (Ok(a), Ok(b)) = (Number::parse(&a), Number::parse(&b))
                && let Ok(sum) = a.add(&b)
            {
                prop_assert_eq!(sum.subtract(&b), Ok(a));
            }
        }
    }
}
