//! Which code was it? A range can only be run again with the same.

use std::process::Command;

/// Digits that are enough to find it.
const DIGITS: &str = "--short=10";

/// Git's name for everything below `crates`. It stays the same when only documents, or the ledger itself, change.
pub(super) fn of_the_sources() -> Result<String, String> {
    let changed = git(&["status", "--porcelain", "--", ":/crates", ":/Cargo.lock"])?;
    if !changed.is_empty() {
        return Err(
            "the sources have changes that are not committed: nobody could run these seeds again"
                .into(),
        );
    }
    git(&["rev-parse", DIGITS, "HEAD:crates"])
}

fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(arguments)
        .output()
        .map_err(|error| format!("git cannot be asked for the version: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
