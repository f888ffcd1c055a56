//! Starts this program again, as the server or as a client.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use clap::ValueEnum;

use crate::Outcome;
use crate::client::{self, Sample};
use crate::serve::Ready;

/// The server's process. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    endpoint: String,
}

impl ServerProcess {
    /// Waits until the server has its backlog and can be asked.
    pub(crate) fn start(pages: u32) -> Outcome<Self> {
        let mut child = this_program()?
            .args(["serve", "--pages", &pages.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let mut server = Self {
            child,
            endpoint: String::new(),
        };
        let ready: Ready =
            serde_json::from_str(&line).map_err(|_| "the server could not be started")?;
        server.endpoint = ready.endpoint;
        Ok(server)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

fn this_program() -> Outcome<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

fn name_of(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|name| name.get_name().to_owned())
        .unwrap_or_default()
}
