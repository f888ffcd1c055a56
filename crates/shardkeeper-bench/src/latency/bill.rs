//! The table: what was measured, what it costs, and beside it what is known of others.

use std::fmt::Write;

use super::Seen;
use crate::Outcome;
use crate::report::Paint;

/// US dollars for a `GetRecords` call, us-east-1; the first 2.5 million in a month are free, and are not counted here.
const USD_PER_CALL: f64 = 0.02 / 100_000.0;
/// The average month.
const HOURS_PER_MONTH: f64 = 730.0;

/// Goals, in milliseconds and calls an hour.
const ACTIVE: u128 = 250;
const AFTER_IDLE: u128 = 1_200;
const CALLS: f64 = 3_700.0;
const PATIENT_CALLS: f64 = 500.0;

/// A line of the table.
#[derive(Debug)]
pub(super) struct Line {
    name: String,
    active: String,
    after_idle: String,
    calls: f64,
    /// Whether each call is charged for.
    charged: bool,
    judged: Vec<(&'static str, bool)>,
}

impl Line {
    pub(super) fn measured(seen: &Seen) -> Self {
        let millis = |percent: usize, all: &crate::distribution::Distribution| {
            all.percentile(percent).as_millis()
        };
        let both = |all: &crate::distribution::Distribution| {
            format!("{} / {}", millis(50, all), millis(99, all))
        };
        let mut judged = Vec::new();
        match &seen.active {
            Some(active) => {
                judged.push(("active p99 < 250 ms", millis(99, active) < ACTIVE));
                let idle = millis(99, &seen.after_idle);
                judged.push(("after idle p99 <= 1200 ms", idle <= AFTER_IDLE));
                judged.push(("<= 3700 calls", seen.calls_per_shard_hour <= CALLS));
            }
            None => judged.push(("<= 500 calls", seen.calls_per_shard_hour <= PATIENT_CALLS)),
        }
        Self {
            name: format!("shardkeeper, idle_poll_max {:?}", seen.poll),
            active: seen.active.as_ref().map(both).unwrap_or_default(),
            after_idle: both(&seen.after_idle),
            calls: seen.calls_per_shard_hour,
            charged: true,
            judged,
        }
    }

    /// What others do by their constants; not measured here.
    fn others() -> [Self; 2] {
        let constants = |name: &str, active: &str, after_idle: &str, calls, charged| Self {
            name: name.to_owned(),
            active: active.to_owned(),
            after_idle: after_idle.to_owned(),
            calls,
            charged,
            judged: Vec::new(),
        };
        [
            // Sleeps 1 s after a page with records, 2 s after an empty one.
            constants(
                "KCL adapter, by its constants",
                "500 / 990",
                "1000 / 1980",
                1_800.0,
                true,
            ),
            // Polls four times a second, at AWS's expense; invocations are what one pays for.
            constants(
                "Lambda, by its constants",
                "125 / 250",
                "125 / 250",
                14_400.0,
                false,
            ),
        ]
    }

    fn usd_per_month(&self) -> f64 {
        if self.charged {
            self.calls * HOURS_PER_MONTH * USD_PER_CALL
        } else {
            0.0
        }
    }
}

pub(super) fn table(lines: &[Line], paint: Paint) -> Outcome<String> {
    let mut text = String::new();
    let head = format!(
        "{:<34}{:>18}{:>22}{:>24}{:>22}",
        "p50 / p99, in ms",
        "busy shard",
        "first after idle",
        "calls/idle shard-hour",
        "USD/idle shard-month"
    );
    writeln!(text, "{}", paint.bold(&head))?;
    for line in lines.iter().chain(&Line::others()) {
        writeln!(
            text,
            "{:<34}{:>18}{:>22}{:>24.0}{:>22.2}",
            line.name,
            line.active,
            line.after_idle,
            line.calls,
            line.usd_per_month()
        )?;
    }
    let judged = lines.iter().flat_map(|line| line.judged.iter().copied());
    text += &paint.goals(judged);
    Ok(text)
}
