//! What is told about a run: a table for people, one line of JSON for programs.

mod bill;

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::cost::Cost;
use super::scene::Seen;
use crate::Outcome;
use crate::distribution::Distribution;
use crate::report::Paint;

/// A shard that moves in order may stand still for so long.
const MOVE_GOAL: Duration = Duration::from_millis(1500);
/// A crash may cost so much more than a lease duration.
const CRASH_SLACK: Duration = Duration::from_secs(2);

/// What was measured; what was not asked for is not there.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) lease_duration: Duration,
    pub(super) latency: Duration,
    pub(super) deploy: Option<Seen>,
    pub(super) crash: Option<Seen>,
    pub(super) join: Option<Seen>,
    /// From the start of a worker's process to its fair share.
    pub(super) balanced: Vec<Duration>,
    pub(super) rolling: Option<Seen>,
    pub(super) cost: Option<Cost>,
}

/// Which figure a goal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    P99,
    Max,
}

/// A line of the table and of the plot.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) seen: &'a Seen,
    pub(super) all: Distribution,
    pub(super) goal: (Figure, Duration),
    /// Nothing comes twice when a worker leaves in order and its processor obeys.
    pub(super) orderly: bool,
}

impl Line<'_> {
    fn is_met(&self) -> bool {
        let figure = match self.goal.0 {
            Figure::P99 => self.all.percentile(99),
            Figure::Max => self.all.max(),
        };
        figure < self.goal.1
    }
}

impl Report {
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        let crash_goal = self.lease_duration + CRASH_SLACK;
        let scenes = [
            (
                "deploy",
                "SIGTERM to the first record elsewhere",
                &self.deploy,
                (Figure::P99, MOVE_GOAL),
            ),
            (
                "crash",
                "SIGKILL to the first record elsewhere",
                &self.crash,
                (Figure::P99, crash_goal),
            ),
            (
                "join",
                "pause of a shard that moves",
                &self.join,
                (Figure::Max, MOVE_GOAL),
            ),
            (
                "rolling",
                "longest pause of each shard",
                &self.rolling,
                (Figure::Max, MOVE_GOAL),
            ),
        ];
        let lines = scenes.into_iter().filter_map(|(name, what, seen, goal)| {
            let seen = seen.as_ref()?;
            Some(Line {
                name,
                what,
                seen,
                all: Distribution::of(&seen.samples),
                goal,
                orderly: name != "crash",
            })
        });
        lines.collect()
    }

    /// The table for people.
    pub(super) fn table(&self, paint: Paint) -> Outcome<String> {
        let mut text = String::new();
        let lines = self.lines();
        if !lines.is_empty() {
            let head = format!(
                "{:<9}{:<39}{:>7}{:>6}{:>8}{:>8}{:>8}   {:<21}{}",
                "scene",
                "what is timed, in seconds",
                "rounds",
                "n",
                "p50",
                "p99",
                "max",
                "goal",
                "delivered twice"
            );
            writeln!(text, "\n{}", paint.bold(&head))?;
        }
        for line in &lines {
            writeln!(text, "{}", written(line, paint))?;
        }
        let (lease, latency) = (self.lease_duration, self.latency);
        let note = format!("lease_duration {lease:?}; every call takes {latency:?} on its way");
        if !self.balanced.is_empty() {
            let all = Distribution::of(&self.balanced);
            let what = "start of the process to a fair share";
            writeln!(
                text,
                "{:<9}{what:<39}{}",
                "",
                figures(self.balanced.len(), &all)
            )?;
        }
        if !lines.is_empty() {
            writeln!(text, "{}", paint.dim(&note))?;
        }
        if let Some(cost) = &self.cost {
            text.push_str(&bill::table(cost, paint)?);
        }
        Ok(text)
    }

    /// What other programs read.
    pub(super) fn json(&self) -> String {
        let mut all = Map::new();
        let mut say = |name: &str, value: Value| _ = all.insert(name.to_owned(), value);
        say("lease_duration_ms", json!(millis(self.lease_duration)));
        for line in self.lines() {
            let name = |rest: &str| format!("{}_{rest}", line.name);
            say(&name("n"), json!(line.seen.samples.len()));
            say(&name("p50_ms"), json!(millis(line.all.percentile(50))));
            say(&name("p99_ms"), json!(millis(line.all.percentile(99))));
            let longest = if line.goal.0 == Figure::Max {
                "max_pause_ms"
            } else {
                "max_ms"
            };
            say(&name(longest), json!(millis(line.all.max())));
            say(&name("duplicates"), json!(line.seen.again));
        }
        if let Some(cost) = &self.cost {
            say(
                "idle_wru_per_lease_hour",
                json!(hundredths(cost.writes_per_lease_hour())),
            );
            say(
                "idle_rru_per_lease_hour",
                json!(hundredths(cost.reads_per_lease_hour())),
            );
            say(
                "usd_per_1000_leases_month",
                json!(hundredths(cost.usd_per_month())),
            );
        }
        Value::Object(all).to_string()
    }
}

