//! `cargo xtask model`: walks through every state of the lease protocol's model.

use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;

use crate::Outcome;
use crate::failure::Failure;
use crate::process::{cargo, show, watch};
use crate::workspace::Workspace;

const PACKAGE: &str = "shardkeeper-model";

/// Includes building it; the walk itself takes about a minute on an idle core.
const ENDS_WITHIN: Duration = Duration::from_secs(20 * 60);

#[derive(Args)]
pub(crate) struct Options {
    /// Let more go wrong at once, which takes much longer
    #[arg(long)]
    deep: bool,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

impl Options {
    fn passed_on(&self) -> Vec<&str> {
        let deep = self.deep.then_some("--deep");
        let json = self.json.then_some("--json");
        let flags = deep.into_iter().chain(json);
        flags.chain(self.rest.iter().map(String::as_str)).collect()
    }
}

/// The model has optimised code in the development profile, so that it needs no build of its own.
fn command(workspace: &Workspace) -> Command {
    let mut command = cargo();
    command
        .current_dir(&workspace.root)
        .args(["run", "--quiet", "--package", PACKAGE, "--"]);
    command
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Outcome {
    let mut command = command(workspace);
    command.args(options.passed_on()).stdin(Stdio::null());
    let shown = show(&command);
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{shown}` failed ({status})")))
}

/// As a step of `cargo xtask test`.
pub(crate) fn step(workspace: &Workspace) -> Outcome {
    watch(&mut command(workspace), ENDS_WITHIN, |_| {})
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_model_gets_the_arguments_as_they_were_typed() {
        let passed_on = |line: &[&str]| {
            let line = Line::parse_from(std::iter::once(&"model").chain(line));
            line.options.passed_on().join(" ")
        };
        assert_eq!(passed_on(&["--deep", "--json"]), "--deep --json");
        let planted = ["--scenario", "free", "--plant", "force"];
        assert_eq!(passed_on(&planted), "--scenario free --plant force");
    }
}
