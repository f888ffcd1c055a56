//! `DeleteItem`.

use serde_json::{Map, Value};

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::{ReturnValues, allow_only, check_collection_metrics};
use crate::emulator::item::mutation::Mutation;
use crate::emulator::request::Request;
use crate::emulator::value::item_to_json;
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(
        request,
        &[
            "TableName",
            "Key",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
        ],
    )?;
    let returns = ReturnValues::old_only(request)?;
    check_collection_metrics(request)?;
    let mut capacity = Capacity::asked(request)?;
    let mutation = Mutation::delete(world, request)?;
    let table = mutation.table.clone();
    let change = mutation.perform(world)?;
    capacity.write(&table, change.size());
    let mut answer = Map::new();
    if let (ReturnValues::AllOld, Some(old)) = (returns, &change.old) {
        answer.insert("Attributes".to_owned(), item_to_json(old));
    }
    capacity.report_one(&mut answer);
    Ok(Value::Object(answer).into())
}
