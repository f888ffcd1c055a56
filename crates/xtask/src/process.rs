//! Starting other programs, never for longer than a bound.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::failure::Failure;

/// Lines of output that may wait to be looked at.
const LINES_IN_FLIGHT: usize = 1024;

/// `cargo`, the one that started us, without what `cargo run` told us about our own package: build scripts
/// would see it, and build their crates again.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for (name, _) in std::env::vars_os() {
        let about_us = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if about_us {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program, keeps its output to itself, and returns what it wrote to standard output.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(
        Failure::new(format!("`{shown}` failed ({})", output.status))
            .output(format!("{stdout}{stderr}")),
    )
}

/// Runs a program whose output people watch; also hands each line of standard output to `see`.
///
/// The program is killed when it runs for longer than `limit`.
pub(crate) fn watch(
    command: &mut Command,
    limit: Duration,
    mut see: impl FnMut(&str),
) -> Outcome<()> {
    let shown = show(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))?;
    let lines = lines_of(child.stdout.take().expect("standard output is piped"));
    let deadline = Instant::now() + limit;
    let status = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                see(&line);
            }
            Err(RecvTimeoutError::Timeout) => break None,
            Err(RecvTimeoutError::Disconnected) => break wait_until(&mut child, deadline),
        }
    };
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Failure::new(format!("`{shown}` failed ({status})"))),
        None => {
            stop(&mut child);
            Err(Failure::new(format!(
                "`{shown}` did not end within {} s",
                limit.as_secs()
            )))
        }
    }
}

/// The lines of a stream, read by a thread so that waiting for one can have a bound.
fn lines_of(stream: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = sync_channel(LINES_IN_FLIGHT);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

/// Polls until the child has ended or the deadline has passed; the standard library cannot wait with a bound.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Kills a child and takes it off the process table.
pub(crate) fn stop(child: &mut Child) {
    // An error means that it has ended already, which is what we want.
    let _ = child.kill();
    let _ = child.wait();
}

/// The command line, as a person would type it.
pub(crate) fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(std::ffi::OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_person_would_type_it() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["test", "--workspace"]);
        assert_eq!(show(&command), "cargo test --workspace");
    }

    #[test]
    fn cargo_is_not_told_about_our_own_package() {
        let command = cargo();
        let removed = command.get_envs().filter(|(_, value)| value.is_none());
        assert!(
            removed.count() > 0,
            "cargo test sets CARGO_PKG_NAME and more for us"
        );
    }
}
