//! Rules about single files.

use super::{Finding, line_at};
use crate::scan::code_lines;
use crate::sources::{RustFile, Sources};

/// Beyond this, a file answers more than one question.
const MOST_CODE_LINES: usize = 500;

/// Names under which anything can hide.
const EMPTY_NAMES: &[&str] = &[
    "common", "helper", "helpers", "impl", "manager", "misc", "util", "utils",
];

/// An unbiased `select!` polls its branches in an order of its own dice: no seed can repeat the run.
pub(super) fn selects_are_biased(sources: &Sources) -> Vec<Finding> {
    sources.rust.iter().flat_map(unbiased_selects).collect()
}

fn unbiased_selects(file: &RustFile) -> Vec<Finding> {
    const NAME: &str = "select!";
    let is_call = |at: usize| {
        let before = file.code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    let is_biased = |at: usize| {
        let body = file.code[at + NAME.len()..].trim_start();
        let body = body.trim_start_matches(['{', '(', '[']).trim_start();
        body.strip_prefix("biased")
            .is_some_and(|rest| rest.trim_start().starts_with(';'))
    };
    let calls = file
        .code
        .match_indices(NAME)
        .map(|(at, _)| at)
        .filter(|&at| is_call(at));
    calls
        .filter(|&at| !is_biased(at))
        .map(|at| Finding {
            path: file.path.clone(),
            line: line_at(&file.code, at),
            message: "`select!` must begin with `biased;`, cancellation first".to_owned(),
        })
        .collect()
}

/// A test that is switched off is a test that nobody misses.
pub(super) fn no_test_is_ignored(sources: &Sources) -> Vec<Finding> {
    sources.rust.iter().flat_map(ignored_tests).collect()
}

fn ignored_tests(file: &RustFile) -> Vec<Finding> {
    let attributes = file.code.lines().enumerate().filter(|(_, line)| {
        let squeezed: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        squeezed.contains("#[ignore")
            || squeezed.contains("cfg_attr") && squeezed.contains(",ignore")
    });
    // A comment is blank in `code`; the same characters inside a string are not.
    let fences = file.text.lines().zip(file.code.lines()).enumerate();
    let fences = fences
        .filter(|(_, (line, code))| code.trim().is_empty() && is_ignored_fence(line))
        .map(|(index, (line, _))| (index, line));
    attributes
        .chain(fences)
        .map(|(index, _)| Finding {
            path: file.path.clone(),
            line: index + 1,
            message: "nothing is ignored: mend it or delete it (`no_run` is for what cannot run)"
                .to_owned(),
        })
        .collect()
}

fn is_ignored_fence(line: &str) -> bool {
    let line = line.trim_start();
    let comment = line
        .strip_prefix("///")
        .or_else(|| line.strip_prefix("//!"));
    let fence = comment.and_then(|text| text.trim_start().strip_prefix("```"));
    fence.is_some_and(|words| {
        words
            .split(',')
            .any(|word| word.trim().starts_with("ignore"))
    })
}

/// A file that keeps growing has begun to answer a second question.
pub(super) fn files_answer_one_question(sources: &Sources) -> Vec<Finding> {
    let counted = sources
        .rust
        .iter()
        .map(|file| (file, code_lines(&file.code)));
    counted
        .filter(|&(_, lines)| lines > MOST_CODE_LINES)
        .map(|(file, lines)| Finding {
            path: file.path.clone(),
            line: 1,
            message: format!("{lines} lines of code; the most is {MOST_CODE_LINES}: split it"),
        })
        .collect()
}

/// A file's name says what is in it.
pub(super) fn names_say_something(sources: &Sources) -> Vec<Finding> {
    let empty = |file: &&RustFile| {
        let mut parts = file.path.iter().filter_map(|part| part.to_str());
        parts.any(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")))
    };
    let findings = sources.rust.iter().filter(empty).map(|file| Finding {
        path: file.path.clone(),
        line: 1,
        message: "this name says nothing about what is inside".to_owned(),
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_select_without_biased_is_found_however_it_is_called() {
        let source = "tokio::select! {\n    biased;\n    a => {}\n}\nselect! { a => {} }\n\
                      tokio::select!(\n    // biased;\n    a)\nmy_select! { }\n// select! { }\n";
        assert_eq!(
            lines(&unbiased_selects(&RustFile::new("a.rs", source))),
            [5, 6]
        );
    }

    #[test]
    fn ignored_tests_and_ignored_doc_tests_are_found() {
        let source = "#[ignore = \"slow\"]\n#[cfg_attr(windows, ignore)]\n/// ```ignore\n/// ```\n\
                      //! ```rust,ignore\n/// ```no_run\n// #[ignore]\nlet s = \"#[ignore]\n/// ```ignore\";\n";
        assert_eq!(
            lines(&ignored_tests(&RustFile::new("a.rs", source))),
            [1, 2, 3, 5]
        );
    }

    #[test]
    fn long_files_and_empty_names_are_found() {
        let long = "fn a() {}\n".repeat(MOST_CODE_LINES + 1);
        let sources = Sources {
            root: "/w".into(),
            documents: Vec::new(),
            rust: vec![
                RustFile::new("src/long.rs", long),
                RustFile::new("src/utils.rs", ""),
                RustFile::new("src/common/x.rs", ""),
                RustFile::new("src/commonplace.rs", ""),
            ],
        };
        assert_eq!(files_answer_one_question(&sources).len(), 1);
        assert_eq!(names_say_something(&sources).len(), 2);
    }
}
