//! What no compiler checks here. Each rule looks at the sources and names every line that breaks it.

mod documents;
mod layers;
mod permissions;
mod style;

use std::fmt;
use std::path::PathBuf;

use crate::Outcome;
use crate::failure::Failure;
use crate::sources::Sources;
use crate::workspace::Workspace;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: PathBuf,
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// Every rule, and what it is called when it is broken.
const RULES: &[fn(&Sources) -> Vec<Finding>] = &[
    style::selects_are_biased,
    style::no_test_is_ignored,
    style::files_answer_one_question,
    style::names_say_something,
    layers::aws_types_stay_in_their_folder,
    layers::backoff_stays_in_its_file,
    documents::links_lead_somewhere,
    documents::code_in_the_readme_is_an_example,
    permissions::are_what_is_called_and_explained,
];

pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let sources = Sources::read(workspace)?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&sources)).collect();
    findings.extend(layers::core_reaches_for_nothing(workspace));
    if findings.is_empty() {
        return Ok(());
    }
    let count = findings.len();
    let lines: String = findings.iter().map(Finding::to_string).collect();
    Err(Failure::new(format!("{count} places break the rules of this workspace")).output(lines))
}

/// The number of the line that holds the byte at `offset`, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text[..offset].matches('\n').count()
}
