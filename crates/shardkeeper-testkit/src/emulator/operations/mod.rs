//! The operations, one file each, and the table that finds them.

mod batch_get_item;
mod batch_write_item;
mod create_table;
mod delete_item;
mod delete_table;
mod describe_stream;
mod describe_table;
mod describe_time_to_live;
mod get_item;
mod get_records;
mod get_shard_iterator;
mod list_streams;
mod list_tables;
mod put_item;
mod query;
mod scan;
mod stream_request;
mod stream_specification;
mod transact_get_items;
mod transact_write_items;
mod update_item;
mod update_table;
mod update_time_to_live;

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
const STREAMS: &str = "DynamoDBStreams_20120810";

/// Every operation: service, name, handler.
const OPERATIONS: &[(&str, &str, Handler)] = &[
    (TABLES, "BatchGetItem", batch_get_item::handle),
    (TABLES, "BatchWriteItem", batch_write_item::handle),
    (TABLES, "CreateTable", create_table::handle),
    (TABLES, "DeleteItem", delete_item::handle),
    (TABLES, "DeleteTable", delete_table::handle),
    (TABLES, "DescribeTable", describe_table::handle),
    (TABLES, "DescribeTimeToLive", describe_time_to_live::handle),
    (TABLES, "GetItem", get_item::handle),
    (TABLES, "ListTables", list_tables::handle),
    (TABLES, "PutItem", put_item::handle),
    (TABLES, "Query", query::handle),
    (TABLES, "Scan", scan::handle),
    (TABLES, "TransactGetItems", transact_get_items::handle),
    (TABLES, "TransactWriteItems", transact_write_items::handle),
    (TABLES, "UpdateItem", update_item::handle),
    (TABLES, "UpdateTable", update_table::handle),
    (TABLES, "UpdateTimeToLive", update_time_to_live::handle),
    (STREAMS, "DescribeStream", describe_stream::handle),
    (STREAMS, "GetRecords", get_records::handle),
    (STREAMS, "GetShardIterator", get_shard_iterator::handle),
    (STREAMS, "ListStreams", list_streams::handle),
];

/// Performs the operation that `target` (the header `X-Amz-Target`) names.
pub(crate) fn dispatch(
    world: &mut World,
    target: &str,
    body: &[u8],
) -> Result<Answer, ServiceError> {
    match find(target) {
        Some(handler) => handler(world, &Request::parse(body)?),
        None => Err(unknown(target)),
    }
}

/// Whether there is such an operation.
pub(crate) fn is_known(target: &str) -> bool {
    find(target).is_some()
}

/// The service that an operation belongs to, as `target` names it.
pub(crate) fn service_of(operation: &str) -> &'static str {
    let found = OPERATIONS.iter().find(|(_, name, _)| *name == operation);
    found.map_or(TABLES, |(service, ..)| service)
}

fn find(target: &str) -> Option<Handler> {
    let (service, operation) = target.split_once('.')?;
    let found = OPERATIONS
        .iter()
        .find(|(known, name, _)| (*known, *name) == (service, operation));
    found.map(|(.., handler)| *handler)
}

/// Never a wrong success: what is missing is named, with what there is.
fn unknown(target: &str) -> ServiceError {
    let names: Vec<&str> = OPERATIONS.iter().map(|(_, name, _)| *name).collect();
    ServiceError::unsupported(format!(
        "the operation {target:?}; it supports: {}",
        names.join(", ")
    ))
}

/// `Limit` of a listing: from 1 to `most`, which is also the default.
fn page_limit(request: &Request, most: usize) -> Result<usize, ServiceError> {
    let Some(limit) = request.optional_integer("Limit")? else {
        return Ok(most);
    };
    let refuse = |rule: &str| ServiceError::constraint("limit", &limit.to_string(), rule);
    match usize::try_from(limit) {
        Ok(0) | Err(_) => Err(refuse("Member must have value greater than or equal to 1")),
        Ok(within) if within <= most => Ok(within),
        Ok(_) => Err(refuse(&format!(
            "Member must have value less than or equal to {most}"
        ))),
    }
}
