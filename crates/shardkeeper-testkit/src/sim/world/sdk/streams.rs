//! Requests to the stream, put to the world as calls of the port and answered in the service's words.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};
use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::ids::{SequenceNumber, ShardId, StreamArn};
use shardkeeper_core::lineage::Shard as Listed;
use shardkeeper_core::page::Page;
use shardkeeper_core::ports::{
    FailureKind, Fetched, PortError, Position, ShardIterator, ShardPage, StreamStatus,
};
use shardkeeper_core::record::{ChangeKind, Record};

use super::door::Asked;
use crate::emulator::{CONTENT_TYPE, Response};
use crate::sim::world::World;
use crate::sim::world::line::odd;
use crate::sim::world::shards::STRANGE;
use crate::sim::world::weather::{Op, Twist};

impl World {
    pub(super) fn stream_call(
        &mut self,
        seat: usize,
        asked: &Asked,
        twist: Twist,
    ) -> Result<Response, PortError> {
        let op = asked.op();
        if op == Op::Fetch {
            let fetched = self.fetch_for(seat, asked, twist)?;
            let body = page(&fetched);
            return Ok(self.respond(200, CONTENT_TYPE, Bytes::from(body)));
        }
        if twist == Twist::Empty {
            return Err(odd(op));
        }
        let body = match op {
            Op::DescribeTable => {
                let table = asked.text("TableName");
                let arn = self.latest_stream(table)?;
                json!({ "Table": { "TableName": table, "TableStatus": "ACTIVE", "LatestStreamArn": arn.as_str() } })
            }
            Op::ListStreams => self.streams_for(asked),
            Op::Open => {
                let shard = ShardId::from_service(asked.text("ShardId"));
                let iterator = self.open(&arn(asked)?, &shard, position(asked)?)?;
                json!({ "ShardIterator": iterator.expose() })
            }
            Op::Children => {
                let filter = &asked.body["ShardFilter"]["ShardId"];
                let parent = ShardId::from_service(filter.as_str().unwrap_or_default());
                listing(&self.children_of(&arn(asked)?, &parent)?)
            }
            _ => {
                let after = asked.text("ExclusiveStartShardId");
                let after = (!after.is_empty()).then(|| ShardId::from_service(after));
                listing(&self.list_shards(&arn(asked)?, after.as_ref())?)
            }
        };
        Ok(self.success(&body))
    }

    fn streams_for(&mut self, asked: &Asked) -> Value {
        let after = StreamArn::parse(asked.text("ExclusiveStartStreamArn")).ok();
        let table = asked.text("TableName");
        let page = self.list_streams(table, after.as_ref());
        let shown = |arn: &StreamArn| json!({ "StreamArn": arn.as_str(), "TableName": table });
        let streams: Vec<Value> = page.streams.iter().map(shown).collect();
        let mut body = json!({ "Streams": streams });
        if let Some(next) = &page.next {
            body["LastEvaluatedStreamArn"] = json!(next.as_str());
        }
        body
    }

    fn fetch_for(
        &mut self,
        seat: usize,
        asked: &Asked,
        twist: Twist,
    ) -> Result<Fetched, PortError> {
        let from = iterator(asked)?;
        let limit = asked.body["Limit"].as_u64().unwrap_or(1_000);
        let limit = u16::try_from(limit).map_err(|_| unfit("GetRecords", "Limit"))?;
        match twist {
            Twist::Empty => self.false_end(&from).ok_or_else(|| odd(Op::Fetch)),
            _ => self.fetch(seat, &from, limit),
        }
    }
}

fn unfit(action: &'static str, what: &str) -> PortError {
    PortError::new(FailureKind::Invalid, action, what)
}

pub(super) fn arn(asked: &Asked) -> Result<StreamArn, PortError> {
    StreamArn::parse(asked.text("StreamArn")).map_err(|_| unfit("DescribeStream", "StreamArn"))
}

pub(super) fn iterator(asked: &Asked) -> Result<ShardIterator, PortError> {
    ShardIterator::from_service(asked.text("ShardIterator").to_owned())
        .ok_or_else(|| unfit("GetRecords", "ShardIterator"))
}

