//! `TransactGetItems`.

use serde_json::{Map, Value, json};

use super::Answer;
use super::transact_write_items::check_length;
use crate::emulator::error::ServiceError;
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::allow_only;
use crate::emulator::item::mutation::key_item;
use crate::emulator::item::read::{only_projection, shown};
use crate::emulator::key::PrimaryKey;
use crate::emulator::request::Request;
use crate::emulator::value::item_size;
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["TransactItems", "ReturnConsumedCapacity"])?;
    let mut capacity = Capacity::asked(request)?;
    let gets = request.array("TransactItems")?;
    check_length(gets)?;
    let mut seen: Vec<(&str, PrimaryKey)> = Vec::new();
    let mut responses = Vec::new();
    for get in gets {
        let get = Request::from_value(get, "TransactGetItem")?;
        allow_only(&get, &["Get"])?;
        let get = get.structure("Get")?;
        allow_only(
            &get,
            &[
                "TableName",
                "Key",
                "ProjectionExpression",
                "ExpressionAttributeNames",
            ],
        )?;
        let given = key_item(&get)?;
        let projection = only_projection(&get)?;
        let table = world.active_table(&get)?;
        let name = table.definition.name.as_str();
        let key = table.definition.key_schema.key_from(&given)?;
        let item = table.items.get(&key);
        if seen
            .iter()
            .any(|(other, seen)| *other == name && *seen == key)
        {
            return Err(ServiceError::validation(
                "Transaction request cannot include multiple operations on one item",
            ));
        }
        seen.push((name, key));
        capacity.read_in_transaction(name, item.map_or(0, item_size));
        responses.push(match item {
            Some(item) => json!({ "Item": shown(item, projection.as_ref()) }),
            None => json!({}),
        });
    }
    let mut answer = Map::new();
    answer.insert("Responses".to_owned(), Value::Array(responses));
    capacity.report_all(&mut answer);
    Ok(Value::Object(answer).into())
}
