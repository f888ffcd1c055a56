//! The members that requests about streams share, and their limits.

use std::ops::RangeInclusive;

use crate::emulator::error::ServiceError;
use crate::emulator::request::Request;
use crate::emulator::stream::Stream;
use crate::emulator::stream::sequence::{MAX_DIGITS, MIN_DIGITS, Sequence};
use crate::emulator::world::World;

const ARN_LENGTH: RangeInclusive<usize> = 37..=1024;
const SHARD_ID_LENGTH: RangeInclusive<usize> = 28..=65;

/// The stream that the request's `StreamArn` names.
pub(super) fn stream<'a>(
    world: &'a mut World,
    request: &Request,
) -> Result<&'a mut Stream, ServiceError> {
    let arn = request.string("StreamArn")?;
    check_arn("streamArn", arn)?;
    stream_named(world, arn)
}

/// The stream with this ARN.
pub(super) fn stream_named<'a>(
    world: &'a mut World,
    arn: &str,
) -> Result<&'a mut Stream, ServiceError> {
    world.streams.get_mut(arn).ok_or_else(|| {
        ServiceError::resource_not_found(format!(
            "Requested resource not found: Stream: {arn} not found"
        ))
    })
}

/// Refuses what cannot be the ARN of a stream.
pub(super) fn check_arn(member: &str, arn: &str) -> Result<(), ServiceError> {
    check_length(member, arn, &ARN_LENGTH)?;
    let resource = arn
        .strip_prefix("arn:")
        .and_then(|arn| arn.split_once(":table/"));
    match resource.and_then(|(_, resource)| resource.split_once("/stream/")) {
        Some((table, label)) if !table.is_empty() && !label.is_empty() => Ok(()),
        _ => Err(ServiceError::validation("Invalid StreamArn")),
    }
}

/// A shard id that may exist.
pub(super) fn shard_id<'a>(request: &'a Request, member: &str) -> Result<&'a str, ServiceError> {
    let id = request.string(member)?;
    check_length(member, id, &SHARD_ID_LENGTH)?;
    Ok(id)
}

/// `SequenceNumber`, if given.
pub(super) fn sequence(request: &Request) -> Result<Option<Sequence>, ServiceError> {
    let Some(text) = request.optional_string("SequenceNumber")? else {
        return Ok(None);
    };
    check_length("sequenceNumber", text, &(MIN_DIGITS..=MAX_DIGITS))?;
    Sequence::parse(text)
        .map(Some)
        .ok_or_else(|| ServiceError::validation("Invalid SequenceNumber"))
}

fn check_length(
    member: &str,
    value: &str,
    allowed: &RangeInclusive<usize>,
) -> Result<(), ServiceError> {
    let rule = match value.len() {
        length if allowed.contains(&length) => return Ok(()),
        length if length < *allowed.start() => {
            format!("greater than or equal to {}", allowed.start())
        }
        _ => format!("less than or equal to {}", allowed.end()),
    };
    Err(ServiceError::constraint(
        member,
        value,
        &format!("Member must have length {rule}"),
    ))
}