fn position(asked: &Asked) -> Result<Position, PortError> {
    const ACTION: &str = "GetShardIterator";
    match asked.text("ShardIteratorType") {
        "TRIM_HORIZON" => Ok(Position::TrimHorizon),
        "AFTER_SEQUENCE_NUMBER" => SequenceNumber::from_service(asked.text("SequenceNumber"))
            .map(Position::After)
            .map_err(|_| unfit(ACTION, "SequenceNumber")),
        "AT_SEQUENCE_NUMBER" => SequenceNumber::from_service(asked.text("SequenceNumber"))
            .map(Position::From)
            .map_err(|_| unfit(ACTION, "SequenceNumber")),
        "AT_TIMESTAMP" => asked.body["Timestamp"]
            .as_f64()
            .and_then(Timestamp::from_epoch_seconds)
            .map(Position::At)
            .ok_or_else(|| unfit(ACTION, "Timestamp")),
        _ => Err(unfit(ACTION, "ShardIteratorType")),
    }
}

fn listing(page: &ShardPage) -> Value {
    let shards: Vec<Value> = page.shards.iter().map(shard).collect();
    let mut stream = json!({ "StreamStatus": status(page.status), "Shards": shards });
    if let Some(next) = &page.next {
        stream["LastEvaluatedShardId"] = json!(next.as_str());
    }
    json!({ "StreamDescription": stream })
}

fn status(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Enabling => "ENABLING",
        StreamStatus::Enabled => "ENABLED",
        StreamStatus::Disabling => "DISABLING",
        _ => "DISABLED",
    }
}

fn shard(listed: &Listed) -> Value {
    let mut range = json!({});
    if let Some(starting) = listed.starting {
        range["StartingSequenceNumber"] = json!(starting.as_str());
    }
    if let Some(ending) = listed.ending {
        range["EndingSequenceNumber"] = json!(ending.as_str());
    }
    let mut shard = json!({ "ShardId": listed.id.as_str(), "SequenceNumberRange": range });
    if let Some(parent) = &listed.parent {
        shard["ParentShardId"] = json!(parent.as_str());
    }
    shard
}

/// The body of a page, as large as the world says that it is.
pub(super) fn page(fetched: &Fetched) -> String {
    let Page {
        records,
        undecodable,
        bytes,
    } = &fetched.page;
    let mut parts = Vec::new();
    let mut odd = undecodable.iter().peekable();
    for place in 0..=records.len() {
        while let Some(poison) = odd.next_if(|poison| poison.index == place) {
            parts.push(nobody_reads(poison.sequence_number));
        }
        parts.extend(records.get(place).map(record));
    }
    let mut body = format!("{{\"Records\":[{}]", parts.join(","));
    if let Some(next) = &fetched.next {
        // A token of the world needs no escapes.
        _ = write!(body, ",\"NextShardIterator\":\"{}\"", next.expose());
    }
    let lacking = bytes.saturating_sub(body.len() + 1);
    body.push_str(&" ".repeat(lacking));
    body.push('}');
    body
}

fn record(record: &Record) -> String {
    let kind = if record.kind() == ChangeKind::Unknown {
        STRANGE
    } else {
        "MODIFY"
    };
    let told = record.created_at().map_or_else(String::new, |at| {
        let seconds = at.millis() / 1_000;
        format!("\"ApproximateCreationDateTime\":{seconds},")
    });
    format!(
        "{{\"eventName\":\"{kind}\",\"dynamodb\":{{{told}\"Keys\":{},\"SequenceNumber\":\"{}\",\"SizeBytes\":{}}}}}",
        record.keys_json(),
        record.sequence_number().as_str(),
        record.size_bytes()
    )
}

/// A record of which nothing but the number can be read.
fn nobody_reads(number: Option<SequenceNumber>) -> String {
    let number = number.map_or_else(String::new, |number| number.as_str().to_owned());
    format!("{{\"dynamodb\":{{\"SequenceNumber\":\"{number}\",\"SizeBytes\":\"many\"}}}}")
}
