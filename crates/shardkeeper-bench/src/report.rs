//! What is told about a run: a table for people, one line of JSON for programs.

mod figures;
mod paint;

use std::fmt::Write;

use serde::Serialize;

use self::figures::{Figures, grouped};
pub(crate) use self::paint::Paint;
use crate::Outcome;
use crate::backlog::Size;
use crate::round::Round;

/// A server that is not so many times faster than the bare loop would be part of what is measured.
const LEAST_HEADROOM: f64 = 3.0;
/// The worker may cost this much more CPU than the bare loop, as bare / worker.
const LEAST_CPU: f64 = 0.95;
/// Fetching while the processor waits must be worth this much, as bare / worker.
const LEAST_WAITING: f64 = 1.15;

/// All rounds with records of one size.
#[derive(Debug)]
pub(crate) struct SizeReport {
    size: Size,
    rounds: Vec<Round>,
}

/// The whole run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) small: SizeReport,
    pub(crate) large: SizeReport,
}

impl SizeReport {
    pub(crate) fn of(size: Size) -> Self {
        Self {
            size,
            rounds: Vec::new(),
        }
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Takes in a round and says what it was like, in a line.
    pub(crate) fn add(&mut self, round: Round) -> String {
        let now = Figures::of(&[round]);
        self.rounds.push(round);
        format!(
            "{:>5} records: bare {:.2}, worker {:.2} us CPU each; wall ratio {:.2}, waiting {:.2}",
            self.size.label(),
            now.bare.cpu_micros,
            now.worker.cpu_micros,
            now.wall_ratio,
            now.waiting_ratio
        )
    }

    fn block(&self, paint: Paint) -> Result<String, std::fmt::Error> {
        let all = Figures::of(&self.rounds);
        let mut text = String::new();
        let title = format!("records of {}", self.size.label());
        let heads = ["CPU us/record", "records/s", "records/s waiting"];
        let head = format!(
            "{title:<16}{:>15}{:>14}{:>20}",
            heads[0], heads[1], heads[2]
        );
        writeln!(text, "{}", paint.bold(&head))?;
        for (name, line) in [
            ("bytes only", &all.bytes_only),
            ("bare SDK loop", &all.bare),
            ("worker", &all.worker),
        ] {
            let (rate, waiting) = (grouped(line.rate), line.waiting_rate.map(grouped));
            let waiting = waiting.unwrap_or_default();
            writeln!(
                text,
                "  {name:<14}{:>15.2}{rate:>14}{waiting:>20}",
                line.cpu_micros
            )?;
        }
        let (cpu, wall, waiting) = (all.cpu_ratio, all.wall_ratio, all.waiting_ratio);
        let ratios = format!(
            "  {:<14}{cpu:>15.2}{wall:>14.2}{waiting:>20.2}",
            "bare / worker"
        );
        writeln!(text, "{}", paint.bold(&ratios))?;
        let (page, wait) = (all.page_bytes / 1e6, all.wait_millis);
        let note =
            format!("  a page is {page:.2} MB; the waiting processor takes {wait:.1} ms for it");
        writeln!(text, "{}\n", paint.dim(&note))?;
        Ok(text)
    }
}

impl Report {
    /// The table for people.
    pub(crate) fn table(&self, paint: Paint) -> String {
        let rounds = self.small.rounds.len();
        let title = format!(
            "Reading: medians of {rounds} rounds; ratios are bare / worker, above 1 the worker is better"
        );
        let small = self.small.block(paint).unwrap_or_default();
        let large = self.large.block(paint).unwrap_or_default();
        let judged = self.judged(paint).unwrap_or_default();
        format!("\n{}\n\n{small}{large}{judged}", paint.bold(&title))
    }

    fn judged(&self, paint: Paint) -> Result<String, std::fmt::Error> {
        let worse = self.worse();
        let mut text = String::new();
        let head = format!("{:<31}{:>10}   goal", "the worse of both sizes", "measured");
        writeln!(text, "{}", paint.bold(&head))?;
        for (name, value, goal) in [
            ("CPU, bare / worker", worse.cpu, Some(LEAST_CPU)),
            ("wall, bare / worker", worse.wall, None),
            ("wall, both waiting", worse.waiting, Some(LEAST_WAITING)),
            (
                "server / bare loop, records/s",
                worse.headroom,
                Some(LEAST_HEADROOM),
            ),
        ] {
            let goal = goal.map(|goal| format!("   >= {goal:<5}{}", paint.verdict(value >= goal)));
            writeln!(
                text,
                "  {name:<29}{value:>10.2}{}",
                goal.unwrap_or_default()
            )?;
        }
        Ok(text)
    }

