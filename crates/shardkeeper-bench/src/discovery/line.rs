//! The way to the emulated account: every call takes its time on it, and is counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardkeeper_testkit::emulator::{Call, Fate, Interceptor};

use crate::stopwatch::Moment;

/// What is asked on `DescribeStream` of one shard's children.
const QUESTION: &[u8] = b"CHILD_SHARDS";

/// Counts calls.
#[derive(Debug)]
pub(super) struct Line {
    way: Duration,
    counted: Mutex<Counted>,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    calls: BTreeMap<String, u64>,
    /// Questions for the children of one shard, among the calls of `DescribeStream`.
    pub(super) questions: u64,
    /// When the latest call was made.
    latest: Option<Moment>,
    /// The most CPU time from one call of the account to the next, whatever it was spent on.
    pub(super) longest: Duration,
}

impl Line {
    /// A call takes so long, there and back.
    pub(super) fn new(call: Duration) -> Self {
        Self {
            way: call / 2,
            counted: Mutex::default(),
        }
    }

    /// What was counted since the last time that this was asked.
    pub(super) fn take(&self) -> Counted {
        let mut counted = self.counted();
        let latest = counted.latest;
        std::mem::replace(
            &mut counted,
            Counted {
                latest,
                ..Counted::default()
            },
        )
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// How often an operation was called.
    pub(super) fn of(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }

    /// Adds what was counted later.
    pub(super) fn add(&mut self, later: Self) {
        for (operation, calls) in later.calls {
            *self.calls.entry(operation).or_default() += calls;
        }
        self.questions += later.questions;
        self.longest = self.longest.max(later.longest);
    }

    /// Pages of listings.
    pub(super) fn pages(&self) -> u64 {
        self.of("DescribeStream") - self.questions
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pages, ends, longest) = (self.pages(), self.questions, self.longest);
        write!(
            f,
            "{pages} pages, {ends} ends, {longest:?} from call to call"
        )?;
        for (operation, calls) in &self.calls {
            write!(f, ", {operation} {calls}")?;
        }
        Ok(())
    }
}

impl Interceptor for Line {
    fn intercept(&self, call: &Call<'_>) -> Option<Fate> {
        let mut counted = self.counted();
        if let Some(latest) = counted.latest {
            counted.longest = counted.longest.max(latest.until_now().cpu);
        }
        counted.latest = Some(Moment::now());
        let calls = counted.calls.entry(call.operation.to_owned());
        *calls.or_default() += 1;
        let is_question = call.operation == "DescribeStream"
            && call
                .body
                .windows(QUESTION.len())
                .any(|part| part == QUESTION);
        counted.questions += u64::from(is_question);
        Some(Fate::delayed(self.way, self.way))
    }
}
