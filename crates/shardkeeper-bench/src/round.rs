//! One round: every client once, one after the other, on one backlog.

use std::time::Duration;

use crate::Outcome;
use crate::backlog::Size;
use crate::child;
use crate::client::{Kind, Options, Sample};

/// What one round gave for one size of records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) bytes_only: Sample,
    /// With a processor that does nothing.
    pub(crate) idle: Pair,
    /// With a processor that waits as long as the bare loop's fetches have just taken.
    pub(crate) waiting: Pair,
    pub(crate) wait: Duration,
}

/// Both contestants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) bare: Sample,
    pub(crate) worker: Sample,
}

/// How a round is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) size: Size,
    pub(crate) pages: u32,
}

impl Round {
    pub(crate) fn run(course: Course<'_>) -> Outcome<Self> {
        let bytes_only = course.client(Kind::BytesOnly, Duration::ZERO)?;
        let idle = course.pair(Duration::ZERO)?;
        let wait = idle.bare.fetch.ok_or("the bare loop fetched nothing")?;
        Ok(Self {
            bytes_only,
            idle,
            waiting: course.pair(wait)?,
            wait,
        })
    }
}

impl Course<'_> {
    fn pair(self, wait: Duration) -> Outcome<Pair> {
        Ok(Pair {
            bare: self.client(Kind::Bare, wait)?,
            worker: self.client(Kind::Worker, wait)?,
        })
    }

    fn client(self, kind: Kind, wait: Duration) -> Outcome<Sample> {
        // Ten times what a busy machine needs, and time for a worker to get its lease.
        let deadline_seconds = 30 + u64::from(self.pages);
        child::run_client(&Options {
            kind,
            endpoint: self.endpoint.to_owned(),
            size: self.size,
            pages: self.pages,
            wait_micros: u64::try_from(wait.as_micros())?,
            deadline_seconds,
        })
    }
}
