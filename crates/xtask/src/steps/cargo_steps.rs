//! The steps that Cargo does.
//!
//! All of them speak about the whole workspace with the same features: a step that chose one package would
//! unify features differently and build the AWS SDK once more.

use std::process::Command;
use std::time::Duration;

use super::Task;
use crate::Outcome;
use crate::process::{capture, cargo, watch};
use crate::totals::{Totals, failed_test};

/// The feature that lets the server suite be built. Every step that looks at it must name it.
pub(crate) const SERVER_FEATURE: &str = "shardkeeper-tests/server";

/// Where tests find the programs that the `build` step made.
pub(crate) const PROGRAMS: &str = "SHARDKEEPER_PROGRAMS";

/// Includes building everything on two cores.
const TESTS_END_WITHIN: Duration = Duration::from_secs(40 * 60);

fn workspace_cargo(task: &Task<'_>, arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.current_dir(&task.workspace.root).args(arguments);
    command
}

fn quietly(command: &mut Command) -> Outcome<Totals> {
    capture(command).map(|_| Totals::default())
}

/// Runs tests, showing what they print, and counts them. The failed ones are named once more at the end.
pub(crate) fn count(command: &mut Command, limit: Duration) -> Outcome<Totals> {
    let mut totals = Totals::default();
    let mut failed = String::new();
    let see = |line: &str| {
        totals.see(line);
        if let Some(name) = failed_test(line) {
            failed.push_str("failed: ");
            failed.push_str(name);
            failed.push('\n');
        }
    };
    match watch(command, limit, see) {
        Ok(()) => Ok(totals),
        Err(failure) => Err(failure.output(failed)),
    }
}

pub(crate) fn format(task: &Task<'_>) -> Outcome<Totals> {
    quietly(&mut workspace_cargo(task, &["fmt", "--all", "--check"]))
}

pub(crate) fn clippy(task: &Task<'_>) -> Outcome<Totals> {
    let mut command = workspace_cargo(task, &["clippy", "--workspace", "--all-targets"]);
    quietly(command.args(["--features", SERVER_FEATURE, "--", "-D", "warnings"]))
}

pub(crate) fn docs(task: &Task<'_>) -> Outcome<Totals> {
    // Libraries only: the program `shardkeeper` would write over the pages of the library `shardkeeper`.
    let mut command = workspace_cargo(task, &["doc", "--workspace", "--no-deps", "--lib"]);
    quietly(command.env("RUSTDOCFLAGS", "-D warnings"))
}

pub(crate) fn build(task: &Task<'_>) -> Outcome<Totals> {
    quietly(&mut workspace_cargo(
        task,
        &["build", "--workspace", "--bins", "--examples"],
    ))
}

pub(crate) fn test(task: &Task<'_>) -> Outcome<Totals> {
    let mut command = workspace_cargo(
        task,
        &[
            "test",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ],
    );
    command.env(PROGRAMS, task.workspace.programs());
    count(&mut command, TESTS_END_WITHIN)
}

pub(crate) fn doctest(task: &Task<'_>) -> Outcome<Totals> {
    let mut command = workspace_cargo(task, &["test", "--workspace", "--doc"]);
    count(&mut command, TESTS_END_WITHIN)
}
