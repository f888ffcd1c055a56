//! The worker processes of a scene, and what is done to them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::journal::{Journal, Member};
use crate::Outcome;
use crate::child::this_program;
use crate::stopwatch::wall_clock;

/// Lines that may wait to be heard. A worker that has to wait for us would spoil the measure.
const LINES_IN_FLIGHT: usize = 65_536;

/// Worker processes of one application, whose lines come together in a journal.
pub(super) struct Fleet {
    endpoint: String,
    application: String,
    processes: BTreeMap<Member, Process>,
    started: usize,
    speak: SyncSender<(Member, Said)>,
    lines: Receiver<(Member, Said)>,
    pub(super) journal: Journal,
}

struct Process {
    child: Child,
    /// Its output is open as long as it lives.
    silent: bool,
    /// It was told to end.
    asked: bool,
}

enum Said {
    Line(String),
    /// It says nothing any more.
    Closed,
}

impl Fleet {
    pub(super) fn new(endpoint: &str, application: &str, shards: &[String]) -> Self {
        let (speak, lines) = sync_channel(LINES_IN_FLIGHT);
        Self {
            endpoint: endpoint.to_owned(),
            application: application.to_owned(),
            processes: BTreeMap::new(),
            started: 0,
            speak,
            lines,
            journal: Journal::of(shards),
        }
    }

    /// Starts one more worker.
    pub(super) fn start(&mut self) -> Outcome<Member> {
        let member = self.started;
        self.started += 1;
        let mut child = this_program()?
            .args(["handover-member", "--endpoint", &self.endpoint])
            .args(["--application", &self.application])
            .args(["--name", &format!("w{member:02}")])
            // Held open: the worker ends when it is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("a worker has no output")?;
        let process = Process {
            child,
            silent: false,
            asked: false,
        };
        self.processes.insert(member, process);
        self.hear_out(member, output)?;
        Ok(member)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a pipe has to be read while the scene goes on"
    )]
    fn hear_out(&self, member: Member, output: ChildStdout) -> Outcome<()> {
        let speak = self.speak.clone();
        std::thread::Builder::new().spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let said = lines.map(Said::Line).chain([Said::Closed]);
            for said in said {
                if speak.send((member, said)).is_err() {
                    return;
                }
            }
        })?;
        Ok(())
    }

    /// Asks a worker to end, as a deploy does. Returns when it was asked.
    pub(super) fn terminate(&mut self, member: Member) -> Outcome<Duration> {
        let process = self.process(member)?;
        process.asked = true;
        let id = Pid::from_child(&process.child);
        let now = wall_clock();
        kill_process(id, Signal::TERM)?;
        Ok(now)
    }

    /// Ends a worker in the middle of whatever it does. Returns when.
    pub(super) fn kill(&mut self, member: Member) -> Outcome<Duration> {
        let process = self.process(member)?;
        process.asked = true;
        let now = wall_clock();
        process.child.kill()?;
        Ok(now)
    }

    fn process(&mut self, member: Member) -> Outcome<&mut Process> {
        let process = self.processes.get_mut(&member);
        Ok(process.ok_or("there is no such worker")?)
    }

    /// Waits until a worker that was told to end has ended, and everything that it said was heard.
    pub(super) fn ended(&mut self, member: Member, bound: Duration) -> Outcome<ExitStatus> {
        self.hear_until(bound, "a worker's end", |fleet| {
            fleet.processes.get(&member).is_none_or(|p| p.silent)
        })?;
        let status = self.process(member)?.child.wait()?;
        self.processes.remove(&member);
        Ok(status)
    }

    /// Hears the workers until the journal says that it is enough.
    pub(super) fn until(
        &mut self,
        bound: Duration,
        what: &str,
        enough: impl Fn(&Journal) -> bool,
    ) -> Outcome<()> {
        self.hear_until(bound, what, |fleet| enough(&fleet.journal))
    }

    /// Hears the workers for so long.
    pub(super) fn pass(&mut self, time: Duration) -> Outcome<()> {
        let end = wall_clock() + time;
        while let Some(left) = end.checked_sub(wall_clock()) {
            self.hear(left)?;
        }
        Ok(())
    }

    fn hear_until(
        &mut self,
        bound: Duration,
        what: &str,
        enough: impl Fn(&Self) -> bool,
    ) -> Outcome<()> {
        let end = wall_clock() + bound;
        while !enough(self) {
            let left = end.checked_sub(wall_clock());
            let left = left.ok_or_else(|| format!("within {bound:?} there was not: {what}"))?;
            self.hear(left)?;
        }
        Ok(())
    }

    /// One line, or nothing within the time.
    fn hear(&mut self, within: Duration) -> Outcome<()> {
        match self.lines.recv_timeout(within) {
            Ok((member, Said::Line(line))) => self.journal.hear(member, &line),
            Ok((member, Said::Closed)) => {
                let process = self.process(member)?;
                process.silent = true;
                if process.asked {
                    return Ok(());
                }
                Err(format!("worker {member} ended though nobody asked it to").into())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err("nobody says anything any more".into()),
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in self.processes.values_mut() {
            // An error means that it has ended already.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
