//! Where a scene plays: a server of its own, a writer, and a fleet.

use std::time::Duration;

use super::fleet::Fleet;
use super::journal::{Counts, Journal, Member};
use super::source::{Ready, STOP, Written};
use crate::Outcome;
use crate::child::ServerProcess;
use crate::distribution::evenly;

/// A fleet that takes longer than this for anything is stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// Workers act once in a beat and look around every other second: whatever is done to them comes at another moment
/// of that each time.
const CYCLE: Duration = Duration::from_secs(2);

/// What every scene is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) shards: usize,
    /// How long a call to the server takes at least.
    pub(super) latency: Duration,
    pub(super) rounds: u32,
}

/// A server, and workers of one application on it.
pub(super) struct Stage {
    server: ServerProcess,
    pub(super) fleet: Fleet,
}

impl Stage {
    pub(super) fn open(application: &str, setting: Setting) -> Outcome<Self> {
        let (shards, millis) = (setting.shards.to_string(), setting.latency.as_millis());
        let millis = millis.to_string();
        let arguments = [
            "handover-source",
            "--shards",
            &shards,
            "--latency-millis",
            &millis,
        ];
        let (server, ready) = ServerProcess::start::<Ready>(&arguments)?;
        let fleet = Fleet::new(&ready.endpoint, application, &ready.shards);
        Ok(Self { server, fleet })
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.fleet.journal
    }

    pub(super) fn counts(&self) -> Counts {
        self.journal().counts
    }

    /// Starts workers, and waits until each has joined the group.
    pub(super) fn start(&mut self, count: usize) -> Outcome<Vec<Member>> {
        let started = (0..count).map(|_| self.fleet.start());
        let started = started.collect::<Outcome<Vec<Member>>>()?;
        self.fleet.until(PATIENCE, "workers that joined", |j| {
            started.iter().all(|member| j.joined.contains(member))
        })?;
        Ok(started)
    }

    /// Waits until these workers share the shards evenly.
    pub(super) fn settle(&mut self, members: &[Member]) -> Outcome<()> {
        self.fleet
            .until(PATIENCE, "a balanced fleet", |j| j.is_balanced(members))
    }

    /// Lets a time pass that is different in every round.
    pub(super) fn drift(&mut self, round: u32) -> Outcome<()> {
        self.fleet.pass(CYCLE.mul_f64(evenly(f64::from(round))))
    }

    /// Waits until other workers have got the first records of all these shards, and says how long that took
    /// from `since`.
    pub(super) fn follow(
        &mut self,
        shards: &[usize],
        from: Member,
        since: Duration,
    ) -> Outcome<Vec<Duration>> {
        let first = |j: &Journal, shard: &usize| j.first_elsewhere(*shard, from, since);
        self.fleet.until(PATIENCE, "somebody who goes on", |j| {
            shards.iter().all(|shard| first(j, shard).is_some())
        })?;
        let came = shards
            .iter()
            .filter_map(|shard| first(self.journal(), shard));
        Ok(came
            .map(|delivery| delivery.at.saturating_sub(since))
            .collect())
    }

    /// Waits until a worker that was asked to leave has done so in order.
    pub(super) fn gone(&mut self, member: Member) -> Outcome<()> {
        let status = self.fleet.ended(member, PATIENCE)?;
        if status.success() {
            return Ok(());
        }
        Err(format!("worker {member} did not leave in order ({status})").into())
    }

    /// Stops the writer and waits for what is on its way. A record that never comes is an error.
    pub(super) fn close(mut self) -> Outcome<()> {
        let written: Written = self.server.tell(STOP)?;
        let complete = self
            .fleet
            .until(PATIENCE, "all of the records", |j| j.is_complete(&written));
        complete.map_err(|error| {
            let missing = self.fleet.journal.missing(&written);
            format!("{missing} records were lost: {error}").into()
        })
    }
}
