//! Medians. Ratios are made within each round, so that a busy minute touches both sides of one.

use crate::client::Sample;
use crate::round::Round;

/// What the rounds of one size come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) bytes_only: Line,
    pub(super) bare: Line,
    pub(super) worker: Line,
    pub(super) cpu_ratio: f64,
    pub(super) wall_ratio: f64,
    pub(super) waiting_ratio: f64,
    /// How much faster the server can be read than the bare loop reads it.
    pub(super) headroom: f64,
    pub(super) page_bytes: f64,
    pub(super) wait_millis: f64,
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) cpu_micros: f64,
    pub(super) rate: f64,
    pub(super) waiting_rate: Option<f64>,
}

impl Figures {
    pub(super) fn of(rounds: &[Round]) -> Self {
        let median = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of).collect());
        let wall = |sample: Sample| sample.wall.as_secs_f64();
        Self {
            bytes_only: Line {
                cpu_micros: median(&|round| cpu_micros(round.bytes_only)),
                rate: median(&|round| rate(round.bytes_only)),
                waiting_rate: None,
            },
            bare: Line {
                cpu_micros: median(&|round| cpu_micros(round.idle.bare)),
                rate: median(&|round| rate(round.idle.bare)),
                waiting_rate: Some(median(&|round| rate(round.waiting.bare))),
            },
            worker: Line {
                cpu_micros: median(&|round| cpu_micros(round.idle.worker)),
                rate: median(&|round| rate(round.idle.worker)),
                waiting_rate: Some(median(&|round| rate(round.waiting.worker))),
            },
            cpu_ratio: median(&|round| cpu_micros(round.idle.bare) / cpu_micros(round.idle.worker)),
            wall_ratio: median(&|round| wall(round.idle.bare) / wall(round.idle.worker)),
            waiting_ratio: median(&|round| wall(round.waiting.bare) / wall(round.waiting.worker)),
            headroom: median(&|round| rate(round.bytes_only) / rate(round.idle.bare)),
            page_bytes: median(&|round| as_f64(round.bytes_only.page_bytes.unwrap_or(0))),
            wait_millis: median(&|round| round.wait.as_secs_f64() * 1e3),
        }
    }
}

fn cpu_micros(sample: Sample) -> f64 {
    sample.cpu.as_secs_f64() * 1e6 / as_f64(sample.records)
}

fn rate(sample: Sample) -> f64 {
    as_f64(sample.records) / sample.wall.as_secs_f64()
}

/// Counts of records and bytes here are far below 2^52.
fn as_f64(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The middle one, or the mean of the two in the middle; not a number of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(below), Some(above)) if values.len().is_multiple_of(2) => {
            f64::midpoint(*below, *above)
        }
        (_, Some(middle)) => *middle,
        _ => f64::NAN,
    }
}

/// A whole number with its thousands apart.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_thousands() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!((median(vec![7.0]) - 7.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
        assert_eq!(grouped(1_234_567.4), "1,234,567");
        assert_eq!(grouped(999.0), "999");
    }
}
