//! `Query`.

use serde_json::Value;

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::expression::{Bindings, KeyCondition, Kind};
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::allow_only;
use crate::emulator::item::page::PageRequest;
use crate::emulator::key::{KeyAttribute, KeySchema, KeyValue, PrimaryKey};
use crate::emulator::request::Request;
use crate::emulator::table::Table;
use crate::emulator::value::{AttributeValue, Item};
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(
        request,
        &[
            "TableName",
            "KeyConditionExpression",
            "FilterExpression",
            "ProjectionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ExclusiveStartKey",
            "Limit",
            "Select",
            "ConsistentRead",
            "ScanIndexForward",
            "ReturnConsumedCapacity",
        ],
    )?;
    let capacity = Capacity::asked(request)?;
    let forward = request.optional_bool("ScanIndexForward")?.unwrap_or(true);
    let table = world.active_table(request)?;
    let schema = &table.definition.key_schema;
    let mut bindings = Bindings::from_json(
        request.get("ExpressionAttributeNames"),
        request.get("ExpressionAttributeValues"),
    )?;
    let text = request.optional_string("KeyConditionExpression")?.ok_or_else(|| {
        ServiceError::validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        )
    })?;
    let range_name = schema.range.as_ref().map(|range| range.name.as_str());
    let condition = KeyCondition::parse(text, &mut bindings, &schema.hash.name, range_name)?;
    let page = PageRequest::read(request, &mut bindings)?;
    bindings.finish(&[(Kind::KeyCondition, true)])?;
    check_filter(&page, schema)?;
    let partition = partition_of(&condition, schema)?;
    let start = page.start_key(schema)?;
    if start
        .as_ref()
        .is_some_and(|start| start.hash != partition || !condition.selects(&schema.to_item(start)))
    {
        return Err(ServiceError::validation(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    let selected = selected(table, partition, &condition);
    let name = &table.definition.name;
    let answer = if forward {
        let after = selected
            .into_iter()
            .skip_while(|(key, _)| start.as_ref().is_some_and(|start| *key <= start));
        page.answer(name, schema, after, capacity)
    } else {
        let before = selected
            .into_iter()
            .rev()
            .skip_while(|(key, _)| start.as_ref().is_some_and(|start| *key >= start));
        page.answer(name, schema, before, capacity)
    };
    Ok(Value::Object(answer).into())
}

/// The items of the partition that the condition selects, in the order of the sort key.
fn selected<'a>(
    table: &'a Table,
    partition: KeyValue,
    condition: &KeyCondition,
) -> Vec<(&'a PrimaryKey, &'a Item)> {
    // No sort key sorts before every sort key, so this is where the partition begins.
    let first = PrimaryKey::new(partition, None);
    table
        .items
        .range(&first..)
        .take_while(|(key, _)| key.hash == first.hash)
        .filter(|(_, item)| condition.selects(item))
        .collect()
}

fn partition_of(condition: &KeyCondition, schema: &KeySchema) -> Result<KeyValue, ServiceError> {
    let typed = |attribute: &KeyAttribute, value: &AttributeValue| {
        value.type_name() == attribute.kind.as_str()
    };
    let range_fits = match &schema.range {
        Some(range) => condition
            .sort_values()
            .into_iter()
            .all(|value| typed(range, value)),
        None => true,
    };
    let partition = match &condition.partition {
        AttributeValue::S(text) => Some(KeyValue::String(text.clone())),
        AttributeValue::N(number) => Some(KeyValue::Number(number.clone())),
        AttributeValue::B(bytes) => Some(KeyValue::Binary(bytes.clone())),
        _ => None,
    };
    partition.filter(|_| range_fits && typed(&schema.hash, &condition.partition)).ok_or_else(|| {
        ServiceError::validation(
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        )
    })
}

fn check_filter(page: &PageRequest, schema: &KeySchema) -> Result<(), ServiceError> {
    let paths = page.filter.iter().flat_map(|filter| filter.paths());
    match paths
        .map(|path| path.root())
        .find(|root| schema.contains(root))
    {
        Some(key) => Err(ServiceError::validation(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {key}"
        ))),
        None => Ok(()),
    }
}
