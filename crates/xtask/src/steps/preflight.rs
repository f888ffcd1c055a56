//! Is everything here that the chosen steps need? Asked before the first of them, and all at once.

use std::process::Command;

use super::{Step, Tool};
use crate::Outcome;
use crate::failure::Failure;
use crate::process::{capture, cargo};
use crate::server::venv;

pub(crate) fn check(steps: &[Step]) -> Outcome {
    let needed: Vec<Tool> = steps
        .iter()
        .flat_map(|step| step.needs.iter().copied())
        .collect();
    let tools = [Tool::Rustfmt, Tool::Clippy, Tool::CCompiler, Tool::Python];
    let missing: Vec<&str> = tools
        .into_iter()
        .filter(|tool| needed.contains(tool) && !is_here(*tool))
        .map(how_to_install)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new("something is missing on this machine")
        .output(
            missing
                .iter()
                .map(|line| format!("missing: {line}\n"))
                .collect::<String>(),
        )
        .advice("install what is named above, or choose steps that can run: --list, --only STEP"))
}

fn is_here(tool: Tool) -> bool {
    match tool {
        Tool::Rustfmt => capture(cargo().args(["fmt", "--version"])).is_ok(),
        Tool::Clippy => capture(cargo().args(["clippy", "--version"])).is_ok(),
        Tool::CCompiler => c_compiler_is_here(),
        Tool::Python => venv::python().is_some(),
    }
}

/// The TLS library of the AWS SDK is built from C. The `cc` crate finds compilers by these same names.
fn c_compiler_is_here() -> bool {
    let named = std::env::var("CC").ok();
    let names = named
        .as_deref()
        .into_iter()
        .chain(["cc", "gcc", "clang", "cl"]);
    names
        .into_iter()
        .any(|name| Command::new(name).arg("--version").output().is_ok())
}

fn how_to_install(tool: Tool) -> &'static str {
    match tool {
        Tool::Rustfmt => "rustfmt. Install it: rustup component add rustfmt",
        Tool::Clippy => "clippy. Install it: rustup component add clippy",
        Tool::CCompiler => {
            "a C compiler. Install it: apt-get install gcc libc6-dev (or your system's)"
        }
        Tool::Python => {
            "Python 3.10 or later with its `venv` module. Install it: apt-get install python3 python3-venv \
             (or your system's)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_need_nothing_start_on_any_machine() {
        assert!(check(&[]).is_ok());
    }

    #[test]
    fn every_missing_tool_comes_with_the_way_to_install_it() {
        for tool in [Tool::Rustfmt, Tool::Clippy, Tool::CCompiler, Tool::Python] {
            assert!(how_to_install(tool).contains("Install it: "), "{tool:?}");
        }
    }
}
