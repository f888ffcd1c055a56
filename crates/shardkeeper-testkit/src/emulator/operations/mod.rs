//! The operations, one file each, and the table that finds them.

mod batch_get_item;
mod batch_write_item;
mod delete_item;
mod get_item;
mod put_item;
mod query;
mod scan;
mod transact_get_items;
mod transact_write_items;
mod update_item;

use bytes::Bytes;
use serde_json::Value;

use super::error::ServiceError;
use super::request::Request;
use super::world::World;

/// The body of an answer that is not a refusal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer(pub(crate) Bytes);

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self(Bytes::from(value.to_string()))
    }
}

type Handler = fn(&mut World, &Request) -> Result<Answer, ServiceError>;

const TABLES: &str = "DynamoDB_20120810";

/// Every operation: service, name, handler.
const OPERATIONS: &[(&str, &str, Handler)] = &[
    (TABLES, "BatchGetItem", batch_get_item::handle),
    (TABLES, "BatchWriteItem", batch_write_item::handle),
    (TABLES, "DeleteItem", delete_item::handle),
    (TABLES, "GetItem", get_item::handle),
    (TABLES, "PutItem", put_item::handle),
    (TABLES, "Query", query::handle),
    (TABLES, "Scan", scan::handle),
    (TABLES, "TransactGetItems", transact_get_items::handle),
    (TABLES, "TransactWriteItems", transact_write_items::handle),
    (TABLES, "UpdateItem", update_item::handle),
];

/// Performs the operation that `target` (the header `X-Amz-Target`) names.
pub(crate) fn dispatch(
    world: &mut World,
    target: &str,
    body: &[u8],
) -> Result<Answer, ServiceError> {
    let found = OPERATIONS
        .iter()
        .find(|(service, name, _)| target.split_once('.') == Some((service, name)));
    match found {
        Some((_, _, handler)) => handler(world, &Request::parse(body)?),
        None => Err(unknown(target)),
    }
}

/// Never a wrong success: what is missing is named, with what there is.
fn unknown(target: &str) -> ServiceError {
    let names: Vec<&str> = OPERATIONS.iter().map(|(_, name, _)| *name).collect();
    ServiceError::unsupported(format!(
        "the operation {target}; it supports: {}",
        names.join(", ")
    ))
}
