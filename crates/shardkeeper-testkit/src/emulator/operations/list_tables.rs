//! `ListTables`.

use std::ops::Bound;

use serde_json::json;

use super::{Answer, page_limit};
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::request::Request;
use crate::emulator::world::World;

const MAX_PAGE: usize = 100;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["ExclusiveStartTableName", "Limit"])?;
    let limit = page_limit(request, MAX_PAGE)?;
    let after = match request.optional_string("ExclusiveStartTableName")? {
        Some(start) => Bound::Excluded(start),
        None => Bound::Unbounded,
    };
    let mut rest = world
        .tables
        .range::<str, _>((after, Bound::Unbounded))
        .map(|(name, _)| name);
    let names: Vec<&String> = rest.by_ref().take(limit).collect();
    let mut answer = json!({ "TableNames": names });
    if let (Some(last), Some(_)) = (names.last(), rest.next()) {
        answer["LastEvaluatedTableName"] = json!(last);
    }
    Ok(answer.into())
}
