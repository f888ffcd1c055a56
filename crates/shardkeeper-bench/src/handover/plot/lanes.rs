//! One lane for each shard, coloured by the worker that gets its records.

use std::collections::BTreeMap;
use std::time::Duration;

use super::svg::{Canvas, LEFT, RIGHT};
use crate::handover::journal::{Delivery, Member};
use crate::handover::scene::Timeline;

const LANE: f64 = 9.0;
const GAP: f64 = 2.0;
/// A shard that is read every so often counts as read without a break: a busy shard is polled a few times a second.
const STEADY: Duration = Duration::from_millis(450);
/// About so many lines of the grid.
const GRID_LINES: f64 = 12.0;

/// From one delivery to another, all to one worker and none long after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    member: Member,
    from: Duration,
    to: Duration,
}

/// Where a moment is drawn.
#[derive(Clone, Copy)]
struct Scale {
    begin: f64,
    zero: f64,
    pixels: f64,
}

impl Scale {
    /// Zero is at the first mark.
    fn of(timeline: &Timeline) -> Self {
        let (begin, end) = (timeline.from.as_secs_f64(), timeline.to.as_secs_f64());
        let first = timeline.marks.first().map(|mark| mark.at.as_secs_f64());
        Self {
            begin,
            zero: first.unwrap_or(begin),
            pixels: (RIGHT - LEFT) / (end - begin).max(0.001),
        }
    }

    fn x(self, at: Duration) -> f64 {
        let x = LEFT + (at.as_secs_f64() - self.begin) * self.pixels;
        x.clamp(LEFT, RIGHT)
    }

    /// The seconds since zero that have a line, and where.
    fn grid(self) -> Vec<(i64, f64)> {
        let seconds = (RIGHT - LEFT) / self.pixels;
        let step = [1, 2, 5, 10, 20, 60]
            .into_iter()
            .find(|step| f64::from(*step) * GRID_LINES >= seconds);
        let step = step.unwrap_or(120);
        let x = |second: i64| LEFT + (self.zero + second as f64 - self.begin) * self.pixels;
        let lines = (-3600 / step..3600 / step).map(|line| i64::from(line * step));
        lines
            .map(|second| (second, x(second)))
            .filter(|(_, x)| (LEFT..=RIGHT).contains(x))
            .collect()
    }
}

pub(super) fn draw(canvas: &mut Canvas, title: &str, timeline: &Timeline) {
    canvas.title(title);
    let scale = Scale::of(timeline);
    let top = canvas.y + 12.0;
    let colours = colours(timeline);
    let mut y = top;
    for shard in 0..timeline.shards {
        canvas.lane(y, LANE);
        let seen = |run: &Run| run.to > timeline.from && run.from < timeline.to;
        let runs = runs(timeline.deliveries.iter().filter(|d| d.shard == shard));
        for run in runs.into_iter().filter(seen) {
            let colour = colours.get(&run.member).copied().unwrap_or_default();
            canvas.bar((scale.x(run.from), scale.x(run.to)), y, LANE, colour);
        }
        y += LANE + GAP;
    }
    canvas.text(
        "end",
        LEFT - 8.0,
        (top + y) / 2.0 + 3.0,
        &format!("{} shards", timeline.shards),
    );
    for (second, x) in scale.grid() {
        canvas.line("grid", x, (top, y));
        canvas.text("centre", x, y + 11.0, &format!("{second} s"));
    }
    for mark in &timeline.marks {
        canvas.line("mark", scale.x(mark.at), (top - 3.0, y));
        canvas.text("centre", scale.x(mark.at), top - 6.0, &mark.what);
    }
    canvas.y = y + 12.0;
}

/// Workers by the order in which they appear.
fn colours(timeline: &Timeline) -> BTreeMap<Member, usize> {
    let mut colours = BTreeMap::new();
    let seen = |delivery: &&Delivery| (timeline.from..=timeline.to).contains(&delivery.at);
    for delivery in timeline.deliveries.iter().filter(seen) {
        let next = colours.len();
        colours.entry(delivery.member).or_insert(next);
    }
    colours
}

fn runs<'a>(deliveries: impl Iterator<Item = &'a Delivery>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for delivery in deliveries {
        let (member, at) = (delivery.member, delivery.at);
        match runs.last_mut() {
            Some(run) if run.member == member && at - run.to <= STEADY => run.to = at,
            _ => runs.push(Run {
                member,
                from: at,
                to: at,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_a_pause_or_with_another_worker() {
        let said = [(0, 1), (100, 1), (1000, 1), (1100, 2)];
        let deliveries = said.map(|(at, member)| Delivery {
            at: Duration::from_millis(at),
            member,
            shard: 0,
            number: at,
        });
        let found = runs(deliveries.iter());
        let found: Vec<_> = found
            .iter()
            .map(|run| (run.member, run.from.as_millis(), run.to.as_millis()))
            .collect();
        assert_eq!(found, [(1, 0, 100), (1, 1000, 1000), (2, 1100, 1100)]);
    }
}
