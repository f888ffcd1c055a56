//! Rules about what may know what. Cargo keeps the crates apart; these keep the rooms apart.

use std::path::Path;

use super::{Finding, line_at};
use crate::sources::{RustFile, Sources};
use crate::workspace::Workspace;

/// What would let `shardkeeper-core` see the world: runtimes, the SDK, dice, logs, retries.
const NOT_IN_CORE: &[&str] = &[
    "async-std",
    "backoff",
    "fastrand",
    "futures-util",
    "getrandom",
    "log",
    "metrics",
    "rand",
    "shardkeeper",
    "shardkeeper-testkit",
    "tokio",
    "tokio-util",
    "tracing",
];

/// AWS types have one room in the worker; everywhere else they are our own.
pub(super) fn aws_types_stay_in_their_folder(sources: &Sources) -> Vec<Finding> {
    let elsewhere = |file: &&RustFile| {
        is_in(
            file,
            &["crates/shardkeeper/src", "crates/shardkeeper-core/src"],
        ) && !is_in(file, &["crates/shardkeeper/src/aws"])
    };
    let message = "`aws_sdk_*` is named under crates/shardkeeper/src/aws/ only";
    sources
        .rust
        .iter()
        .filter(elsewhere)
        .flat_map(|file| words(file, "aws_sdk_", message))
        .collect()
}

/// docs/adr/0002-backoff-is-fenced.md
pub(super) fn backoff_stays_in_its_file(sources: &Sources) -> Vec<Finding> {
    let elsewhere = |file: &&RustFile| {
        is_in(file, &["crates"])
            && !is_in(file, &["crates/shardkeeper/src/retry.rs", "crates/xtask"])
    };
    let message = "`backoff` is named in crates/shardkeeper/src/retry.rs only";
    sources
        .rust
        .iter()
        .filter(elsewhere)
        .flat_map(|file| words(file, "backoff::", message))
        .collect()
}

/// The manifest says it before any source could.
pub(super) fn core_reaches_for_nothing(workspace: &Workspace) -> Vec<Finding> {
    let Some(core) = workspace.package("shardkeeper-core") else {
        return Vec::new();
    };
    let refused = |name: &&String| NOT_IN_CORE.contains(&name.as_str()) || name.starts_with("aws-");
    let findings = core
        .dependencies
        .iter()
        .filter(refused)
        .map(|name| Finding {
            path: workspace.shorten(&core.manifest).to_owned(),
            line: 1,
            message: format!("core is pure: it must not depend on `{name}`"),
        });
    findings.collect()
}

fn is_in(file: &RustFile, places: &[&str]) -> bool {
    places
        .iter()
        .any(|place| file.path.starts_with(Path::new(place)))
}

fn words(file: &RustFile, word: &str, message: &str) -> Vec<Finding> {
    let starts_a_word = |at: &usize| {
        let before = file.code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    let places = file
        .code
        .match_indices(word)
        .map(|(at, _)| at)
        .filter(starts_a_word);
    places
        .map(|at| Finding {
            path: file.path.clone(),
            line: line_at(&file.code, at),
            message: message.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Package;

    fn sources(files: &[(&str, &str)]) -> Sources {
        let rust = files
            .iter()
            .map(|&(path, text)| RustFile::new(path, text))
            .collect();
        Sources {
            root: "/w".into(),
            rust,
            documents: Vec::new(),
        }
    }

    #[test]
    fn aws_types_may_be_named_in_one_folder_of_the_worker_and_in_the_testkit() {
        let named = "use aws_sdk_dynamodb::Client;\n";
        let found = aws_types_stay_in_their_folder(&sources(&[
            ("crates/shardkeeper/src/aws/leases.rs", named),
            ("crates/shardkeeper/src/worker.rs", named),
            (
                "crates/shardkeeper/src/error.rs",
                "/// like `aws_sdk_dynamodb::Error`\n",
            ),
            ("crates/shardkeeper-testkit/src/lib.rs", named),
        ]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, Path::new("crates/shardkeeper/src/worker.rs"));
    }

    #[test]
    fn backoff_may_be_named_in_one_file() {
        let named = "use backoff::backoff::Backoff;\nlet x = my_backoff::new();\n";
        let found = backoff_stays_in_its_file(&sources(&[
            ("crates/shardkeeper/src/retry.rs", named),
            ("crates/shardkeeper/src/worker.rs", named),
        ]));
        assert_eq!(
            found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [1, 1]
        );
    }

    #[test]
    fn core_must_not_depend_on_the_world() {
        let core = Package {
            name: "shardkeeper-core".to_owned(),
            version: "0.1.0".to_owned(),
            manifest: "/w/crates/shardkeeper-core/Cargo.toml".into(),
            publishable: true,
            dependencies: ["serde", "tokio", "aws-sdk-dynamodb"]
                .map(str::to_owned)
                .into(),
        };
        let workspace = Workspace {
            root: "/w".into(),
            target: "/w/target".into(),
            packages: vec![core],
        };
        assert_eq!(core_reaches_for_nothing(&workspace).len(), 2);
    }
}
