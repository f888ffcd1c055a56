//! Starts this program again, as the server or as a client.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Outcome;
use crate::client::{self, Sample};

/// The server's process. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    output: BufReader<ChildStdout>,
    input: ChildStdin,
}

impl ServerProcess {
    /// Waits until the server can be asked; it says so in one line.
    pub(crate) fn start<Ready: DeserializeOwned>(arguments: &[&str]) -> Outcome<(Self, Ready)> {
        let mut child = this_program()?
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or("the server has no pipes")?;
        let mut server = Self {
            child,
            output: BufReader::new(output),
            input,
        };
        let ready = server
            .hear()
            .map_err(|_| "the server could not be started")?;
        Ok((server, ready))
    }

    /// Tells it something that it answers with one line.
    pub(crate) fn tell<Answer: DeserializeOwned>(&mut self, line: &str) -> Outcome<Answer> {
        writeln!(self.input, "{line}")?;
        self.hear()
    }

    fn hear<Said: DeserializeOwned>(&mut self) -> Outcome<Said> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For a process that measures itself and is heard by who started it: says what came of it, in one line.
pub(crate) fn say_measured<Sample: Serialize>(
    measure: impl Future<Output = Outcome<Sample>>,
) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let sample = runtime.block_on(measure)?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(&sample)?)?;
    output.flush()?;
    // A worker is still at work, and leaves its leases behind: the next one is another application.
    runtime.shutdown_background();
    Ok(())
}

/// Runs one client to its end.
pub(crate) fn run_client(job: &client::Options) -> Outcome<Sample> {
    let output = this_program()?
        .args(["client", &name_of(job.kind)])
        .args(["--endpoint", &job.endpoint])
        .args(["--size", &name_of(job.size)])
        .args(["--pages", &job.pages.to_string()])
        .args(["--wait-micros", &job.wait_micros.to_string()])
        .args(["--deadline-seconds", &job.deadline_seconds.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        let (kind, size) = (job.kind, job.size.label());
        return Err(format!("{kind:?} failed with records of {size} ({})", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// This program, to be started once more.
pub(crate) fn this_program() -> Outcome<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

fn name_of(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|name| name.get_name().to_owned())
        .unwrap_or_default()
}