    /// Fails when the server was part of what was measured.
    pub(crate) fn verify_server(&self) -> Outcome<()> {
        let headroom = self.worse().headroom;
        if headroom >= LEAST_HEADROOM {
            return Ok(());
        }
        let void = format!(
            "this run is void: the server is only {headroom:.2} times as fast as the bare loop, and must be \
             {LEAST_HEADROOM} times; is the machine busy?"
        );
        Err(void.into())
    }

    /// The worse figure of both sizes, for each key.
    pub(crate) fn json(&self) -> Outcome<String> {
        let Worse {
            cpu,
            wall,
            waiting,
            headroom,
        } = self.worse();
        Ok(serde_json::to_string(&Json {
            worker_over_bare_cpu: rounded(cpu),
            worker_over_bare_wall: rounded(wall),
            waiting_wall: rounded(waiting),
            server_headroom: rounded(headroom),
        })?)
    }

    fn worse(&self) -> Worse {
        let (small, large) = (
            Figures::of(&self.small.rounds),
            Figures::of(&self.large.rounds),
        );
        Worse {
            cpu: small.cpu_ratio.min(large.cpu_ratio),
            wall: small.wall_ratio.min(large.wall_ratio),
            waiting: small.waiting_ratio.min(large.waiting_ratio),
            headroom: small.headroom.min(large.headroom),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Worse {
    cpu: f64,
    wall: f64,
    waiting: f64,
    headroom: f64,
}

/// What other programs read. All are ratios bare / worker, but for the last.
#[derive(Serialize)]
struct Json {
    worker_over_bare_cpu: f64,
    worker_over_bare_wall: f64,
    waiting_wall: f64,
    server_headroom: f64,
}

fn rounded(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Sample;
    use crate::round::Pair;
    use std::time::Duration;

    fn sample(cpu: u64, wall: u64) -> Sample {
        Sample {
            records: 1000,
            cpu: Duration::from_millis(cpu),
            wall: Duration::from_millis(wall),
            fetch: None,
            page_bytes: Some(1_000_000),
        }
    }

    fn report(size: Size, worker_cpu: u64, server: u64) -> SizeReport {
        let pair = Pair {
            bare: sample(10, 12),
            worker: sample(worker_cpu, 4),
        };
        let round = Round {
            bytes_only: sample(1, server),
            idle: pair,
            waiting: pair,
            wait: Duration::from_millis(12),
        };
        let mut report = SizeReport::of(size);
        let _ = report.add(round);
        report
    }

    #[test]
    fn the_json_has_the_worse_figure_of_both_sizes() {
        let run = Report {
            small: report(Size::Small, 2, 4),
            large: report(Size::Large, 5, 3),
        };
        run.verify_server().unwrap();
        assert_eq!(
            run.json().unwrap(),
            r#"{"worker_over_bare_cpu":2.0,"worker_over_bare_wall":3.0,"waiting_wall":3.0,"server_headroom":3.0}"#
        );
    }

    #[test]
    fn a_slow_server_makes_the_run_void() {
        let run = Report {
            small: report(Size::Small, 2, 1),
            large: report(Size::Large, 2, 6),
        };
        let void = run.verify_server().unwrap_err().to_string();
        assert!(void.contains("void") && void.contains("2.00"), "{void}");
    }

    #[test]
    fn the_columns_of_the_table_stand_below_each_other() {
        let run = Report {
            small: report(Size::Small, 2, 4),
            large: report(Size::Large, 20, 3),
        };
        let table = run.table(Paint::off());
        let right_edge = |name: &str| {
            let line = table.lines().find(|line| line.contains(name)).unwrap();
            line.trim_end().len()
        };
        assert_eq!(right_edge("records/s waiting"), right_edge("bare SDK loop"));
        assert_eq!(right_edge("bare SDK loop"), right_edge("  bare / worker"));
        assert!(table.contains("0.50   >= 0.95 MISSED"), "{table}");
        assert!(table.contains("3.00   >= 1.15 met"), "{table}");
    }
}
