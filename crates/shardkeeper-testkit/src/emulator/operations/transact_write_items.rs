//! `TransactWriteItems`: all of it or nothing.

use serde_json::{Map, Value, json};

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::{allow_only, check_collection_metrics};
use crate::emulator::item::mutation::{Change, Mutation, Refusal};
use crate::emulator::request::Request;
use crate::emulator::world::World;

const MAX_ACTIONS: usize = 100;
const MAX_TRANSACTION_BYTES: usize = 4 * 1024 * 1024;
const MAX_TOKEN_LENGTH: usize = 36;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(
        request,
        &[
            "TransactItems",
            "ClientRequestToken",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
        ],
    )?;
    check_collection_metrics(request)?;
    let mut capacity = Capacity::asked(request)?;
    let actions = request.array("TransactItems")?;
    check_length(actions)?;
    let token = token(request)?;
    let mutations = mutations(world, actions)?;
    let body = Value::Array(actions.to_vec());
    let now = world.now;
    let repeat = match token {
        Some(token) => world.client_tokens.is_repeat(token, &body, now)?,
        None => false,
    };
    if repeat {
        // Answering a repeated transaction reads its items instead of writing them.
        for mutation in &mutations {
            capacity.read_in_transaction(&mutation.table, 0);
        }
    } else {
        let changes = plan(world, &mutations)?;
        for (mutation, change) in mutations.into_iter().zip(&changes) {
            capacity.write_in_transaction(&mutation.table, change.size());
            mutation.commit(world, change);
        }
        if let Some(token) = token {
            world.client_tokens.remember(token.to_owned(), body, now);
        }
    }
    let mut answer = Map::new();
    capacity.report_all(&mut answer);
    Ok(Value::Object(answer).into())
}

/// Between 1 and 100 actions.
pub(super) fn check_length(actions: &[Value]) -> Result<(), ServiceError> {
    let rule = match actions.len() {
        0 => "Member must have length greater than or equal to 1",
        1..=MAX_ACTIONS => return Ok(()),
        _ => "Member must have length less than or equal to 100",
    };
    Err(ServiceError::constraint(
        "transactItems",
        &format!("[{} actions]", actions.len()),
        rule,
    ))
}

fn token(request: &Request) -> Result<Option<&str>, ServiceError> {
    let token = request.optional_string("ClientRequestToken")?;
    match token.map(str::len) {
        Some(0) => Err(ServiceError::constraint(
            "clientRequestToken",
            "",
            "Member must have length greater than or equal to 1",
        )),
        Some(length) if length > MAX_TOKEN_LENGTH => Err(ServiceError::constraint(
            "clientRequestToken",
            token.unwrap_or_default(),
            "Member must have length less than or equal to 36",
        )),
        _ => Ok(token),
    }
}

fn mutations(world: &World, actions: &[Value]) -> Result<Vec<Mutation>, ServiceError> {
    let mut mutations: Vec<Mutation> = Vec::new();
    for action in actions {
        let mutation = mutation(world, &Request::from_value(action, "TransactWriteItem")?)?;
        if mutations
            .iter()
            .any(|other| other.table == mutation.table && other.key == mutation.key)
        {
            return Err(ServiceError::validation(
                "Transaction request cannot include multiple operations on one item",
            ));
        }
        mutations.push(mutation);
    }
    Ok(mutations)
}

fn mutation(world: &World, action: &Request) -> Result<Mutation, ServiceError> {
    const SHARED: [&str; 5] = [
        "TableName",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
    ];
    allow_only(action, &["ConditionCheck", "Put", "Update", "Delete"])?;
    let mut given = action.members();
    let (Some(name), None) = (given.next(), given.next()) else {
        return Err(ServiceError::validation(
            "TransactItems can only contain one of Check, Put, Update or Delete",
        ));
    };
    let body = action.structure(name)?;
    let check = |own: &[&str]| allow_only(&body, &[&SHARED, own].concat());
    match name {
        "Put" => check(&["Item"]).and_then(|()| Mutation::put(world, &body)),
        "Update" => {
            check(&["Key", "UpdateExpression"])?;
            body.string("UpdateExpression")?;
            Mutation::update(world, &body)
        }
        "Delete" => check(&["Key"]).and_then(|()| Mutation::delete(world, &body)),
        _ => check(&["Key"]).and_then(|()| Mutation::check(world, &body)),
    }
}

/// Every change, or one reason per action why there is none.
fn plan(world: &World, mutations: &[Mutation]) -> Result<Vec<Change>, ServiceError> {
    let planned: Vec<Result<Change, Refusal>> = mutations
        .iter()
        .map(|mutation| mutation.plan(world))
        .collect();
    if planned.iter().any(Result::is_err) {
        let reasons = planned
            .into_iter()
            .map(|planned| planned.map_or_else(reason, |_| json!({ "Code": "None" })));
        return Err(ServiceError::transaction_canceled(reasons.collect()));
    }
    let changes: Vec<Change> = planned.into_iter().filter_map(Result::ok).collect();
    if changes.iter().map(Change::size).sum::<usize>() > MAX_TRANSACTION_BYTES {
        return Err(ServiceError::validation(
            "Aggregated size of all items in the transaction exceeded limit",
        ));
    }
    Ok(changes)
}

fn reason(refusal: Refusal) -> Value {
    match refusal {
        Refusal::ConditionFailed(item) => {
            let mut reason = json!({ "Code": "ConditionalCheckFailed", "Message": "The conditional request failed" });
            if let Some(item) = item {
                reason["Item"] = item;
            }
            reason
        }
        Refusal::Invalid(invalid) => json!({ "Code": "ValidationError", "Message": invalid.0 }),
    }
}
