//! `GetItem`.

use serde_json::{Map, Value};

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::allow_only;
use crate::emulator::item::mutation::key_item;
use crate::emulator::item::read::{only_projection, shown};
use crate::emulator::request::Request;
use crate::emulator::value::item_size;
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(
        request,
        &[
            "TableName",
            "Key",
            "ConsistentRead",
            "ProjectionExpression",
            "ExpressionAttributeNames",
            "ReturnConsumedCapacity",
        ],
    )?;
    let given = key_item(request)?;
    let projection = only_projection(request)?;
    let consistent = request.optional_bool("ConsistentRead")?.unwrap_or(false);
    let mut capacity = Capacity::asked(request)?;
    let table = world.active_table(request)?;
    let item = table
        .items
        .get(&table.definition.key_schema.key_from(&given)?);
    let mut answer = Map::new();
    if let Some(item) = item {
        answer.insert("Item".to_owned(), shown(item, projection.as_ref()));
    }
    capacity.read(
        &table.definition.name,
        item.map_or(0, item_size),
        consistent,
    );
    capacity.report_one(&mut answer);
    Ok(Value::Object(answer).into())
}
