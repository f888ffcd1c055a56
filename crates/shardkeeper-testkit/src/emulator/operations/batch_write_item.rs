//! `BatchWriteItem`: independent puts and deletes, without conditions.

use serde_json::{Map, Value, json};

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::{allow_only, check_collection_metrics};
use crate::emulator::item::mutation::Mutation;
use crate::emulator::request::Request;
use crate::emulator::world::World;

const MAX_WRITES: usize = 25;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(
        request,
        &[
            "RequestItems",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
        ],
    )?;
    check_collection_metrics(request)?;
    let mut capacity = Capacity::asked(request)?;
    // Everything is checked before anything is written: a refused batch leaves no trace.
    let mutations = mutations(world, request)?;
    for mutation in mutations {
        let table = mutation.table.clone();
        let change = mutation.perform(world)?;
        capacity.write(&table, change.size());
    }
    let mut answer = Map::new();
    answer.insert("UnprocessedItems".to_owned(), json!({}));
    capacity.report_all(&mut answer);
    Ok(Value::Object(answer).into())
}

fn mutations(world: &World, request: &Request) -> Result<Vec<Mutation>, ServiceError> {
    let tables = request.object("RequestItems")?;
    let mut writes = Vec::new();
    for (table, list) in tables {
        let list = list.as_array().ok_or_else(|| {
            ServiceError::serialization(format!("the member RequestItems.{table} must be a list"))
        })?;
        writes.extend(list.iter().map(|write| (table, write)));
    }
    if writes.is_empty() {
        return Err(ServiceError::constraint(
            "requestItems",
            "{}",
            "Member must have length greater than or equal to 1",
        ));
    }
    if writes.len() > MAX_WRITES {
        return Err(ServiceError::validation(
            "Too many items requested for the BatchWriteItem call",
        ));
    }
    let mut mutations: Vec<Mutation> = Vec::new();
    for (table, write) in writes {
        let mutation = mutation(world, table, write)?;
        if mutations
            .iter()
            .any(|other| other.table == mutation.table && other.key == mutation.key)
        {
            return Err(ServiceError::validation(
                "Provided list of item keys contains duplicates",
            ));
        }
        mutations.push(mutation);
    }
    Ok(mutations)
}

fn mutation(world: &World, table: &str, write: &Value) -> Result<Mutation, ServiceError> {
    let write = Request::from_value(write, "WriteRequest")?;
    allow_only(&write, &["PutRequest", "DeleteRequest"])?;
    let with_table = |request: &Request, member: &str| {
        allow_only(request, &[member])?;
        let body = json!({ "TableName": table, member: request.get(member) });
        Request::from_value(&body, member)
    };
    match (
        write.optional_structure("PutRequest")?,
        write.optional_structure("DeleteRequest")?,
    ) {
        (Some(put), None) => Mutation::put(world, &with_table(&put, "Item")?),
        (None, Some(delete)) => Mutation::delete(world, &with_table(&delete, "Key")?),
        (Some(_), Some(_)) => Err(ServiceError::validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        )),
        (None, None) => Err(ServiceError::validation(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        )),
    }
}
