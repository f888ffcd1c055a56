//! Why a command did not work, for the person who typed it.

use std::error::Error;
use std::io;

use anstream::eprintln;
use shardkeeper::InvalidId;
use shardkeeper::core::ports::{FailureKind, PortError};
use shardkeeper_testkit::emulator::ServerError;

use crate::colours::BAD;

/// A failure and, where we know, what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    advice: Option<String>,
}

impl Failure {
    /// A failure in these words.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: None,
        }
    }

    /// A failure in the words of an error and its causes.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let said = std::iter::successors(Some(error), |error| (*error).source());
        let said: Vec<String> = said.take(16).map(ToString::to_string).collect();
        Self::new(said.join(": "))
    }

    /// The same failure with something to do about it.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What went wrong.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    pub(crate) fn what_to_do(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// Writes it to standard error.
    pub(crate) fn tell(&self) {
        eprintln!("{BAD}error:{BAD:#} {}", self.what);
        if let Some(advice) = &self.advice {
            eprintln!("  {advice}");
        }
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        let failure = Self::of(&error);
        match error.kind {
            FailureKind::Denied => failure.advice(
                "check the credentials (`aws sts get-caller-identity`) and the policy: docs/IAM.md names each action",
            ),
            FailureKind::NotFound => failure.advice(
                "check the name, the region (--region) and the account; a lease table is named after its application",
            ),
            FailureKind::Unavailable | FailureKind::Protocol => failure.advice(
                "check --endpoint-url (or AWS_ENDPOINT_URL), the region and the network",
            ),
            FailureKind::Throttled => failure
                .advice("the whole account shares ten DescribeStream calls a second; try again"),
            _ => failure,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::of(&error)
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::of(&error)
    }
}

impl From<InvalidId> for Failure {
    fn from(error: InvalidId) -> Self {
        Self::of(&error)
    }
}
