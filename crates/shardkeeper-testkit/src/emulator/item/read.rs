//! What every read has in common: a projection, and an answer of attributes.

use serde_json::Value;

use crate::emulator::error::ServiceError;
use crate::emulator::expression::{Bindings, Kind, Projection};
use crate::emulator::request::Request;
use crate::emulator::value::{Item, item_to_json};

/// Reads `ProjectionExpression` of a request that has no other expression.
pub(crate) fn only_projection(request: &Request) -> Result<Option<Projection>, ServiceError> {
    let mut bindings = Bindings::from_json(request.get("ExpressionAttributeNames"), None)?;
    let text = request.optional_string("ProjectionExpression")?;
    let projection = text
        .map(|text| Projection::parse(text, &mut bindings))
        .transpose()?;
    bindings.finish(&[(Kind::Projection, text.is_some())])?;
    Ok(projection)
}

/// The item as an answer shows it.
pub(crate) fn shown(item: &Item, projection: Option<&Projection>) -> Value {
    match projection {
        Some(projection) => item_to_json(&projection.apply(item)),
        None => item_to_json(item),
    }
}
