//! A campaign as one starts it: it goes on where it ended, repeats nothing, and survives a pulled plug.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn ledger(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_file(&path));
    path
}

fn campaign(ledger: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shardkeeper-sim"))
        .args(["--campaign", "--range", "2", "--for", "0s"])
        .args(["--code-version", "tested", "--ledger"])
        .arg(ledger)
        .args(more)
        .output()
        .expect("it starts")
}

/// The first and the last seed of each line.
fn ranges(ledger: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(ledger).expect("a ledger");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[1].to_owned(), words[2].to_owned())
        })
        .collect()
}

fn range(first: u64, last: u64) -> (String, String) {
    (first.to_string(), last.to_string())
}

#[test]
fn a_campaign_goes_on_where_it_ended_and_a_torn_line_is_run_again() {
    let ledger = ledger("resumed.tsv");
    assert!(campaign(&ledger, &["--cores", "1"]).status.success());
    assert_eq!(ranges(&ledger), [range(2001, 2002)]);
    let first = fs::read_to_string(&ledger).expect("a ledger");

    fs::write(&ledger, format!("{first}tested      2003     2004   2")).expect("written");
    assert!(campaign(&ledger, &[]).status.success());
    assert_eq!(ranges(&ledger), [range(2001, 2002), range(2003, 2004)]);
    let second = fs::read_to_string(&ledger).expect("a ledger");
    assert!(second.starts_with(&first), "what was written stays");
}

#[test]
fn a_ledger_that_makes_no_sense_is_left_alone() {
    let ledger = ledger("nonsense.tsv");
    fs::write(&ledger, "nonsense\n").expect("written");
    let output = campaign(&ledger, &[]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("line 1: there is no first"), "{said}");
    assert_eq!(fs::read_to_string(&ledger).expect("it"), "nonsense\n");
}

#[test]
fn the_same_range_has_the_same_hash_on_one_core_and_on_two() {
    let hashes = ["1", "2"].map(|cores| {
        let ledger = ledger(&format!("hashed-on-{cores}.tsv"));
        assert!(campaign(&ledger, &["--cores", cores]).status.success());
        let text = fs::read_to_string(&ledger).expect("a ledger");
        let line = text.lines().last().expect("a line");
        line.split_whitespace().nth(7).map(ToOwned::to_owned)
    });
    assert!(hashes[0].is_some());
    assert_eq!(hashes[0], hashes[1]);
}
