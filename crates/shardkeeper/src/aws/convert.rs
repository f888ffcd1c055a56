//! What the SDK says, in our words. Failures are told apart by their code, never by their text
//! (facts/service §2.4: most throttles have no type of their own in the SDK).

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodbstreams::types;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shardkeeper_core::ids::{SequenceNumber, ShardId};
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::ports::{FailureKind, PortError, StreamStatus};

use super::answers::{Garbled, Unconfigured};

/// Long enough for every message of the service that was seen, short enough for a log line.
const MESSAGE_CHARS: usize = 400;

/// The failure of one call.
pub(super) fn port_error<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, message) = read(action, error);
    failure(kind, action, &message)
}

/// The failure of one call whose argument must not be quoted back.
pub(super) fn port_error_without<E>(
    action: &'static str,
    error: &SdkError<E, HttpResponse>,
    secret: &str,
) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, message) = read(action, error);
    failure(kind, action, &message.replace(secret, "(not shown)"))
}

fn read<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> (FailureKind, String)
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            let meta = refused.err().meta();
            let kind = kind_of(meta.code(), status);
            let message = match (meta.code(), meta.message()) {
                (Some("AccessDeniedException"), why) => {
                    let why = why.unwrap_or("no reason given");
                    format!("access denied to {}: {why}", permissions(action))
                }
                (Some(code), Some(why)) => format!("{code}: {why}"),
                (Some(code), None) => code.to_owned(),
                (None, _) => format!("HTTP status {status} without an error that could be read"),
            };
            (kind, message)
        }
        SdkError::TimeoutError(_) => (FailureKind::Unavailable, "no answer in time".to_owned()),
        SdkError::ConstructionFailure(_) => (FailureKind::Invalid, chain(error)),
        SdkError::ResponseError(_) => match find::<Garbled>(error) {
            Some(garbled) => (FailureKind::Protocol, garbled.to_string()),
            None => (FailureKind::Unavailable, chain(error)),
        },
        _ => undelivered(action, error),
    }
}

/// A transaction needs the permissions of its parts and has none of its own.
fn permissions(action: &str) -> String {
    match action {
        "TransactWriteItems" => {
            "dynamodb:UpdateItem, dynamodb:DeleteItem or dynamodb:ConditionCheckItem in a transaction (dynamodb:TransactWriteItems)".to_owned()
        }
        action => format!("dynamodb:{action}"),
    }
}

/// Nothing came back: there was nothing to sign with, or no connection.
fn undelivered(action: &'static str, error: &(dyn Error + 'static)) -> (FailureKind, String) {
    match find::<Unconfigured>(error) {
        Some(why @ Unconfigured::Region) => return (FailureKind::Invalid, why.to_string()),
        Some(why @ Unconfigured::Credentials) => return (FailureKind::Denied, why.to_string()),
        None => {}
    }
    match find::<CredentialsError>(error) {
        Some(why) => {
            let message = format!("no credentials for dynamodb:{action}: {}", chain(why));
            (FailureKind::Denied, message)
        }
        None => (FailureKind::Unavailable, chain(error)),
    }
}

/// A failure with a message of bounded length on one line.
pub(super) fn failure(kind: FailureKind, action: &'static str, message: &str) -> PortError {
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    PortError::new(
        kind,
        action,
        words.chars().take(MESSAGE_CHARS).collect::<String>(),
    )
}

/// An answer that lacks what every answer to `action` has.
pub(super) fn missing(action: &'static str, member: &'static str) -> PortError {
    PortError::new(
        FailureKind::Protocol,
        action,
        format!("the answer has no {member}"),
    )
}

/// What a code means, or else what the status means.
fn kind_of(code: Option<&str>, status: u16) -> FailureKind {
    code.and_then(kind_of_code).unwrap_or(match status {
        401 | 403 => FailureKind::Denied,
        429 => FailureKind::Throttled,
        408 | 500..=599 => FailureKind::Unavailable,
        // A code that we do not know refuses the request; no code at all is not the service speaking.
        400..=499 if code.is_some() => FailureKind::Invalid,
        _ => FailureKind::Protocol,
    })
}

pub(super) fn kind_of_code(code: &str) -> Option<FailureKind> {
    Some(match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottlingError"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "ProvisionedThroughputExceeded"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => FailureKind::Throttled,
        "ExpiredIteratorException" => FailureKind::ExpiredIterator,
        "TrimmedDataAccessException" => FailureKind::Trimmed,
        "ResourceNotFoundException" | "TableNotFoundException" => FailureKind::NotFound,
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired" => FailureKind::Denied,
        "InternalServerError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestTimeoutException" => FailureKind::Unavailable,
        _ => return None,
    })
}

