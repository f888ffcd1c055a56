//! `StreamSpecification`, which `CreateTable` and `UpdateTable` share.

use crate::emulator::error::ServiceError;
use crate::emulator::request::Request;
use crate::emulator::stream::record::ViewType;

/// What the caller wants of the table's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Enable(ViewType),
    Disable,
}

/// The wish, if one was given.
pub(super) fn read(request: &Request) -> Result<Option<Wish>, ServiceError> {
    let Some(specification) = request.optional_structure("StreamSpecification")? else {
        return Ok(None);
    };
    let enabled = specification
        .optional_bool("StreamEnabled")?
        .ok_or_else(|| ServiceError::missing("streamSpecification.streamEnabled"))?;
    let view = specification.optional_string("StreamViewType")?;
    match (enabled, view) {
        (true, Some(view)) => ViewType::parse(view)
            .map(|view| Some(Wish::Enable(view)))
            .ok_or_else(|| {
                ServiceError::constraint(
                    "streamSpecification.streamViewType",
                    view,
                    "Member must satisfy enum value set: [OLD_IMAGE, NEW_AND_OLD_IMAGES, NEW_IMAGE, KEYS_ONLY]",
                )
            }),
        (true, None) => Err(ServiceError::validation(
            "One or more parameter values were invalid: StreamViewType is required when \
             StreamEnabled is true",
        )),
        (false, Some(_)) => Err(ServiceError::validation(
            "One or more parameter values were invalid: StreamViewType must not be specified when \
             StreamEnabled is false",
        )),
        (false, None) => Ok(Some(Wish::Disable)),
    }
}
