//! A server in a process of its own that ends when we end, however we end.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::failure::Failure;
use crate::process::{stop, wait_until};
use crate::workspace::Workspace;

/// Starts a program and ends it when standard input closes: that happens even if we are killed.
const SUPERVISOR: &str = include_str!("supervisor.py");

const ASK_EVERY: Duration = Duration::from_millis(50);
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// A running server.
pub(super) struct Server {
    name: &'static str,
    supervisor: Child,
    log: PathBuf,
    url: String,
}

impl Server {
    /// Starts the command under the supervisor, with everything it says in a log.
    pub(super) fn start(
        name: &'static str,
        command: &Command,
        python: &Path,
        folder: &Path,
    ) -> Outcome<Self> {
        let log = folder.join(format!("{name}.log"));
        let cannot = |what: &str, error| Failure::new(format!("cannot {what} for {name}: {error}"));
        let said = File::create(&log).map_err(|error| cannot("write a log", error))?;
        let also = said
            .try_clone()
            .map_err(|error| cannot("write a log", error))?;
        let mut supervisor = Command::new(python);
        supervisor
            .args(["-c", SUPERVISOR])
            .arg(command.get_program())
            .args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            supervisor.current_dir(folder);
        }
        supervisor.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let supervisor = supervisor
            .stdin(Stdio::piped())
            .stdout(said)
            .stderr(also)
            .spawn()
            .map_err(|error| cannot("start a process", error))?;
        Ok(Self {
            name,
            supervisor,
            log,
            url: String::new(),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the port answers HTTP.
    pub(super) fn wait_for_port(mut self, port: u16, limit: Duration) -> Outcome<Self> {
        self.url = format!("http://127.0.0.1:{port}");
        self.wait(limit, |_| answers(port).then(String::new))?;
        Ok(self)
    }

    /// Waits until the server says where it listens: the address follows `words`.
    pub(super) fn wait_for_line(mut self, words: &str, limit: Duration) -> Outcome<Self> {
        self.url = self.wait(limit, |log| address_after(log, words))?;
        Ok(self)
    }

    fn wait(&mut self, limit: Duration, ready: impl Fn(&str) -> Option<String>) -> Outcome<String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = ready(&self.said()) {
                return Ok(found);
            }
            if let Some(status) = wait_until(&mut self.supervisor, Instant::now()) {
                let what = format!("{} ended before it was ready ({status})", self.name);
                return Err(Failure::new(what).output(self.said()));
            }
            if Instant::now() >= deadline {
                let what = format!("{} is not ready after {} s", self.name, limit.as_secs());
                return Err(Failure::new(what).output(self.said()));
            }
            thread::sleep(ASK_EVERY);
        }
    }

    fn said(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into())
            .unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        if wait_until(&mut self.supervisor, Instant::now() + STOPS_WITHIN).is_none() {
            stop(&mut self.supervisor);
        }
    }
}

/// Where servers of a test run keep their files.
pub(super) fn folder(workspace: &Workspace) -> Outcome<PathBuf> {
    let folder = workspace.target.join("server");
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    Ok(folder)
}

/// A port that nobody used a moment ago.
pub(super) fn free_port() -> Outcome<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Failure::new(format!("there is no free port: {error}")))
}

/// Any HTTP answer will do: a connection alone is accepted before a server is ready.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/")
    };
    ask().unwrap_or(false)
}

/// The address in a line such as `listening on http://127.0.0.1:8000`, once the line is complete.
fn address_after(log: &str, words: &str) -> Option<String> {
    let complete = log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let address = complete
        .filter_map(|line| line.split_once(words))
        .map(|(_, rest)| rest.trim());
    address
        .map(str::to_owned)
        .find(|address| address.starts_with("http"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_only_from_a_complete_line() {
        let words = "listening on ";
        assert_eq!(
            address_after("hi\nlistening on http://127.0.0.1:80", words),
            None
        );
        assert_eq!(
            address_after("hi\nlistening on http://127.0.0.1:8001\nmore\n", words).as_deref(),
            Some("http://127.0.0.1:8001")
        );
    }

    #[test]
    fn a_port_where_nobody_listens_does_not_answer() {
        assert!(!answers(free_port().unwrap()));
    }
}
