//! `BatchGetItem`.

use serde_json::{Map, Value, json};

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::allow_only;
use crate::emulator::item::read::{only_projection, shown};
use crate::emulator::key::PrimaryKey;
use crate::emulator::request::Request;
use crate::emulator::value::{item_from_json, item_size};
use crate::emulator::world::World;

const MAX_KEYS: usize = 100;

/// One answer holds this much; the keys after it come back as unprocessed.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["RequestItems", "ReturnConsumedCapacity"])?;
    let mut capacity = Capacity::asked(request)?;
    let tables = request.object("RequestItems")?;
    if tables.is_empty() {
        return Err(ServiceError::constraint(
            "requestItems",
            "{}",
            "Member must have length greater than or equal to 1",
        ));
    }
    let mut reads = Vec::new();
    for (name, value) in tables {
        reads.push((name, Request::from_value(value, name)?));
    }
    let mut asked = 0_usize;
    for (_, read) in &reads {
        asked = asked.saturating_add(read.array("Keys")?.len());
    }
    if asked > MAX_KEYS {
        return Err(ServiceError::validation(
            "Too many items requested for the BatchGetItem call",
        ));
    }
    let (mut responses, mut unprocessed, mut bytes) = (Map::new(), Map::new(), 0_usize);
    for (name, read) in &reads {
        let (found, left) = read_table(world, name, read, &mut bytes, &mut capacity)?;
        responses.insert((*name).clone(), Value::Array(found));
        if !left.is_empty() {
            let mut again = tables.get(*name).cloned().unwrap_or_default();
            again["Keys"] = Value::Array(left);
            unprocessed.insert((*name).clone(), again);
        }
    }
    let mut answer = Map::new();
    answer.insert("Responses".to_owned(), Value::Object(responses));
    answer.insert("UnprocessedKeys".to_owned(), Value::Object(unprocessed));
    capacity.report_all(&mut answer);
    Ok(Value::Object(answer).into())
}

/// The items found, and the keys that no longer fit.
fn read_table(
    world: &World,
    name: &str,
    read: &Request,
    bytes: &mut usize,
    capacity: &mut Capacity,
) -> Result<(Vec<Value>, Vec<Value>), ServiceError> {
    allow_only(
        read,
        &[
            "Keys",
            "ConsistentRead",
            "ProjectionExpression",
            "ExpressionAttributeNames",
        ],
    )?;
    let given = read.array("Keys")?;
    if given.is_empty() {
        return Err(ServiceError::constraint(
            &format!("requestItems.{name}.member.keys"),
            "[]",
            "Member must have length greater than or equal to 1",
        ));
    }
    let projection = only_projection(read)?;
    let consistent = read.optional_bool("ConsistentRead")?.unwrap_or(false);
    let table = world.active_table_named(name)?;
    let mut keys: Vec<PrimaryKey> = Vec::new();
    for key in given {
        let key = table
            .definition
            .key_schema
            .key_from(&item_from_json(key)?)?;
        if keys.contains(&key) {
            return Err(ServiceError::validation(
                "Provided list of item keys contains duplicates",
            ));
        }
        keys.push(key);
    }
    let (mut found, mut left) = (Vec::new(), Vec::new());
    for (key, given) in keys.iter().zip(given) {
        if *bytes >= MAX_ANSWER_BYTES {
            left.push(json!(given));
            continue;
        }
        let item = table.items.get(key);
        let size = item.map_or(0, item_size);
        *bytes += size;
        capacity.read(&table.definition.name, size, consistent);
        found.extend(item.map(|item| shown(item, projection.as_ref())));
    }
    Ok((found, left))
}
