//! Which members a request may have, and the few choices that item operations share.

use crate::emulator::error::ServiceError;
use crate::emulator::request::Request;

/// Refuses every member that is not `supported`: a test must never pass because the emulator looked away.
/// Legacy members (`Expected`, `AttributesToGet`, ...) and index reads end here.
pub(crate) fn allow_only(request: &Request, supported: &[&str]) -> Result<(), ServiceError> {
    match request.members().find(|member| !supported.contains(member)) {
        Some(member) => Err(ServiceError::unsupported(format!("the parameter {member}"))),
        None => Ok(()),
    }
}

/// `ReturnValues`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReturnValues {
    None,
    AllOld,
    UpdatedOld,
    AllNew,
    UpdatedNew,
}

impl ReturnValues {
    /// Of an operation that may ask for all five.
    pub(crate) fn of(request: &Request) -> Result<Self, ServiceError> {
        Ok(match request.optional_string("ReturnValues")? {
            None | Some("NONE") => Self::None,
            Some("ALL_OLD") => Self::AllOld,
            Some("UPDATED_OLD") => Self::UpdatedOld,
            Some("ALL_NEW") => Self::AllNew,
            Some("UPDATED_NEW") => Self::UpdatedNew,
            Some(other) => {
                return Err(not_in_enum(
                    "returnValues",
                    other,
                    "ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW",
                ));
            }
        })
    }

    /// Of an operation that knows only the old item.
    pub(crate) fn old_only(request: &Request) -> Result<Self, ServiceError> {
        match Self::of(request)? {
            known @ (Self::None | Self::AllOld) => Ok(known),
            _ => Err(ServiceError::validation(
                "ReturnValues can only be ALL_OLD or NONE",
            )),
        }
    }
}

/// Whether `ReturnValuesOnConditionCheckFailure` asks for the old item.
pub(crate) fn returns_old_on_failure(request: &Request) -> Result<bool, ServiceError> {
    match request.optional_string("ReturnValuesOnConditionCheckFailure")? {
        None | Some("NONE") => Ok(false),
        Some("ALL_OLD") => Ok(true),
        Some(other) => Err(not_in_enum(
            "returnValuesOnConditionCheckFailure",
            other,
            "ALL_OLD, NONE",
        )),
    }
}

/// Checks `ReturnItemCollectionMetrics`: tables here have no local index, so there is never one to report.
pub(crate) fn check_collection_metrics(request: &Request) -> Result<(), ServiceError> {
    match request.optional_string("ReturnItemCollectionMetrics")? {
        None | Some("NONE" | "SIZE") => Ok(()),
        Some(other) => Err(not_in_enum(
            "returnItemCollectionMetrics",
            other,
            "SIZE, NONE",
        )),
    }
}

/// The service's words for a value outside an enumeration.
pub(crate) fn not_in_enum(member: &str, value: &str, values: &str) -> ServiceError {
    ServiceError::constraint(
        member,
        value,
        &format!("Member must satisfy enum value set: [{values}]"),
    )
}
