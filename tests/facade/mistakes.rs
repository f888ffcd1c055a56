//! Likely mistakes do not compile, and the compiler says why in words that help.
//!
//! Each file of tests/mistakes/ is one mistake, with the words that must appear. They are built by Cargo in one go,
//! with what the other tests were built with, so only they themselves are compiled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn every_likely_mistake_is_refused_in_words_that_help() {
    let mistakes = mistakes();
    assert!(!mistakes.is_empty());
    let said = compile(&mistakes);
    for (name, path) in &mistakes {
        let errors = said.get(name.as_str()).map_or("", String::as_str);
        let source = std::fs::read_to_string(path).unwrap();
        let mut wanted = source.lines().filter_map(|line| line.strip_prefix("//~ "));
        let missing = wanted.find(|words| !errors.contains(words));
        assert_eq!(missing, None, "{name} should say so; it says:\n{errors}");
        assert!(!errors.is_empty(), "{name} compiles");
    }
}

/// The files, by the names of their targets in Cargo.toml.
fn mistakes() -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mistakes");
    let files = std::fs::read_dir(folder).unwrap();
    let named = files.map(|file| {
        let path = file.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        (format!("mistake_{stem}"), path)
    });
    named.collect()
}

/// What the compiler says of each target.
fn compile(mistakes: &BTreeMap<String, PathBuf>) -> BTreeMap<String, String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // The whole workspace is named for its features; only the mistakes are built.
        .args(["build", "--workspace", "--keep-going", "--quiet"])
        .args(["--features", "shardkeeper-tests/mistakes"])
        .arg("--message-format=json");
    for name in mistakes.keys() {
        command.args(["--example", name]);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success(), "every mistake compiles");
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if let Some(text) = message["message"]["rendered"].as_str() {
            let target = message["target"]["name"].as_str().unwrap_or_default();
            said.entry(target.to_owned()).or_default().push_str(text);
        }
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!said.is_empty(), "Cargo could not even begin:\n{stderr}");
    said
}
