//! Spans of time as people type and read them.

use std::time::Duration;

/// The units, smallest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a span such as `500ms`, `30s`, `5m` or `4h`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let explain = || format!("{text:?} is not a time like 500ms, 30s, 5m or 4h");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let (number, unit) = text.split_at(digits);
    let millis = UNITS.iter().find(|(name, _)| *name == unit);
    let (_, millis) = millis.ok_or_else(explain)?;
    let number: u64 = number.parse().map_err(|_| explain())?;
    match number.checked_mul(*millis) {
        Some(total) if total > 0 => Ok(Duration::from_millis(total)),
        _ => Err(explain()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("4h"), Ok(Duration::from_secs(4 * 3600)));
        for odd in [
            "",
            "5",
            "s",
            "0s",
            "1.5s",
            "-1s",
            "5 s",
            "99999999999999999999d",
        ] {
            assert!(parse(odd).unwrap_err().contains("30s"), "{odd}");
        }
    }
}
