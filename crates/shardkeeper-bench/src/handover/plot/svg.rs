//! A sheet that grows downwards, and the few shapes that are drawn on it.

use std::fmt::Write;

pub(super) const WIDTH: f64 = 1000.0;
/// Where what is drawn begins and ends; the left margin has the names.
pub(super) const LEFT: f64 = 70.0;
pub(super) const RIGHT: f64 = 975.0;
const MARGIN: f64 = 24.0;

/// Colours that can be told apart from each other and from both backgrounds.
const COLOURS: [&str; 8] = [
    "#3b82d6", "#e0803a", "#3aa76d", "#c0569f", "#8a7fd1", "#b59a2e", "#35a7b5", "#d4605c",
];

const STYLE: &str = "text{font-family:ui-sans-serif,system-ui,sans-serif;font-size:11px;fill:#57606a}\
.title{font-size:14px;font-weight:600;fill:#1f2328}.sheet{fill:#ffffff}.lane{fill:#8c959f;fill-opacity:.14}\
.grid{stroke:#8c959f;stroke-opacity:.3}.mark{stroke:#cf222e;stroke-width:1.5}.goal{stroke:#1a7f37;stroke-dasharray:4 3}\
.middle{stroke:#1f2328;stroke-width:1.5}.end{text-anchor:end}.centre{text-anchor:middle}\
@media (prefers-color-scheme:dark){text{fill:#9198a1}.title{fill:#f0f6fc}.sheet{fill:#0d1117}.middle{stroke:#f0f6fc}\
.mark{stroke:#ff7b72}.goal{stroke:#3fb950}}";

/// What was drawn so far, and how far down the next thing begins.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
    pub(super) y: f64,
}

impl Canvas {
    /// Begins something new below everything else.
    pub(super) fn title(&mut self, text: &str) {
        self.y += MARGIN + 14.0;
        self.text("title", 14.0, self.y, text);
        self.y += 12.0;
    }

    /// A line of small print.
    pub(super) fn note(&mut self, text: &str) {
        self.y += MARGIN;
        self.text("note", 14.0, self.y, text);
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
        );
    }

    pub(super) fn lane(&mut self, y: f64, height: f64) {
        let width = RIGHT - LEFT;
        let _ = writeln!(
            self.body,
            r#"<rect class="lane" x="{LEFT}" y="{y:.1}" width="{width}" height="{height}"/>"#
        );
    }

    /// A coloured bar from `from` to `to`.
    pub(super) fn bar(&mut self, (from, to): (f64, f64), y: f64, height: f64, colour: usize) {
        let (width, fill) = ((to - from).max(1.0), colour_of(colour));
        let _ = writeln!(
            self.body,
            r#"<rect x="{from:.1}" y="{y:.1}" width="{width:.1}" height="{height}" fill="{fill}"/>"#
        );
    }

    pub(super) fn dot(&mut self, x: f64, y: f64, colour: usize) {
        let fill = colour_of(colour);
        let _ = writeln!(
            self.body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="2.4" fill="{fill}" fill-opacity=".45"/>"#
        );
    }

    /// A vertical line.
    pub(super) fn line(&mut self, class: &str, x: f64, (from, to): (f64, f64)) {
        let _ = writeln!(
            self.body,
            r#"<line class="{class}" x1="{x:.1}" x2="{x:.1}" y1="{from:.1}" y2="{to:.1}"/>"#
        );
    }

    pub(super) fn finish(self) -> String {
        let (body, height) = (self.body, self.y + MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\">\n\
             <style>{STYLE}</style>\n<rect class=\"sheet\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n"
        )
    }
}

fn colour_of(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}
