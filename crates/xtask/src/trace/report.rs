//! The trace, for eyes and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::number::{Family, Number};
use super::{Place, Trace, Traced};

/// Wide enough for `failure 44`.
const NUMBER_WIDTH: usize = 12;
const TITLE_WIDTH: usize = 70;

/// One row for each statement: what it is, how many places cite it, how many tests prove it.
pub(super) fn table(trace: &Trace, verbose: bool) -> String {
    let mut text = row("number", "title", "places", "tests");
    for (number, traced) in trace.traced.iter().filter(|&shown| is_told(shown)) {
        text += &one(*number, traced);
        if verbose {
            for line in traced
                .places
                .iter()
                .map(shown)
                .chain(traced.tests.iter().cloned())
            {
                text += &format!("{:NUMBER_WIDTH$}{line}\n", "");
            }
        }
    }
    let places: usize = trace
        .traced
        .values()
        .map(|traced| traced.places.len())
        .sum();
    let tests: usize = trace.traced.values().map(|traced| traced.tests.len()).sum();
    let statements = format!("{} statements", trace.traced.len());
    text + &row("", &statements, &places.to_string(), &tests.to_string())
}

/// Facts are many; those that nobody cites and that need no test say nothing here.
fn is_told((number, traced): (&Number, &Traced)) -> bool {
    let idle = traced.places.is_empty() && traced.tests.is_empty();
    number.family != Family::Fact || !idle || traced.title.starts_with("(T")
}

fn one(number: Number, traced: &Traced) -> String {
    let places = traced.places.len().to_string();
    let tests = traced.tests.len().to_string();
    row(&number.to_string(), &traced.title, &places, &tests)
}

fn row(number: &str, title: &str, places: &str, tests: &str) -> String {
    let title = shorten(title);
    let mut row = String::new();
    let _ = writeln!(
        row,
        "{number:NUMBER_WIDTH$}{title:TITLE_WIDTH$}{places:>7}{tests:>7}"
    );
    row
}

fn shorten(title: &str) -> String {
    if title.chars().count() < TITLE_WIDTH {
        return title.to_owned();
    }
    let kept: String = title.chars().take(TITLE_WIDTH - 4).collect();
    format!("{}...", kept.trim_end())
}

fn shown(place: &Place) -> String {
    format!("{}:{}", place.path.display(), place.line)
}

/// The same as one object.
pub(super) fn json(trace: &Trace) -> Value {
    let statements = trace.traced.iter().map(|(number, traced)| {
        json!({
            "number": number.to_string(),
            "title": traced.title,
            "places": traced.places.iter().map(shown).collect::<Vec<_>>(),
            "tests": traced.tests,
        })
    });
    let findings = trace
        .findings
        .iter()
        .map(|finding| finding.to_string().trim_end().to_owned());
    json!({
        "statements": statements.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        let traced = Traced {
            title: "a title ".repeat(20),
            places: [Place {
                path: "a.rs".into(),
                line: 7,
            }]
            .into(),
            tests: ["x: g1_y".to_owned()].into(),
        };
        Trace {
            traced: [(Number::new(Family::Guarantee, 1), traced)].into(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn columns_are_aligned_and_long_titles_cut() {
        let text = table(&trace(), false);
        let widths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths, [NUMBER_WIDTH + TITLE_WIDTH + 14; 3]);
        assert!(text.contains("..."), "{text}");
        assert!(!text.contains("g1_y"), "{text}");
        let verbose = table(&trace(), true);
        assert!(
            verbose.contains("a.rs:7") && verbose.contains("x: g1_y"),
            "{verbose}"
        );
    }

    #[test]
    fn programs_get_everything() {
        let object = json(&trace());
        assert_eq!(object["statements"][0]["number"], "G1");
        assert_eq!(object["statements"][0]["places"][0], "a.rs:7");
        assert_eq!(object["statements"][0]["tests"][0], "x: g1_y");
        assert_eq!(object["findings"], json!([]));
    }
}
