//! A program of ours in a process of its own, and the lines it prints.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines that may wait to be read by a test.
const LINES_IN_FLIGHT: usize = 4096;

/// A running program. It is killed when the test forgets it.
pub(crate) struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    /// Starts `examples/<name>` or another program that the workspace builds; what it says on standard
    /// error is shown with the test.
    #[expect(
        clippy::disallowed_methods,
        reason = "a pipe has to be read while the test waits"
    )]
    pub(crate) fn start(name: &str, endpoint_url: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(programs().join(name))
            .args(arguments)
            .env("AWS_ENDPOINT_URL", endpoint_url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let (sender, lines) = sync_channel(LINES_IN_FLIGHT);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let name = name.to_owned();
        Self { name, child, lines }
    }

    /// Waits for lines until `enough` of those seen so far says so.
    pub(crate) fn read_until(&mut self, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = now() + PATIENCE;
        let mut seen = Vec::new();
        while !enough(&seen) {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(now()))
            {
                Ok(line) => seen.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("{} said only {seen:#?}", self.name),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().expect("it is our child");
                    panic!("{} ended ({status}) and said {seen:#?}", self.name);
                }
            }
        }
        seen
    }

    /// Asks it to end, as a deploy would, and waits until it has. Returns what else it said.
    #[expect(
        clippy::disallowed_methods,
        reason = "a process can only be asked again"
    )]
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Vec<String>) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(
            asked.is_ok_and(|status| status.success()),
            "SIGTERM was not sent"
        );
        let deadline = now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return (status, self.lines.iter().collect());
            }
            assert!(now() < deadline, "{} does not end", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "processes live in real time")]
fn now() -> Instant {
    Instant::now()
}

fn programs() -> PathBuf {
    crate::surroundings::variable("SHARDKEEPER_PROGRAMS").into()
}
