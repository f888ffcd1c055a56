//! `GetShardIterator`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, stream_request};
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::iterator::ShardIterator;
use crate::emulator::request::Request;
use crate::emulator::stream::sequence::Sequence;
use crate::emulator::stream::shard::Shard;
use crate::emulator::world::World;

const SUPPORTED: &[&str] = &[
    "StreamArn",
    "ShardId",
    "ShardIteratorType",
    "SequenceNumber",
    "Timestamp",
];

/// Where the caller wants to begin.
#[derive(Clone, Copy, Debug)]
enum Start {
    TrimHorizon,
    Latest,
    At(Sequence),
    After(Sequence),
    AtTime(Duration),
}

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, SUPPORTED)?;
    let id = stream_request::shard_id(request, "ShardId")?;
    let start = start(request, world.now)?;
    let (now, generation) = (world.now, world.iterator_generation);
    let (retention, slack) = (world.settings.retention, world.settings.latest_slack);
    let stream = stream_request::stream(world, request)?;
    let tip = stream.tip();
    let shard = stream.shards.get_mut(id).ok_or_else(|| {
        ServiceError::resource_not_found(format!(
            "Requested resource not found: Shard does not exist: {id}"
        ))
    })?;
    shard.trim_before(now.saturating_sub(retention));
    let position = match start {
        Start::TrimHorizon => shard.horizon(),
        Start::Latest if slack.is_zero() => tip,
        Start::Latest => shard.position_at(now.saturating_sub(slack), tip),
        Start::AtTime(time) => shard.position_at(time, tip),
        Start::At(sequence) => known(shard, sequence, tip)?,
        Start::After(sequence) => known(shard, sequence, tip)?.after(),
    };
    let iterator = ShardIterator {
        stream: stream.arn.clone(),
        shard: id.to_owned(),
        position,
        issued: now,
        generation,
    };
    Ok(json!({ "ShardIterator": iterator.encode() }).into())
}

fn start(request: &Request, now: Duration) -> Result<Start, ServiceError> {
    let kind = request.string("ShardIteratorType")?;
    let sequence = stream_request::sequence(request)?;
    let time = request.get("Timestamp").map(timestamp).transpose()?;
    match (kind, sequence, time) {
        ("TRIM_HORIZON", None, None) => Ok(Start::TrimHorizon),
        ("LATEST", None, None) => Ok(Start::Latest),
        ("AT_SEQUENCE_NUMBER", Some(sequence), None) => Ok(Start::At(sequence)),
        ("AFTER_SEQUENCE_NUMBER", Some(sequence), None) => Ok(Start::After(sequence)),
        ("AT_TIMESTAMP", None, Some(time)) if time > now => Err(ServiceError::validation(
            "Invalid Timestamp: the timestamp must not be in the future",
        )),
        ("AT_TIMESTAMP", None, Some(time)) => Ok(Start::AtTime(time)),
        ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", None, _) => Err(ServiceError::validation(
            format!("ShardIteratorType {kind} requires SequenceNumber"),
        )),
        ("AT_TIMESTAMP", _, None) => Err(ServiceError::validation(
            "ShardIteratorType AT_TIMESTAMP requires Timestamp",
        )),
        (
            "TRIM_HORIZON"
            | "LATEST"
            | "AT_SEQUENCE_NUMBER"
            | "AFTER_SEQUENCE_NUMBER"
            | "AT_TIMESTAMP",
            ..,
        ) => Err(ServiceError::validation(format!(
            "ShardIteratorType {kind} must not be given with this combination of SequenceNumber \
             and Timestamp"
        ))),
        _ => Err(ServiceError::constraint(
            "shardIteratorType",
            kind,
            "Member must satisfy enum value set: [AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, \
             AT_TIMESTAMP, TRIM_HORIZON, LATEST]",
        )),
    }
}

/// Seconds since the Unix epoch, with a fraction.
fn timestamp(value: &Value) -> Result<Duration, ServiceError> {
    let seconds = value
        .as_f64()
        .ok_or_else(|| ServiceError::serialization("the member Timestamp must be a number"))?;
    // Times before the epoch are long trimmed, as is the epoch itself.
    Duration::try_from_secs_f64(seconds.max(0.0))
        .map_err(|_| ServiceError::validation("Invalid Timestamp"))
}

/// A number from which this shard can be read.
///
/// The service compares with the trim point: a number at or before it is refused, even the last
/// trimmed one, after which nothing would be missing.
fn known(shard: &Shard, sequence: Sequence, tip: Sequence) -> Result<Sequence, ServiceError> {
    if shard.trimmed.is_some_and(|trimmed| sequence <= trimmed) {
        return Err(ServiceError::trimmed_data_access());
    }
    let last = shard.closed.map_or(tip, |closed| closed.ending);
    if sequence < shard.starting || sequence > last {
        return Err(ServiceError::validation(format!(
            "Invalid SequenceNumber: {sequence} is not in the range of shard {}",
            shard.id
        )));
    }
    Ok(sequence)
}
