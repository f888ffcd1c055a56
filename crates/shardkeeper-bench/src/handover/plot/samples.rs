//! Every sample of every scene, on one scale.

use std::time::Duration;

use super::svg::{Canvas, LEFT, RIGHT};
use crate::handover::report::Line;

const ROW: f64 = 46.0;
/// The scale is logarithmic, from a tenth of a second to a little more than a lease duration.
const FROM: f64 = 0.1;
const TO: f64 = 20.0;
const TICKS: [f64; 8] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
/// Samples are drawn below each other in so many steps, so that they can be seen.
const STEPS: usize = 11;

pub(super) fn draw(canvas: &mut Canvas, lines: &[Line<'_>]) {
    if lines.is_empty() {
        return;
    }
    canvas.title("All samples: how long a shard stood still. Thick: p50 and p99. Dashed: the goal");
    let top = canvas.y;
    let mut y = top;
    for (colour, line) in lines.iter().enumerate() {
        for (number, sample) in line.all.samples().iter().enumerate() {
            // Neighbours in the order of size are drawn apart.
            let step = (number * 7) % STEPS;
            canvas.dot(x(*sample), y + 8.0 + step as f64 * 3.0, colour);
        }
        for figure in [line.all.percentile(50), line.all.percentile(99)] {
            canvas.line("middle", x(figure), (y + 4.0, y + ROW - 4.0));
        }
        canvas.line("goal", x(line.goal.1), (y, y + ROW));
        canvas.text("end", LEFT - 8.0, y + ROW / 2.0, line.name);
        canvas.text(
            "end",
            LEFT - 8.0,
            y + ROW / 2.0 + 13.0,
            &format!("n {}", line.seen.samples.len()),
        );
        y += ROW;
    }
    for tick in TICKS {
        let x = x(Duration::from_secs_f64(tick));
        canvas.line("grid", x, (top, y));
        canvas.text("centre", x, y + 12.0, &format!("{tick} s"));
    }
    canvas.y = y + 12.0;
}

fn x(sample: Duration) -> f64 {
    let seconds = sample.as_secs_f64().clamp(FROM, TO);
    LEFT + (RIGHT - LEFT) * (seconds / FROM).ln() / (TO / FROM).ln()
}
