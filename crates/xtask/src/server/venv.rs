//! A Python environment of our own under the target folder, with what `tests/requirements.txt` pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::failure::Failure;
use crate::process::capture;
use crate::workspace::Workspace;

/// What the pinned packages need.
const OLDEST_PYTHON: &str = "(3, 10)";

/// The folder of a complete environment.
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder
            .join(if cfg!(windows) { "Scripts" } else { "bin" })
            .join(name)
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.program("python")
    }
}

/// The name of a Python that is new enough and can make environments.
pub(crate) fn python() -> Option<&'static str> {
    let probe =
        format!("import ensurepip, sys, venv; sys.exit(sys.version_info < {OLDEST_PYTHON})");
    let can = |name: &&str| capture(Command::new(name).args(["-c", &probe])).is_ok();
    ["python3", "python"].into_iter().find(can)
}

/// Makes the environment, unless it is there and holds what is asked for.
pub(crate) fn ready(workspace: &Workspace) -> Outcome<Venv> {
    let requirements = workspace.root.join("tests/requirements.txt");
    let wanted = fs::read_to_string(&requirements).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", requirements.display()))
    })?;
    let venv = Venv {
        folder: workspace.target.join("server-venv"),
    };
    let note = venv.folder.join("installed.txt");
    if is_complete(&note, &wanted) {
        return Ok(venv);
    }
    make(&venv, &requirements)?;
    // Written last: an installation that was interrupted is done again.
    fs::write(&note, wanted)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", note.display())))?;
    Ok(venv)
}

fn is_complete(note: &Path, wanted: &str) -> bool {
    fs::read_to_string(note).is_ok_and(|installed| installed == wanted)
}

fn make(venv: &Venv, requirements: &Path) -> Outcome {
    let python = python().ok_or_else(|| Failure::new("there is no Python 3.10 with `venv`"))?;
    capture(
        Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(&venv.folder),
    )?;
    let mut install = Command::new(venv.python());
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    capture(install.arg("--requirement").arg(requirements))
        .map(drop)
        .map_err(|failure| failure.advice("is the Python package index within reach?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_without_its_note_is_not_complete() {
        assert!(!is_complete(Path::new("/nowhere/installed.txt"), ""));
    }
}
