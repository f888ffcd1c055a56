//! The build that can make mistakes: the same sources with one cfg, for crates of this workspace alone.
//!
//! This program is cargo's `RUSTC_WORKSPACE_WRAPPER` then, which cargo starts in place of the compiler for members of the
//! workspace. Cargo keeps what a wrapper built apart from what the compiler built, so no dependency is built again,
//! the ordinary build stays as it is, and no flag can slip into it.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::Outcome;
use crate::failure::Failure;

/// See crates/shardkeeper-core/src/planted.rs.
const CFG: &str = "shardkeeper_planted";

/// Has a cargo command build with the cfg.
pub(crate) fn build_with(command: &mut Command) -> Outcome {
    let itself = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    command.env("RUSTC_WORKSPACE_WRAPPER", itself);
    Ok(())
}

/// `Some` when cargo started this program in place of the compiler, whose path is the first word then.
pub(crate) fn as_compiler() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let compiler = words.next().filter(|word| is_compiler(word))?;
    let words: Vec<OsString> = words.collect();
    let status = Command::new(compiler)
        .args(words)
        .args(["--cfg", CFG])
        .status();
    let code = status.ok().and_then(|status| status.code());
    Some(code.map_or(ExitCode::FAILURE, |code| {
        ExitCode::from(code.clamp(0, 255) as u8)
    }))
}

fn is_compiler(word: &OsStr) -> bool {
    Path::new(word).file_stem() == Some(OsStr::new("rustc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_to_the_compiler_makes_this_program_a_compiler() {
        assert!(is_compiler(OsStr::new("rustc")));
        assert!(is_compiler(OsStr::new("/a/toolchain/bin/rustc")));
        assert!(!is_compiler(OsStr::new("sim")));
        assert!(!is_compiler(OsStr::new("--planted")));
    }
}
