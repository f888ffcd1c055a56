//! Tests, and the numbers that their names begin with: `f17_a_listing_is_read_to_its_end` is about F17.

use std::path::PathBuf;

use crate::sources::RustFile;

/// One test function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedTest {
    pub(crate) path: PathBuf,
    pub(crate) line: usize,
    pub(crate) name: String,
    /// `F17`, `B8`: every number that the name begins with.
    pub(crate) about: Vec<String>,
}

/// The tests of a file whose names begin with a number.
pub(crate) fn in_file(file: &RustFile) -> Vec<NamedTest> {
    let mut tests = Vec::new();
    let mut is_test = false;
    for (index, line) in file.code.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(name) = function(line) {
            let about = numbers(name);
            if std::mem::take(&mut is_test) && !about.is_empty() {
                tests.push(NamedTest {
                    path: file.path.clone(),
                    line: index + 1,
                    name: name.to_owned(),
                    about,
                });
            }
        }
    }
    tests
}

/// The name in `async fn name(...)`.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (name, _) = line.strip_prefix("fn ")?.split_once('(')?;
    Some(name)
}

/// The leading words of a name that are a letter and a number.
fn numbers(name: &str) -> Vec<String> {
    name.split('_')
        .take_while(|word| is_number(word))
        .map(str::to_uppercase)
        .collect()
}

fn is_number(word: &str) -> bool {
    let mut characters = word.chars();
    let letter = characters.next().is_some_and(|c| c.is_ascii_lowercase());
    letter && word.len() > 1 && characters.all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_count_and_a_name_may_begin_with_several_numbers() {
        let text = "#[test]\nfn f1_f2_wire() {}\nfn f3_scene() {}\n// #[test]\nfn f4_talk() {}\n\
                    #[tokio::test(start_paused = true)]\n#[expect(x)]\nasync fn s8_f38_end_of_2() {}\n\
                    #[test]\nfn plain_f5() {}\n";
        let found = in_file(&RustFile::new("tests/a.rs", text));
        let found: Vec<(usize, Vec<&str>)> = found
            .iter()
            .map(|test| (test.line, test.about.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(found, [(2, vec!["F1", "F2"]), (8, vec!["S8", "F38"])]);
    }
}
