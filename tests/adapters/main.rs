//! What the AWS adapters make of answers that go wrong, on the emulator with faults.

mod integrity;
mod leases;
mod ready_clients;
#[path = "../scenes/mod.rs"]
mod scenes;
mod streams;
mod table;
mod transactions;

use bytes::Bytes;
use shardkeeper_core::ports::{FailureKind, PortError};
use shardkeeper_testkit::faults::Effect;

/// An answer with this body, as if the service gave it.
fn answer(body: impl Into<Bytes>) -> Effect {
    Effect::Answer {
        status: 200,
        content_type: "application/x-amz-json-1.0",
        body: body.into(),
    }
}

/// The kind of a failure.
fn kind<T: std::fmt::Debug>(result: Result<T, PortError>) -> FailureKind {
    result.expect_err("a failure").kind
}
