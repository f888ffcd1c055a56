//! The twenty lines of the README, in a process of their own, on a table that another program writes.

use crate::program::Program;
use crate::surroundings::Surroundings;

/// The application of `examples/hello.rs` reads one table, so every run on a server uses the same.
const TABLE: &str = "hello-boto3";

#[test]
fn hello_prints_what_boto3_wrote_and_ends_when_told_to() {
    let surroundings = Surroundings::get();
    // A server that a person supplies may hold the records of earlier runs.
    let prefix = surroundings.table("run");
    let output = surroundings
        .write_with_boto3(TABLE, "NEW_AND_OLD_IMAGES")
        .args(["--count", "5", "--prefix", &prefix])
        .output()
        .expect("Python starts");
    let written = String::from_utf8(output.stdout).expect("the script prints text");
    assert!(output.status.success(), "{written}");
    let mut expected: Vec<String> = written.lines().map(as_hello_prints_it).collect();

    let ours = |line: &&String| line.contains(&prefix);
    let mut hello = Program::start("examples/hello", &surroundings.endpoint_url, &[TABLE]);
    let mut said = hello.read_until(|said| said.iter().filter(ours).count() >= expected.len());
    let (status, rest) = hello.terminate();
    assert!(status.success(), "{status}");

    said.extend(rest);
    let mut printed: Vec<String> = said
        .iter()
        .filter(ours)
        .map(|line| squeezed(line))
        .collect();
    // Items may live in different shards, so only the order within an item is sure.
    printed.sort_by(|a, b| keys(a).cmp(keys(b)));
    expected.sort_by(|a, b| keys(a).cmp(keys(b)));
    assert_eq!(printed, expected);
}

/// A line of the script, `{"keys": ..., "kind": ...}`, as `hello` prints the record.
fn as_hello_prints_it(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let kind = line["kind"].as_str().expect("a kind");
    format!("{kind} {}", line["keys"])
}

/// Without the blanks that some servers write into their JSON.
fn squeezed(line: &str) -> String {
    line.replace("\": ", "\":")
}

fn keys(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(_, keys)| keys)
}
