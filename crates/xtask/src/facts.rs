//! `cargo xtask facts`: what we take as given about the service, how consumers have lost data, and the tests
//! that name each of these lines.

use clap::Args;
use serde_json::json;

use crate::Outcome;
use crate::failure::Failure;
use crate::named_tests::{self, NamedTest};
use crate::sources::Sources;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

/// A numbered list in a document.
struct List {
    what: &'static str,
    document: &'static str,
    letter: char,
}

/// The facts come last, because their count is what is asked for.
const LISTS: [List; 3] = [
    List {
        what: "quirks",
        document: "docs/FACTS.md",
        letter: 'Q',
    },
    List {
        what: "bugs",
        document: "docs/PITFALLS.md",
        letter: 'B',
    },
    List {
        what: "facts",
        document: "docs/FACTS.md",
        letter: 'F',
    },
];

/// One line of a list: `- **F17** ...`.
struct Entry {
    number: String,
    text: String,
    tests: Vec<NamedTest>,
}

/// A list with its tests.
struct Chapter {
    what: &'static str,
    entries: Vec<Entry>,
}

impl Chapter {
    fn tested(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| !entry.tests.is_empty())
            .count()
    }

    fn summary(&self) -> String {
        format!(
            "{}: {}/{} tested",
            self.what,
            self.tested(),
            self.entries.len()
        )
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Outcome {
    let chapters = chapters(&Sources::read(workspace)?)?;
    for chapter in &chapters {
        print!("{}", table(chapter));
        println!("{}", chapter.summary());
    }
    if options.json
        && let [quirks, bugs, facts] = chapters.as_slice()
    {
        let line = json!({
            "tested": facts.tested(), "total": facts.entries.len(),
            "bugs_tested": bugs.tested(), "bugs_total": bugs.entries.len(),
            "quirks_tested": quirks.tested(), "quirks_total": quirks.entries.len(),
        });
        println!("{line}");
    }
    complete(&chapters)
}

/// The step of `cargo xtask test`.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    complete(&chapters(&Sources::read(workspace)?)?)
}

fn chapters(sources: &Sources) -> Outcome<Vec<Chapter>> {
    let tests: Vec<NamedTest> = sources.rust.iter().flat_map(named_tests::in_file).collect();
    LISTS
        .iter()
        .map(|list| {
            let text = sources
                .document(list.document)
                .map_or("", |document| document.text.as_str());
            let entries = entries(text, list.letter, &tests);
            if entries.is_empty() {
                let message = format!("{} has no line `- **{}1** ...`", list.document, list.letter);
                return Err(Failure::new(message));
            }
            Ok(Chapter {
                what: list.what,
                entries,
            })
        })
        .collect()
}

fn entries(text: &str, letter: char, tests: &[NamedTest]) -> Vec<Entry> {
    text.lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("** "))
        .filter(|(number, _)| is_of(number, letter))
        .map(|(number, text)| Entry {
            number: number.to_owned(),
            text: text.to_owned(),
            tests: tests
                .iter()
                .filter(|test| test.about.iter().any(|about| about == number))
                .cloned()
                .collect(),
        })
        .collect()
}

fn is_of(number: &str, letter: char) -> bool {
    number
        .strip_prefix(letter)
        .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
}

fn table(chapter: &Chapter) -> String {
    let width = |of: fn(&NamedTest) -> usize| {
        let tests = chapter.entries.iter().flat_map(|entry| &entry.tests);
        tests.map(of).max().unwrap_or(0)
    };
    let names = width(|test| test.name.len());
    let mut lines = String::new();
    for entry in &chapter.entries {
        let mut number = entry.number.as_str();
        for test in &entry.tests {
            let place = test.path.display();
            let line = test.line;
            lines.push_str(&format!(
                "{number:<5}{:<names$}  {place}:{line}\n",
                test.name
            ));
            number = "";
        }
        if entry.tests.is_empty() {
            lines.push_str(&format!("{number:<5}NO TEST: {}\n", entry.text));
        }
    }
    lines
}

fn complete(chapters: &[Chapter]) -> Outcome {
    let untested = chapters.iter().flat_map(|chapter| &chapter.entries);
    let untested: Vec<&Entry> = untested.filter(|entry| entry.tests.is_empty()).collect();
    if untested.is_empty() {
        return Ok(());
    }
    let lines = untested
        .iter()
        .map(|entry| format!("{}: {}\n", entry.number, entry.text));
    Err(Failure::new(format!(
        "{} lines have no test that names them",
        untested.len()
    ))
    .output(lines.collect::<String>())
    .advice("write a test for each line above; its name begins with the number: `fn f17_...`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{Document, RustFile};

    fn sources(code: &str) -> Sources {
        let document = |path: &str, text: &str| Document {
            path: path.into(),
            text: text.to_owned(),
        };
        Sources {
            root: "/w".into(),
            rust: vec![RustFile::new("tests/a.rs", code)],
            documents: vec![
                document(
                    "docs/FACTS.md",
                    "- **F1** One.\n- **F2** (T) Two.\n- **Q1** Odd.\n",
                ),
                document("docs/PITFALLS.md", "- **B1** Lost.\n"),
            ],
        }
    }

    #[test]
    fn a_line_without_a_test_is_named_and_fails() {
        let code = "#[test]\nfn f1_q1_b1_all() {}\n";
        let chapters = chapters(&sources(code)).unwrap();
        let summaries: Vec<String> = chapters.iter().map(Chapter::summary).collect();
        assert_eq!(
            summaries,
            [
                "quirks: 1/1 tested",
                "bugs: 1/1 tested",
                "facts: 1/2 tested"
            ]
        );
        assert_eq!(
            table(&chapters[2]),
            "F1   f1_q1_b1_all  tests/a.rs:2\nF2   NO TEST: (T) Two.\n"
        );
        let failure = complete(&chapters).unwrap_err().to_string();
        assert!(failure.contains("F2: (T) Two."), "{failure}");
    }

    #[test]
    fn all_lines_with_tests_pass_and_a_list_that_is_gone_fails() {
        let code = "#[test]\nfn f1_f2_q1_b1_all() {}\n";
        let mut all = sources(code);
        assert!(complete(&chapters(&all).unwrap()).is_ok());
        all.documents.clear();
        assert!(chapters(&all).is_err());
    }
}
