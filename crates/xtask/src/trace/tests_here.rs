//! The tests that there are, and the suites in which documents look for them.

use std::path::{Path, PathBuf};

use crate::sources::{RustFile, Sources};

/// One test function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) path: PathBuf,
    pub(crate) line: usize,
    pub(crate) name: String,
}

pub(crate) fn all(sources: &Sources) -> Vec<Test> {
    sources.rust.iter().flat_map(of_file).collect()
}

fn of_file(file: &RustFile) -> Vec<Test> {
    let mut tests = Vec::new();
    let mut announced = false;
    for (index, line) in file.code.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            announced = true;
        } else if let Some(name) = function(line).filter(|_| announced) {
            announced = false;
            tests.push(Test {
                path: file.path.clone(),
                line: index + 1,
                name: name.to_owned(),
            });
        }
    }
    tests
}

/// The name of the function that begins in this line of code.
fn function(line: &str) -> Option<&str> {
    let after = line.split_once("fn ")?.1;
    after.split_once(['(', '<']).map(|(name, _)| name)
}

/// Is this file part of the suite? `failover/crashes` is `tests/failover/crashes.rs`, `core/lease` is a module of
/// `shardkeeper-core`; a folder is a suite with everything in it.
pub(crate) fn is_of(suite: &str, path: &Path) -> bool {
    let inside = |root: &Path| root.with_extension("rs") == path || path.starts_with(root);
    let (first, rest) = suite.split_once('/').unwrap_or((suite, ""));
    let unit = |krate: String| inside(&Path::new("crates").join(krate).join("src").join(rest));
    inside(&Path::new("tests").join(suite))
        || unit(first.to_owned())
        || unit(format!("shardkeeper-{first}"))
}

/// What documents call the file of a test.
pub(crate) fn suite(path: &Path) -> String {
    let path = path.with_extension("");
    let text = path.to_string_lossy();
    let Some(unit) = text.strip_prefix("crates/") else {
        return text.strip_prefix("tests/").unwrap_or(&text).to_owned();
    };
    let unit = unit.strip_prefix("shardkeeper-").unwrap_or(unit);
    unit.replacen("/src", "", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_that_are_announced_as_tests_are_tests() {
        let text = "#[tokio::test(start_paused = true)]\nasync fn g1_a() {}\nfn not_one() {}\n\
                    // #[test]\nfn nor_this() {}\n  #[test]\n  fn random(a in any::<u8>()) {}\n";
        let found = of_file(&RustFile::new("tests/x.rs", text));
        let names: Vec<_> = found.iter().map(|test| (test.line, &*test.name)).collect();
        assert_eq!(names, [(2, "g1_a"), (7, "random")]);
    }

    #[test]
    fn a_suite_is_a_file_a_folder_or_a_module() {
        for (suite, path) in [
            ("failover/crashes", "tests/failover/crashes.rs"),
            ("failover", "tests/failover/crashes.rs"),
            ("end_to_end", "tests/end_to_end.rs"),
            ("core/lease", "crates/shardkeeper-core/src/lease.rs"),
            (
                "shardkeeper/aws/records",
                "crates/shardkeeper/src/aws/records.rs",
            ),
        ] {
            assert!(is_of(suite, Path::new(path)), "{suite}");
        }
        assert!(!is_of(
            "failover/crash",
            Path::new("tests/failover/crashes.rs")
        ));
        assert!(!is_of(
            "core/lease",
            Path::new("crates/shardkeeper/src/lease.rs")
        ));
    }

    #[test]
    fn a_file_has_one_name_in_documents() {
        for path in [
            "tests/failover/crashes.rs",
            "crates/shardkeeper-core/src/lease.rs",
            "crates/shardkeeper/src/retry.rs",
        ] {
            let path = Path::new(path);
            assert!(is_of(&suite(path), path), "{}", suite(path));
        }
    }
}
