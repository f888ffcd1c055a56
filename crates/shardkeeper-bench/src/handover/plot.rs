//! The picture of a run: who read which shard when, and all samples.

mod lanes;
mod samples;
mod svg;

use self::svg::Canvas;
use super::report::Report;

/// An SVG document that is readable on light and on dark pages.
pub(super) fn draw(report: &Report) -> String {
    let mut canvas = Canvas::default();
    canvas.note("A lane is a shard, its colour is the worker that gets the records, a gap is a pause. The last round of each scene.");
    let panels = [
        (
            "A deploy: the next worker has joined, the old one gets SIGTERM",
            &report.deploy,
        ),
        ("A crash: one of three workers gets SIGKILL", &report.crash),
        ("A third worker joins two", &report.join),
        (
            "Ten workers are replaced, one after the other; each line is a SIGTERM",
            &report.rolling,
        ),
    ];
    for (title, seen) in panels {
        if let Some(seen) = seen {
            lanes::draw(&mut canvas, title, &seen.timeline);
        }
    }
    samples::draw(&mut canvas, &report.lines());
    canvas.finish()
}