/// True when the service refused the call with this code.
pub(super) fn has_code<E>(error: &SdkError<E, HttpResponse>, code: &str) -> bool
where
    E: ProvideErrorMetadata,
{
    error
        .as_service_error()
        .is_some_and(|refused| refused.code() == Some(code))
}

/// The error of type `T` among the causes of `error`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

/// The messages of an error and its causes, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in causes(error) {
        let message = cause.to_string();
        if !said.iter().any(|earlier| earlier.contains(&message)) {
            said.push(message);
        }
    }
    said.join(": ")
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // No real chain is longer; a chain that is a ring would be endless.
    std::iter::successors(Some(error), |error| (*error).source()).take(16)
}

/// A shard of a listing. Only the id is needed; a range that cannot be read is a range not stated.
pub(super) fn shard(action: &'static str, said: types::Shard) -> Result<Shard, PortError> {
    let named = |id: Option<String>| id.filter(|id| !id.is_empty()).map(ShardId::from_service);
    let id = named(said.shard_id).ok_or_else(|| missing(action, "ShardId in a shard"))?;
    let range = said.sequence_number_range;
    let number = |text: Option<&str>| text.and_then(|text| SequenceNumber::from_service(text).ok());
    Ok(Shard {
        id,
        parent: named(said.parent_shard_id),
        starting: number(
            range
                .as_ref()
                .and_then(|range| range.starting_sequence_number()),
        ),
        ending: number(
            range
                .as_ref()
                .and_then(|range| range.ending_sequence_number()),
        ),
    })
}

/// The state of a stream. One that we do not know is in use: only `DISABLED` lets shards end.
pub(super) fn stream_status(said: Option<&types::StreamStatus>) -> StreamStatus {
    match said {
        Some(types::StreamStatus::Enabling) => StreamStatus::Enabling,
        Some(types::StreamStatus::Disabling) => StreamStatus::Disabling,
        Some(types::StreamStatus::Disabled) => StreamStatus::Disabled,
        _ => StreamStatus::Enabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_code_and_only_then_by_status() {
        let table = [
            (Some("ThrottlingException"), 400, FailureKind::Throttled),
            (
                Some("ProvisionedThroughputExceededException"),
                400,
                FailureKind::Throttled,
            ),
            (Some("RequestLimitExceeded"), 400, FailureKind::Throttled),
            (Some("LimitExceededException"), 400, FailureKind::Throttled),
            (Some("ThrottlingException"), 503, FailureKind::Throttled),
            (
                Some("ExpiredIteratorException"),
                400,
                FailureKind::ExpiredIterator,
            ),
            (
                Some("TrimmedDataAccessException"),
                400,
                FailureKind::Trimmed,
            ),
            (
                Some("ResourceNotFoundException"),
                400,
                FailureKind::NotFound,
            ),
            (Some("AccessDeniedException"), 400, FailureKind::Denied),
            (
                Some("UnrecognizedClientException"),
                400,
                FailureKind::Denied,
            ),
            (Some("ExpiredTokenException"), 400, FailureKind::Denied),
            (Some("InvalidSignatureException"), 400, FailureKind::Denied),
            (Some("ValidationException"), 400, FailureKind::Invalid),
            (Some("SomethingNewException"), 400, FailureKind::Invalid),
            (Some("InternalServerError"), 400, FailureKind::Unavailable),
            (Some("SomethingNewException"), 503, FailureKind::Unavailable),
            (None, 500, FailureKind::Unavailable),
            (None, 429, FailureKind::Throttled),
            (None, 403, FailureKind::Denied),
            (None, 404, FailureKind::Protocol),
            (None, 200, FailureKind::Protocol),
        ];
        for (code, status, expected) in table {
            assert_eq!(kind_of(code, status), expected, "{code:?} {status}");
        }
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        let message = failure(FailureKind::Invalid, "GetRecords", &"a\n b\t".repeat(1000)).message;
        assert_eq!(message.chars().count(), MESSAGE_CHARS);
        assert!(message.starts_with("a b a b"), "{message}");
    }

    #[test]
    fn a_shard_needs_an_id_and_nothing_else() {
        let odd = types::Shard::builder()
            .shard_id("shard-1")
            .parent_shard_id("")
            .sequence_number_range(
                types::SequenceNumberRange::builder()
                    .starting_sequence_number("odd")
                    .build(),
            )
            .build();
        let read = shard("DescribeStream", odd).unwrap();
        assert_eq!(
            (read.id.as_str(), read.parent, read.starting),
            ("shard-1", None, None)
        );
        let nameless = shard(
            "DescribeStream",
            types::Shard::builder().shard_id("").build(),
        );
        assert_eq!(nameless.unwrap_err().kind, FailureKind::Protocol);
    }
}
