//! The one error type. Its kind says what to do about it.

use std::error::Error as StdError;
use std::fmt;

use shardkeeper_core::ports::{FailureKind, PortError};

/// Any error of a user's processor.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

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
#[derive(Debug)]
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
        Self::new(kind, error.to_string())
    }
}
