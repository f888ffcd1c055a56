//! Where faults enter: before a call reaches the emulated service, and after.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// A call that is about to be made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The name of the operation, e.g. `GetRecords`.
    pub operation: &'a str,
    /// The JSON body.
    pub body: &'a [u8],
    /// The emulator's time.
    pub now: Duration,
}

impl<'a> Call<'a> {
    /// A call, for testing an interceptor by itself.
    #[must_use]
    pub fn new(operation: &'a str, body: &'a [u8], now: Duration) -> Self {
        Self {
            operation,
            body,
            now,
        }
    }
}

/// Decides what becomes of a call. Asked once per call, in the order of the calls.
pub trait Interceptor: fmt::Debug + Send + Sync {
    /// The fate of this call; `None` leaves it to the next interceptor.
    fn intercept(&self, call: &Call<'_>) -> Option<Fate>;
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How long the request travels before it is applied.
    pub before: Duration,
    /// What is done with it.
    pub outcome: Outcome,
    /// How long the answer travels back.
    pub after: Duration,
}

impl Fate {
    /// This outcome, without latency.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        Self {
            before: Duration::ZERO,
            outcome,
            after: Duration::ZERO,
        }
    }

    /// The call is made, but the request and the answer take their time.
    #[must_use]
    pub fn delayed(before: Duration, after: Duration) -> Self {
        Self {
            before,
            outcome: Outcome::Pass,
            after,
        }
    }
}

/// What is done with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is made and answered.
    Pass,
    /// It is not made; this is the answer.
    Answer {
        /// The HTTP status code.
        status: u16,
        /// The content type of the body.
        content_type: &'static str,
        /// The body.
        body: Bytes,
    },
    /// It is made, and the connection breaks before the answer arrives.
    ApplyThenDrop,
    /// It is made, and never answered.
    ApplyThenHang,
    /// The connection breaks before the request arrives.
    Drop,
    /// It is not made, and never answered.
    Hang,
}