fn written(line: &Line<'_>, paint: Paint) -> String {
    let goal = line.goal.1.as_secs_f64();
    let figure = match line.goal.0 {
        Figure::P99 => "p99",
        Figure::Max => "max",
    };
    let goal = format!("{figure} < {goal:<6.2}");
    let verdict = paint.verdict(line.is_met());
    let again = match (line.orderly, line.seen.again) {
        (true, 0) => paint.green("0"),
        (true, some) => paint.red(&format!("{some}, MUST BE 0")),
        (false, some) => format!("{some}, since the last checkpoints"),
    };
    let figures = figures(line.seen.rounds as usize, &line.all);
    format!(
        "{:<9}{:<39}{figures}   {goal}  {verdict}   {again}",
        line.name, line.what
    )
}

fn figures(rounds: usize, all: &Distribution) -> String {
    let n = all.samples().len();
    let seconds = |figure: Duration| figure.as_secs_f64();
    let (p50, p99, max) = (all.percentile(50), all.percentile(99), all.max());
    let (p50, p99, max) = (seconds(p50), seconds(p99), seconds(max));
    format!("{rounds:>7}{n:>6}{p50:>8.2}{p99:>8.2}{max:>8.2}")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn hundredths(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::scene::Timeline;

    fn seen(millis: &[u64], again: usize) -> Seen {
        Seen {
            samples: millis.iter().copied().map(Duration::from_millis).collect(),
            rounds: 2,
            again,
            timeline: Timeline::default(),
        }
    }

    fn report() -> Report {
        Report {
            lease_duration: Duration::from_secs(10),
            deploy: Some(seen(&[300, 1700, 900], 1)),
            crash: Some(seen(&[10_500, 11_900], 7)),
            join: Some(seen(&[200, 1400], 0)),
            ..Report::default()
        }
    }

    #[test]
    fn the_json_has_what_was_measured_and_nothing_else() {
        let said: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(said["deploy_p99_ms"], 1700);
        assert_eq!(said["deploy_duplicates"], 1);
        assert_eq!(said["crash_p99_ms"], 11_900);
        assert_eq!(said["lease_duration_ms"], 10_000);
        assert_eq!(said["join_max_pause_ms"], 1400);
        assert!(said.get("rolling_max_pause_ms").is_none());
        assert!(said.get("idle_wru_per_lease_hour").is_none());
    }

    #[test]
    fn the_table_says_which_goal_was_met() {
        let table = report().table(Paint::off()).unwrap();
        let line = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(
            line("deploy").contains("1.70   p99 < 1.50    MISSED   1, MUST BE 0"),
            "{table}"
        );
        assert!(
            line("crash").contains("11.90   p99 < 12.00   met      7, since"),
            "{table}"
        );
        assert!(
            line("join").contains("1.40   max < 1.50    met      0"),
            "{table}"
        );
    }
}
