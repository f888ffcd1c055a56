//! The numbered statements of `docs/`, with their titles.

use std::collections::BTreeMap;

use super::number::{Family, Number};
use crate::sources::{Document, Sources};

/// A page, and the families that it numbers.
const PAGES: &[(&str, &[Family])] = &[
    ("docs/SEMANTICS.md", &[Family::Guarantee]),
    ("docs/INVARIANTS.md", &[Family::Safety, Family::Liveness]),
    ("docs/PITFALLS.md", &[Family::Failure, Family::Bug]),
    ("docs/FACTS.md", &[Family::Fact]),
];

/// Every statement and what it says in short.
pub(crate) fn titles(sources: &Sources) -> BTreeMap<Number, String> {
    let pages = PAGES.iter().filter_map(|(path, families)| {
        let document = sources.document(path)?;
        Some((document, *families))
    });
    pages
        .flat_map(|(document, families)| of_page(document, families))
        .collect()
}

fn of_page<'a>(
    document: &'a Document,
    families: &'a [Family],
) -> impl Iterator<Item = (Number, String)> + 'a {
    let stated = document.text.lines().filter_map(statement);
    stated.filter(|(number, _)| families.contains(&number.family))
}

/// The statement that a line makes: a heading `## G6 Hand-offs`, a line `- **S1 No loss.** ...` or `- **B1** ...`,
/// or a row `| 12 | a checkpoint ... |`.
pub(crate) fn statement(line: &str) -> Option<(Number, String)> {
    if let Some((first, rest)) = line
        .strip_prefix("| ")
        .and_then(|row| row.split_once(" | "))
    {
        let number = Number::new(Family::Failure, first.parse().ok()?);
        let title = rest.split(" | ").next().unwrap_or(rest);
        return Some((number, title.to_owned()));
    }
    let heading = line.strip_prefix("## ").or(line.strip_prefix("- **"))?;
    let (number, rest) = Number::at_start(heading)?;
    let title = match rest.strip_prefix("**") {
        Some(sentence) => sentence.split(". ").next().unwrap_or(sentence),
        None => rest.split("**").next().unwrap_or(rest),
    };
    Some((number, title.trim().trim_end_matches('.').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_lines_and_rows_make_statements() {
        let stated = |line| statement(line).map(|(number, title)| (number.to_string(), title));
        for (line, number, title) in [
            ("## G6 Hand-offs", "G6", "Hand-offs"),
            ("- **S1 No loss.** Every record that", "S1", "No loss"),
            (
                "- **S6 Checkpoints never move left.**",
                "S6",
                "Checkpoints never move left",
            ),
            (
                "- **B1** Child shards were lost. And more.",
                "B1",
                "Child shards were lost",
            ),
            (
                "| 12 | a checkpoint | S5 | refused | x |",
                "failure 12",
                "a checkpoint",
            ),
        ] {
            assert_eq!(
                stated(line),
                Some((number.to_owned(), title.to_owned())),
                "{line}"
            );
        }
        for line in [
            "| # | what happens | breaks |",
            "## Positions",
            "- **Limits.** G6",
            "G6",
        ] {
            assert_eq!(statement(line), None, "{line}");
        }
    }
}
