//! `DescribeTable`.

use serde_json::json;

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::request::Request;
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["TableName"])?;
    let table = world.any_table(request)?;
    Ok(json!({ "Table": world.table_description(table) }).into())
}
