//! `UpdateItem`.

use serde_json::{Map, Value};

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::{ReturnValues, allow_only, check_collection_metrics};
use crate::emulator::item::mutation::{Change, Mutation};
use crate::emulator::request::Request;
use crate::emulator::value::{Item, item_to_json};
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(
        request,
        &[
            "TableName",
            "Key",
            "UpdateExpression",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
        ],
    )?;
    let returns = ReturnValues::of(request)?;
    check_collection_metrics(request)?;
    let mut capacity = Capacity::asked(request)?;
    let mutation = Mutation::update(world, request)?;
    let change = mutation.plan(world)?;
    let mut answer = Map::new();
    if let Some(attributes) = attributes(returns, &mutation, &change) {
        answer.insert("Attributes".to_owned(), item_to_json(&attributes));
    }
    capacity.write(&mutation.table, change.size());
    mutation.commit(world, &change);
    capacity.report_one(&mut answer);
    Ok(Value::Object(answer).into())
}

fn attributes(returns: ReturnValues, mutation: &Mutation, change: &Change) -> Option<Item> {
    match returns {
        ReturnValues::None => None,
        ReturnValues::AllOld => change.old.clone(),
        ReturnValues::AllNew => change.new.clone(),
        ReturnValues::UpdatedOld => change.old.as_ref().map(|item| mutation.updated_parts(item)),
        ReturnValues::UpdatedNew => change.new.as_ref().map(|item| mutation.updated_parts(item)),
    }
    .filter(|attributes| !attributes.is_empty())
}
