//! What documents say about tests: `suite: test`, and which statement each of them proves.

use super::number::Number;
use super::statements::statement;
use super::tests_here::{Test, is_of};
use crate::rules::Finding;
use crate::sources::{Document, RustFile};

/// The head of the column, and the beginning of the sentence, in which a document names proofs.
const COLUMN: &str = "proven by";
const SENTENCE: &str = "Proven by";

/// One test, or a whole suite, named by a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) line: usize,
    /// The statement under which it stands.
    pub(crate) proves: Option<Number>,
    pub(crate) suite: String,
    pub(crate) test: Option<String>,
}

/// A row that has to name a test and does not.
type Unproven = usize;

/// Reads one document from top to bottom.
#[derive(Default)]
struct Reader {
    section: Option<Number>,
    in_table: bool,
    in_sentence: bool,
    suite: String,
    references: Vec<Reference>,
    unproven: Vec<Unproven>,
}

/// Everything that a document names, and the rows of its tables of proofs that name nothing. Where proofs are listed,
/// a name without a suite belongs to the suite before it.
pub(crate) fn of_document(document: &Document) -> (Vec<Reference>, Vec<Unproven>) {
    let mut reader = Reader::default();
    for (index, line) in document.text.lines().enumerate() {
        reader.read(index + 1, line);
    }
    (reader.references, reader.unproven)
}

impl Reader {
    fn read(&mut self, number: usize, line: &str) {
        let stated = statement(line).map(|(stated, _)| stated);
        if line.starts_with('#') {
            self.section = stated;
        }
        let proves = stated.or(self.section);
        if !line.starts_with(' ') {
            self.in_sentence = false;
            self.suite.clear();
        }
        if line.starts_with('|') {
            self.row(number, line, proves);
        } else {
            self.in_table = false;
            self.prose(number, line, proves);
        }
    }

    fn row(&mut self, number: usize, line: &str, proves: Option<Number>) {
        let cell = last_cell(line);
        if cell == COLUMN {
            self.in_table = true;
        } else if !is_rule(cell) {
            let before = self.references.len();
            self.spans(number, cell, proves, self.in_table);
            let named = &self.references[before..];
            if self.in_table && !named.iter().any(|reference| reference.test.is_some()) {
                self.unproven.push(number);
            }
        }
    }

    fn prose(&mut self, number: usize, line: &str, proves: Option<Number>) {
        match line.split_once(SENTENCE) {
            Some((before, after)) => {
                self.spans(number, before, proves, self.in_sentence);
                self.in_sentence = true;
                self.spans(number, after, proves, true);
            }
            None => self.spans(number, line, proves, self.in_sentence),
        }
    }

    /// What stands between back-quotes.
    fn spans(&mut self, line: usize, text: &str, proves: Option<Number>, proving: bool) {
        for span in text.split('`').skip(1).step_by(2) {
            let test = match span.split_once(": ") {
                Some((suite, test)) if is_suite(suite) && is_test(test) => {
                    suite.clone_into(&mut self.suite);
                    Some(test)
                }
                None if proving && is_test(span) => Some(span),
                None if proving && is_suite(span) => {
                    span.clone_into(&mut self.suite);
                    None
                }
                _ => continue,
            };
            self.references.push(Reference {
                line,
                proves,
                suite: self.suite.clone(),
                test: test.map(str::to_owned),
            });
        }
    }
}

fn last_cell(row: &str) -> &str {
    let row = row.trim_end().trim_end_matches('|').trim_end();
    row.rsplit_once("| ").map_or(row, |(_, cell)| cell)
}

/// The line under the head of a table.
fn is_rule(cell: &str) -> bool {
    cell.chars().all(|c| "|-: ".contains(c))
}

fn is_suite(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| is_of_a_name(c) || c == '/')
}

fn is_test(text: &str) -> bool {
    text.contains('_') && text.chars().all(is_of_a_name)
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

impl Reference {
    /// What is wrong with it, if anything is.
    pub(crate) fn trouble(
        &self,
        document: &Document,
        tests: &[Test],
        files: &[RustFile],
    ) -> Option<Finding> {
        let suite = &self.suite;
        let message = match &self.test {
            Some(name) if suite.is_empty() => format!("say in which file `{name}` is"),
            Some(name) => (!tests.iter().any(|test| self.is(test)))
                .then(|| format!("there is no test `{name}` in `{suite}`"))?,
            None => (!files.iter().any(|file| is_of(suite, &file.path)))
                .then(|| format!("there is no suite `{suite}`"))?,
        };
        Some(Finding {
            path: document.path.clone(),
            line: self.line,
            message,
        })
    }

    /// Is it this one?
    pub(crate) fn is(&self, test: &Test) -> bool {
        self.test.as_deref() == Some(&*test.name) && is_of(&self.suite, &test.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<Unproven>) {
        let document = Document {
            path: "docs/A.md".into(),
            text: text.to_owned(),
        };
        let (references, unproven) = of_document(&document);
        let told = references.iter().map(|reference| {
            let proves = reference.proves.map_or_else(String::new, |n| n.to_string());
            let test = reference.test.as_deref().unwrap_or("*");
            format!("{proves} {}/{test}", reference.suite)
        });
        (told.collect(), unproven)
    }

    #[test]
    fn a_section_names_its_proofs_and_what_else_stands_there_is_left_alone() {
        let text = "## G6 Hand-offs\nas `a_word` says\n- **Held by** `core/lease.rs` (`may_start`)\n\
                    - **Proven by** `end_to_end: g6_a`, `g6_b` (nine ways);\n  `core/acks`, `Progress::Done`, `s4_c`\n\
                    - and `x/y: z_z`\n## Positions\n`p: q_q`\n";
        let expected = [
            "G6 end_to_end/g6_a",
            "G6 end_to_end/g6_b",
            "G6 core/acks/*",
            "G6 core/acks/s4_c",
            "G6 x/y/z_z",
            " p/q_q",
        ];
        let expected: Vec<String> = expected.map(str::to_owned).to_vec();
        assert_eq!(read(text), (expected, vec![]));
    }

    #[test]
    fn every_row_under_proven_by_names_a_test() {
        let text = "| # | what | proven by |\n|--:|---|---|\n| 12 | `a: b_b` | `c: d_d`, `e_e` |\n| 13 | x | none |\n\n\
                    | setting | kept by |\n|---|---|\n| x | `max` |\n";
        let (told, unproven) = read(text);
        assert_eq!(told, ["failure 12 c/d_d", "failure 12 c/e_e"]);
        assert_eq!(unproven, [4]);
    }
}
