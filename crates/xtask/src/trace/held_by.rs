//! The files and functions that a guarantee names as its keepers: they must be there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::rules::Finding;
use crate::sources::{Document, Sources};

const PAGE: &str = "docs/SEMANTICS.md";
const SENTENCE: &str = "- **Held by**";

pub(super) fn troubles(sources: &Sources) -> Vec<Finding> {
    let Some(document) = sources.document(PAGE) else {
        return Vec::new();
    };
    let words = words(sources);
    let mut findings = Vec::new();
    for (line, span) in named(document) {
        let message = if let Some(file) = span.strip_suffix(".rs") {
            let here = |path: &Path| sources.rust.iter().any(|known| known.path == path);
            (!candidates(file).iter().any(|path| here(path)))
                .then(|| format!("there is no file `{span}`"))
        } else if is_path(span) {
            let known = |word: &str| words.contains(word);
            (!span.split("::").all(known))
                .then(|| format!("nothing in the code is called `{span}`"))
        } else {
            None
        };
        findings.extend(message.map(|message| Finding {
            path: document.path.clone(),
            line,
            message,
        }));
    }
    findings
}

/// What stands between back-quotes where keepers are listed, with its line.
fn named(document: &Document) -> Vec<(usize, &str)> {
    let mut spans = Vec::new();
    let mut listing = false;
    for (index, line) in document.text.lines().enumerate() {
        listing = line.starts_with(SENTENCE) || listing && line.starts_with(' ');
        if listing {
            let quoted = line.split('`').skip(1).step_by(2);
            spans.extend(quoted.map(|span| (index + 1, span)));
        }
    }
    spans
}

/// `core/lease` is in `shardkeeper-core`; without a crate before it a file belongs to the worker.
fn candidates(file: &str) -> [PathBuf; 2] {
    let (first, rest) = file.split_once('/').unwrap_or((file, ""));
    [
        format!("crates/shardkeeper/src/{file}.rs").into(),
        format!("crates/shardkeeper-{first}/src/{rest}.rs").into(),
    ]
}

/// `may_start`, `Held::end`: names, and not a phrase.
fn is_path(span: &str) -> bool {
    span.split("::").all(is_word)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Every word of the code of the crates.
fn words(sources: &Sources) -> BTreeSet<&str> {
    let files = sources
        .rust
        .iter()
        .filter(|file| super::is_product(&file.path));
    files
        .flat_map(|file| file.code.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::RustFile;

    #[test]
    fn keepers_must_be_there() {
        let text = "## G1 x\n- **Held by** `core/lease.rs` (`Held::end`, `Held::gone`), `worker.rs` and\n  `core/no.rs`, \
                    `panic = \"abort\"`\n- **Limits.** `nothing.rs`\n";
        let sources = Sources {
            root: "/w".into(),
            rust: vec![
                RustFile::new(
                    "crates/shardkeeper-core/src/lease.rs",
                    "impl Held { fn end() {} } // gone",
                ),
                RustFile::new("crates/shardkeeper/src/worker.rs", ""),
            ],
            documents: vec![Document {
                path: PAGE.into(),
                text: text.to_owned(),
            }],
        };
        let found: Vec<_> = troubles(&sources)
            .into_iter()
            .map(|f| (f.line, f.message))
            .collect();
        let expected = [
            (2, "nothing in the code is called `Held::gone`".to_owned()),
            (3, "there is no file `core/no.rs`".to_owned()),
        ];
        assert_eq!(found, expected);
    }
}
