//! Where the SDK's requests enter the world: an HTTP client without a socket.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use serde_json::Value;
use shardkeeper_core::ports::PortError;

use super::leases::LEASES;
use crate::emulator::{Response, to_http};
use crate::sim::world::World;
use crate::sim::world::line::Line;
use crate::sim::world::weather::{Op, Twist};

/// One worker's door.
#[derive(Clone, Debug)]
pub(super) struct Door(pub(super) Line);

/// One request.
#[derive(Clone)]
pub(super) struct Asked {
    /// The header `X-Amz-Target`.
    pub(super) target: String,
    pub(super) body: Value,
}

impl Asked {
    fn of(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        // The SDK sends every request of these services as one block of bytes.
        let body = Bytes::copy_from_slice(request.body().bytes().unwrap_or_default());
        Self {
            target: target.to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Which call of the ports it comes from: what the weather goes by.
    pub(super) fn op(&self) -> Op {
        self.known_op().unwrap_or(Op::Write)
    }

    /// `None` when this world has no such operation.
    fn known_op(&self) -> Option<Op> {
        let operation = self.target.rsplit('.').next().unwrap_or_default();
        Some(match operation {
            "DescribeTable" if self.text("TableName") != LEASES => Op::DescribeTable,
            "DescribeTable" | "CreateTable" => Op::TableOpen,
            "DescribeStream" if self.body.get("ShardFilter").is_some() => Op::Children,
            "DescribeStream" => Op::ListShards,
            "ListStreams" => Op::ListStreams,
            "GetShardIterator" => Op::Open,
            "GetRecords" => Op::Fetch,
            "Scan" => Op::Sweep,
            "BatchGetItem" | "GetItem" => Op::Read,
            "UpdateItem" | "DeleteItem" | "PutItem" | "TransactWriteItems" => Op::Write,
            _ => return None,
        })
    }

    /// A member that is a text; empty when it is not there.
    pub(super) fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }

    /// How many writes are to happen together or not at all; 0 when it is no transaction.
    pub(super) fn actions(&self) -> usize {
        self.body["TransactItems"].as_array().map_or(0, Vec::len)
    }

    fn serve(&self, world: &mut World, seat: usize, twist: Twist) -> Result<Response, PortError> {
        if self.op().is_of_table() {
            world.lease_call(seat, self, twist)
        } else {
            world.stream_call(seat, self, twist)
        }
    }
}

impl HttpClient for Door {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Door {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (line, asked) = (self.0.clone(), Asked::of(&request));
        HttpConnectorFuture::new(async move { answer(&line, asked).await })
    }
}

async fn answer(line: &Line, asked: Asked) -> Result<HttpResponse, ConnectorError> {
    let (op, seat) = (asked.op(), line.seat);
    let beat = line.world.with(|world| {
        if asked.known_op().is_none() {
            // A seam that does not carry all that workers ask proves less than it says.
            let unknown = format!("the SDK seam has no {}", asked.target);
            world.oracle.accuse(world.now, "seam", unknown);
        }
        world.hear_call(seat, &asked)
    });
    let request = asked.clone();
    let served = line
        .call(op, move |world, twist| request.serve(world, seat, twist))
        .await;
    match served {
        Ok(response) => {
            line.world
                .with(|world| world.hear_answer(seat, (&asked, beat), &response));
            to_http(response)
        }
        Err(error) => to_http(line.world.with(|world| world.says(&asked, &error))?),
    }
}

impl fmt::Debug for Asked {
    /// The body is nobody's to print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({})", self.target)
    }
}
