//! `cargo xtask sim`: the adversary, in the ordinary development profile, which optimises what it spends its time in.

use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;

use crate::Outcome;
use crate::failure::Failure;
use crate::planted;
use crate::process::{cargo, show, watch};
use crate::steps::Task;
use crate::totals::Totals;
use crate::workspace::Workspace;

const PACKAGE: &str = "shardkeeper-sim";

/// Seeds of `cargo xtask test`.
const SEEDS: &str = "2000";

/// Includes building; the seeds themselves take some minutes on two cores.
const ENDS_WITHIN: Duration = Duration::from_secs(30 * 60);

#[derive(Args)]
pub(crate) struct Options {
    /// Passed on as it is; `cargo xtask sim -- --help` says what there is
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Outcome {
    let rest = options.rest.iter().map(String::as_str);
    let mut command = program(workspace, rest);
    let plants = |word: &String| word == "--planted" || word.starts_with("--planted=");
    if options.rest.iter().any(plants) {
        planted::build_with(&mut command)?;
    }
    let shown = show(&command);
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{shown}` failed ({status})")))
}

/// The step of `cargo xtask test`.
pub(crate) fn step(task: &Task<'_>) -> Outcome<Totals> {
    let mut command = program(
        task.workspace,
        ["--seeds", SEEDS, "--twice", "50"].into_iter(),
    );
    watch(&mut command, ENDS_WITHIN, |_| {}).map(|()| Totals::default())
}

fn program<'a>(workspace: &Workspace, arguments: impl Iterator<Item = &'a str>) -> Command {
    let mut command = cargo();
    command
        .current_dir(&workspace.root)
        .args(["run", "--quiet", "--package", PACKAGE, "--"])
        .args(arguments)
        .stdin(Stdio::null());
    command
}
