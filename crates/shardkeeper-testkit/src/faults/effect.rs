//! What a fault does to a call.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::emulator::{Fate, Outcome};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// An error of the service: it was not applied.
    Error {
        /// The HTTP status code.
        status: u16,
        /// The error code, e.g. `LimitExceededException`.
        code: Cow<'static, str>,
        /// The message.
        message: Cow<'static, str>,
    },
    /// Any answer at all: it was not applied.
    Answer {
        /// The HTTP status code.
        status: u16,
        /// The content type.
        content_type: &'static str,
        /// The body.
        body: Bytes,
    },
    /// It was applied, but no answer comes, ever: the caller runs into its own time-out.
    AppliedButHangs,
    /// It was applied, but the connection broke before the answer came.
    AppliedButDropped,
    /// The connection broke before the request arrived.
    Dropped,
    /// Nothing is applied and no answer comes, ever.
    Hangs,
    /// It works, but slowly.
    Slow {
        /// How long the request travels.
        before: Duration,
        /// How long the answer travels.
        after: Duration,
    },
}

impl Effect {
    /// An error of the service with this HTTP status and code.
    #[must_use]
    pub fn error(status: u16, code: impl Into<Cow<'static, str>>) -> Self {
        Self::Error {
            status,
            code: code.into(),
            message: Cow::Borrowed("injected by the emulator's script"),
        }
    }

    /// `ThrottlingException`.
    #[must_use]
    pub fn throttle() -> Self {
        Self::error(400, "ThrottlingException")
    }

    /// `LimitExceededException`: more readers of the shard than the service likes.
    #[must_use]
    pub fn too_many_readers() -> Self {
        Self::Error {
            status: 400,
            code: Cow::Borrowed("LimitExceededException"),
            message: Cow::Borrowed("Too many operations for a given subscriber."),
        }
    }

    /// `InternalServerError` with status 500.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::error(500, "InternalServerError")
    }

    /// `ExpiredIteratorException`.
    #[must_use]
    pub fn expired_iterator() -> Self {
        Self::error(400, "ExpiredIteratorException")
    }

    /// `TrimmedDataAccessException`.
    #[must_use]
    pub fn trimmed() -> Self {
        Self::error(400, "TrimmedDataAccessException")
    }

    /// `AccessDeniedException`: the policy does not allow this operation.
    #[must_use]
    pub fn access_denied() -> Self {
        Self::error(400, "AccessDeniedException")
    }

    /// Status 200 with an empty body: SDKs read it as an answer in which everything is absent.
    #[must_use]
    pub fn empty_body() -> Self {
        Self::json(200, "")
    }

    /// Status 200 with the body `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::json(200, "{}")
    }

    /// Status 503 with a page of HTML, as something between here and the service may answer.
    #[must_use]
    pub fn html() -> Self {
        Self::Answer {
            status: 503,
            content_type: "text/html",
            body: Bytes::from_static(b"<html><body><h1>503 Service Unavailable</h1></body></html>"),
        }
    }

    fn json(status: u16, body: &'static str) -> Self {
        Self::Answer {
            status,
            content_type: "application/x-amz-json-1.0",
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    pub(super) fn fate(&self) -> Fate {
        Fate::of(match self {
            Self::Error {
                status,
                code,
                message,
            } => Outcome::Answer {
                status: *status,
                content_type: "application/x-amz-json-1.0",
                body: error_body(code, message),
            },
            Self::Answer {
                status,
                content_type,
                body,
            } => Outcome::Answer {
                status: *status,
                content_type,
                body: body.clone(),
            },
            Self::AppliedButHangs => Outcome::ApplyThenHang,
            Self::AppliedButDropped => Outcome::ApplyThenDrop,
            Self::Dropped => Outcome::Drop,
            Self::Hangs => Outcome::Hang,
            Self::Slow { before, after } => return Fate::delayed(*before, *after),
        })
    }
}

fn error_body(code: &str, message: &str) -> Bytes {
    let body = json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": message,
    });
    Bytes::from(body.to_string())
}
