//! `cargo xtask trace`: what is promised, where the code keeps it, and which tests prove it.

mod held_by;
mod number;
mod references;
mod report;
mod statements;
mod tests_here;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Outcome;
use crate::failure::Failure;
use crate::rules::Finding;
use crate::scan::comments_only;
use crate::sources::{Document, RustFile, Sources};
use crate::workspace::Workspace;
use number::{Family, Number};
use references::Reference;
use tests_here::Test;

#[derive(Args)]
pub(crate) struct Options {
    /// Name every place and every test
    #[arg(long)]
    verbose: bool,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    path: PathBuf,
    line: usize,
}

/// One statement with what stands for it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traced {
    title: String,
    places: BTreeSet<Place>,
    tests: BTreeSet<String>,
}

/// Everything that is numbered, and everything that is wrong with it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    traced: BTreeMap<Number, Traced>,
    findings: Vec<Finding>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Outcome {
    let trace = Trace::of(&Sources::read(workspace)?);
    print!("{}", report::table(&trace, options.verbose));
    if options.json {
        println!("{}", report::json(&trace));
    }
    trace.outcome()
}

/// The same as a step of `cargo xtask test`: silent when all is well.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    Trace::of(&Sources::read(workspace)?).outcome()
}

impl Trace {
    fn of(sources: &Sources) -> Self {
        let mut trace = Self::default();
        for (number, title) in statements::titles(sources) {
            trace.traced.entry(number).or_default().title = title;
        }
        let tests = tests_here::all(sources);
        for file in sources.rust.iter().filter(|file| is_product(&file.path)) {
            trace.cited_by(file);
        }
        for test in &tests {
            for number in Number::of_test(&test.name) {
                trace.proven_by(number, test);
            }
        }
        for document in sources.documents.iter().filter(|page| is_page(page)) {
            trace.told_by(document, &tests, &sources.rust);
        }
        trace.findings.extend(held_by::troubles(sources));
        trace.bare_guarantees();
        trace
            .findings
            .sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
        trace
    }

    fn cited_by(&mut self, file: &RustFile) {
        let comments = comments_only(&file.text, &file.code);
        for (index, comment) in comments.lines().enumerate() {
            let place = Place {
                path: file.path.clone(),
                line: index + 1,
            };
            for number in Number::cited(comment) {
                if let Some(traced) = self.known(number, &place) {
                    traced.places.insert(place.clone());
                }
            }
        }
    }

    fn proven_by(&mut self, number: Number, test: &Test) {
        let place = Place {
            path: test.path.clone(),
            line: test.line,
        };
        if let Some(traced) = self.known(number, &place) {
            traced.tests.insert(name(test));
        }
    }

    fn told_by(&mut self, document: &Document, tests: &[Test], files: &[RustFile]) {
        let (references, unproven) = references::of_document(document);
        for reference in &references {
            self.findings
                .extend(reference.trouble(document, tests, files));
            self.prove(reference, tests);
        }
        self.findings
            .extend(unproven.into_iter().map(|line| Finding {
                path: document.path.clone(),
                line,
                message: "this row names no test".to_owned(),
            }));
    }

    fn prove(&mut self, reference: &Reference, tests: &[Test]) {
        let traced = reference
            .proves
            .and_then(|number| self.traced.get_mut(&number));
        if let Some(traced) = traced {
            let named = tests.iter().filter(|test| reference.is(test));
            traced.tests.extend(named.map(name));
        }
    }

    /// The statement with this number. Rules and holes of the protocol have no list: they are known by being cited.
    fn known(&mut self, number: Number, place: &Place) -> Option<&mut Traced> {
        if matches!(number.family, Family::Hole | Family::Rule) {
            return Some(self.traced.entry(number).or_default());
        }
        let known = self.traced.get_mut(&number);
        if known.is_none() {
            self.findings.push(Finding {
                path: place.path.clone(),
                line: place.line,
                message: format!("no document states {number}"),
            });
        }
        known
    }

