//! `cargo xtask bench NAME`: one measure, in release mode.

use std::process::Stdio;

use clap::Args;

use crate::Outcome;
use crate::failure::Failure;
use crate::process::{cargo, show};
use crate::workspace::Workspace;

const PACKAGE: &str = "shardkeeper-bench";

#[derive(Args)]
pub(crate) struct Options {
    /// Which measure, for example `read`; further arguments go to it as they are
    name: String,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

impl Options {
    fn passed_on(&self) -> Vec<&str> {
        let json = self.json.then_some("--json");
        std::iter::once(self.name.as_str())
            .chain(json)
            .chain(self.rest.iter().map(String::as_str))
            .collect()
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Outcome {
    if workspace.package(PACKAGE).is_none() {
        return Err(Failure::new(format!(
            "there is no package `{PACKAGE}` in this workspace yet"
        )));
    }
    let mut command = cargo();
    command
        .current_dir(&workspace.root)
        .args(["run", "--release", "--quiet", "--package", PACKAGE, "--"])
        .args(options.passed_on())
        .stdin(Stdio::null());
    let shown = show(&command);
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{shown}` failed ({status})")))
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
    fn a_measure_gets_the_arguments_as_they_were_typed() {
        let line = Line::parse_from(["bench", "read", "--pages", "20", "--json"]);
        assert_eq!(
            line.options.passed_on(),
            ["read", "--pages", "20", "--json"]
        );
        let line = Line::parse_from(["bench", "--json", "read"]);
        assert_eq!(line.options.passed_on(), ["read", "--json"]);
    }
}
