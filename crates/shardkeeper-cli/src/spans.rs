//! Spans and moments of time as people type and read them.

use std::time::Duration;

use shardkeeper::Timestamp;

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

/// Says a span in its two largest units, such as `3m 12s`. Streams tell time in seconds, so nothing is finer.
pub(crate) fn tell(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

/// Says a moment in UTC, such as `2026-11-23 06:34:01Z`.
pub(crate) fn tell_moment(moment: Timestamp) -> String {
    let seconds = moment.millis() / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970. Counts from 1 March of year 0, so that the leap day is the
/// last of its year, in eras of 400 years, which are all alike.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
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

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let told = [0, 59, 192, 3_840, 90_000].map(|s| tell(Duration::from_secs(s)));
        assert_eq!(told, ["0s", "59s", "3m 12s", "1h 04m", "1d 01h"]);
    }

    #[test]
    fn a_moment_is_told_in_utc_across_leap_days() {
        let told = |seconds: u64| tell_moment(Timestamp::from_millis(seconds * 1000));
        assert_eq!(told(0), "1970-01-01 00:00:00Z");
        assert_eq!(told(951_782_399), "2000-02-28 23:59:59Z");
        assert_eq!(told(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(told(1_709_251_199), "2024-02-29 23:59:59Z");
        assert_eq!(told(4_107_542_400), "2100-03-01 00:00:00Z");
    }
}
