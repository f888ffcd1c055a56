//! A failure as the service, or whatever stands before it, says it: a code, a status without one, a body that
//! is no answer, a connection that breaks. Which of them is the dice's choice; the worker must take all alike.

use std::io;
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use serde_json::{Value, json};
use shardkeeper_core::ports::{FailureKind, PortError};

use super::door::Asked;
use crate::emulator::{CONTENT_TYPE, Response, ServiceError};
use crate::sim::world::World;
use crate::sim::world::shards::service_millis;
use crate::sim::world::weather::Op;

const HTML: &[u8] = b"<html><body><h1>503 Service Unavailable</h1></body></html>";
const CUT_SHORT: &[u8] = b"{\"Records\":[{\"eventName\":\"MOD";

impl World {
    /// The answer to a call that failed.
    pub(super) fn says(
        &mut self,
        asked: &Asked,
        error: &PortError,
    ) -> Result<Response, ConnectorError> {
        let op = asked.op();
        let actions = asked.actions();
        if error.kind == FailureKind::Throttled && actions > 0 && self.dice.bool() {
            return Ok(self.cancelled(actions));
        }
        let codes: &[(u16, &'static str)] = match error.kind {
            FailureKind::Unavailable => return self.unavailable(),
            FailureKind::Protocol => return Ok(self.no_answer(op)),
            FailureKind::Throttled => &[
                (400, "ThrottlingException"),
                (400, "ProvisionedThroughputExceededException"),
                (400, "RequestLimitExceeded"),
            ],
            // Of a page it says that too many read the shard.
            FailureKind::TooManyReaders => &[(400, "LimitExceededException")],
            FailureKind::Denied => &[
                (400, "AccessDeniedException"),
                (400, "ExpiredTokenException"),
                (400, "UnrecognizedClientException"),
            ],
            FailureKind::NotFound => &[(400, "ResourceNotFoundException")],
            FailureKind::Trimmed => &[(400, "TrimmedDataAccessException")],
            FailureKind::ExpiredIterator => &[(400, "ExpiredIteratorException")],
            _ => &[(400, "ValidationException")],
        };
        let (status, code) = codes[self.dice.usize(0..codes.len())];
        Ok(self.refusal(&ServiceError::new(status, code, error.message.clone())))
    }

    /// A transaction that is throttled is cancelled by a reason of one of its actions.
    fn cancelled(&mut self, actions: usize) -> Response {
        let code = ["ThrottlingError", "ProvisionedThroughputExceeded"][self.dice.usize(0..2)];
        let mut reasons = vec![json!({ "Code": "None" }); actions];
        reasons[self.dice.usize(0..actions)] = json!({ "Code": code });
        self.refusal(&ServiceError::transaction_canceled(reasons))
    }

    fn unavailable(&mut self) -> Result<Response, ConnectorError> {
        match self.dice.u8(0..4) {
            0 => Ok(self.refusal(&ServiceError::new(500, "InternalServerError", "internal"))),
            1 => Ok(self.refusal(&ServiceError::new(503, "ServiceUnavailable", "later"))),
            2 => Ok(self.respond(503, "text/html", Bytes::from_static(HTML))),
            _ => {
                let broken = io::Error::from(io::ErrorKind::ConnectionReset);
                Err(ConnectorError::io(broken.into()))
            }
        }
    }

    /// A success that says nothing, or not what it should.
    fn no_answer(&mut self, op: Op) -> Response {
        match self.dice.u8(0..5) {
            0 => self.respond(200, "text/html", Bytes::from_static(HTML)),
            1 => self.respond(200, CONTENT_TYPE, Bytes::from_static(CUT_SHORT)),
            2 => {
                let mut changed = self.respond(200, CONTENT_TYPE, Bytes::from_static(b"{}"));
                changed.body = Bytes::from_static(b"{ }");
                changed
            }
            // To a transaction this is the whole truth, so there it would be a lie.
            3 if op != Op::Write => self.respond(200, CONTENT_TYPE, Bytes::from_static(b"{}")),
            _ => {
                let mut empty = self.respond(200, CONTENT_TYPE, Bytes::new());
                empty.headers.retain(|(name, _)| *name != "x-amz-crc32");
                empty
            }
        }
    }

    /// A success.
    pub(super) fn success(&mut self, body: &Value) -> Response {
        self.respond(200, CONTENT_TYPE, Bytes::from(body.to_string()))
    }

    fn refusal(&mut self, why: &ServiceError) -> Response {
        self.respond(why.status, CONTENT_TYPE, Bytes::from(why.body()))
    }

    pub(super) fn respond(&mut self, status: u16, content_type: &str, body: Bytes) -> Response {
        let id = format!("{:032X}", self.dice.u128(..));
        let now = Duration::from_millis(service_millis(self.now));
        Response::new(status, content_type, body, id, now)
    }
}
