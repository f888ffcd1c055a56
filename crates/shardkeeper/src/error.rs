//! The one error type. Its kind says what to do about it.

use std::error::Error as StdError;
use std::fmt;

use shardkeeper_core::ports::{FailureKind, PortError};

/// Any error of a user's processor.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// No real chain of causes is longer; one that is a ring would be endless.
const MAX_CAUSES: usize = 16;

/// What to do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for cannot be: a setting, a name, a table. Change it; trying again does not help.
    Invalid,
    /// A service cannot be reached or refuses us now. Trying again may help.
    Unavailable,
    /// Another worker owns the lease.
    LeaseLost,
    /// The user's processor failed or said stop.
    Processor,
    /// Records are gone or unreadable.
    Data,
    /// A bug of ours. Please report it.
    Internal,
}

/// Why something failed: lower case, the specifics last, the cause in [`source`](StdError::source).
///
/// `Debug` says the same as `Display`, and the causes, because that is what a `main` that returns it prints.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<BoxError>,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let causes = std::iter::successors(StdError::source(self), |cause| (*cause).source());
        for cause in causes.take(MAX_CAUSES) {
            write!(f, "\n  because: {cause}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<PortError> for Error {
    fn from(error: PortError) -> Self {
        let kind = match error.kind {
            FailureKind::Invalid | FailureKind::NotFound => ErrorKind::Invalid,
            FailureKind::Trimmed => ErrorKind::Data,
            _ => ErrorKind::Unavailable,
        };
        match what_to_do(error.kind) {
            Some(advice) => Self::new(kind, format!("{error}; {advice}")),
            None => Self::new(kind, error.to_string()),
        }
    }
}

/// For whoever reads the message of a failed start. The other kinds speak for themselves.
fn what_to_do(kind: FailureKind) -> Option<&'static str> {
    match kind {
        FailureKind::NotFound => Some("check the name, the region and the account"),
        FailureKind::Denied => Some("check the credentials, and their policy against docs/IAM.md"),
        FailureKind::Unavailable | FailureKind::Protocol => {
            Some("check the network, the region and AWS_ENDPOINT_URL")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_that_returns_an_error_prints_words_and_causes() {
        let cause = std::io::Error::other("the disk is full");
        let error = Error::new(ErrorKind::Internal, "nothing was stored").because(cause);
        assert_eq!(
            format!("{error:?}"),
            "nothing was stored\n  because: the disk is full"
        );
    }

    #[test]
    fn a_failed_call_says_what_to_do() {
        let error = PortError::new(FailureKind::NotFound, "DescribeTable", "no table nope");
        let said = Error::from(error).to_string();
        assert_eq!(
            said,
            "DescribeTable failed: no table nope; check the name, the region and the account"
        );
    }
}