    /// A promise that nothing keeps, or that nothing proves.
    fn bare_guarantees(&mut self) {
        for (number, traced) in &self.traced {
            let missing = match (number.family, traced.places.len(), traced.tests.len()) {
                (Family::Guarantee, 0, _) => format!("no code cites `({number})`"),
                (Family::Guarantee, _, 0) => format!("no test proves {number}"),
                _ => continue,
            };
            self.findings.push(Finding {
                path: "docs/SEMANTICS.md".into(),
                line: 1,
                message: missing,
            });
        }
    }

    fn outcome(&self) -> Outcome {
        if self.findings.is_empty() {
            return Ok(());
        }
        let lines: String = self.findings.iter().map(Finding::to_string).collect();
        let count = self.findings.len();
        Err(Failure::new(format!("{count} things are promised and not traced"))
            .output(lines)
            .advice("CONTRIBUTING.md says how code, tests and documents cite; `cargo xtask trace --verbose` shows what is cited"))
    }
}

fn name(test: &Test) -> String {
    format!("{}: {}", tests_here::suite(&test.path), test.name)
}

/// What users run, and the emulator that plays the service.
fn is_product(path: &Path) -> bool {
    [
        "shardkeeper",
        "shardkeeper-core",
        "shardkeeper-cli",
        "shardkeeper-testkit",
    ]
    .iter()
    .any(|krate| path.starts_with(Path::new("crates").join(krate).join("src")))
}

fn is_page(document: &Document) -> bool {
    document
        .path
        .extension()
        .is_some_and(|extension| extension == "md")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(code: &str, test: &str, page: &str) -> Sources {
        Sources {
            root: "/w".into(),
            rust: vec![
                RustFile::new("crates/shardkeeper/src/worker.rs", code),
                RustFile::new("tests/end_to_end.rs", test),
            ],
            documents: vec![Document {
                path: "docs/SEMANTICS.md".into(),
                text: page.to_owned(),
            }],
        }
    }

    fn messages(sources: &Sources) -> Vec<String> {
        let findings = Trace::of(sources).findings.into_iter();
        findings.map(|finding| finding.message).collect()
    }

    #[test]
    fn a_guarantee_with_code_and_test_is_traced() {
        let sources = world(
            "/// Ends (G1).\nfn end() {}",
            "#[test]\nfn g1_it_ends() {}",
            "## G1 Shutdown\n- **Held by** `worker.rs` (`end`)\n- **Proven by** `end_to_end: g1_it_ends`\n",
        );
        let trace = Trace::of(&sources);
        assert_eq!(trace.findings, []);
        let traced = &trace.traced[&Number::new(Family::Guarantee, 1)];
        assert_eq!(
            (traced.title.as_str(), traced.places.len()),
            ("Shutdown", 1)
        );
        assert_eq!(Vec::from_iter(&traced.tests), ["end_to_end: g1_it_ends"]);
    }

    #[test]
    fn a_guarantee_without_code_or_without_test_is_found() {
        let page = "## G1 Shutdown\n";
        let test = "#[test]\nfn g1_it_ends() {}";
        assert_eq!(
            messages(&world("// \"(G1)\"", test, page)),
            Vec::<String>::new()
        );
        assert_eq!(
            messages(&world("f(\"(G1)\")", test, page)),
            ["no code cites `(G1)`"]
        );
        assert_eq!(messages(&world("// (G1)", "", page)), ["no test proves G1"]);
    }

    #[test]
    fn what_a_page_names_must_be_there() {
        let page = "## G1 Shutdown\n- **Held by** `gone.rs` (`end`)\n- **Proven by** `end_to_end: g1_gone`, `adrift/now`\n";
        let sources = world("// (G1)\nfn end() {}", "#[test]\nfn g1_it_ends() {}", page);
        let expected = [
            "there is no file `gone.rs`",
            "there is no test `g1_gone` in `end_to_end`",
            "there is no suite `adrift/now`",
        ];
        assert_eq!(messages(&sources), expected);
    }

    #[test]
    fn a_number_that_nothing_states_is_found_unless_it_is_a_hole_or_a_rule() {
        let sources = world("// (S9, hole 4)", "#[test]\nfn failure_99_x() {}", "");
        assert_eq!(
            messages(&sources),
            ["no document states S9", "no document states failure 99"]
        );
    }
}
