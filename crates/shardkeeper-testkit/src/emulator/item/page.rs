//! One page of a `Query` or `Scan`: where it starts, how much it reads, what it shows.

use serde_json::{Map, Value, json};

use super::capacity::Capacity;
use super::members::not_in_enum;
use super::read::shown;
use crate::emulator::error::ServiceError;
use crate::emulator::expression::{Bindings, Condition, Kind, Projection};
use crate::emulator::key::{KeySchema, PrimaryKey};
use crate::emulator::request::Request;
use crate::emulator::value::{Item, item_from_json, item_size, item_to_json};

/// How much a page reads before it ends.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// The members that queries and scans share.
#[derive(Debug)]
pub(crate) struct PageRequest {
    pub(crate) start: Option<Item>,
    pub(crate) filter: Option<Condition>,
    limit: Option<usize>,
    projection: Option<Projection>,
    count_only: bool,
    consistent: bool,
}

impl PageRequest {
    /// Reads the shared members; `bindings` may have been used by a key condition before.
    pub(crate) fn read(request: &Request, bindings: &mut Bindings) -> Result<Self, ServiceError> {
        let filter = request
            .optional_string("FilterExpression")?
            .map(|text| Condition::parse(Kind::Filter, text, bindings))
            .transpose()?;
        let projection = request
            .optional_string("ProjectionExpression")?
            .map(|text| Projection::parse(text, bindings))
            .transpose()?;
        Ok(Self {
            start: request
                .get("ExclusiveStartKey")
                .map(item_from_json)
                .transpose()?,
            count_only: counts_only(request, projection.is_some())?,
            filter,
            limit: limit(request)?,
            projection,
            consistent: request.optional_bool("ConsistentRead")?.unwrap_or(false),
        })
    }

    /// Where to go on, checked against the table.
    pub(crate) fn start_key(&self, schema: &KeySchema) -> Result<Option<PrimaryKey>, ServiceError> {
        self.start
            .as_ref()
            .map(|start| {
                schema.key_from(start).map_err(|_| {
                    ServiceError::validation(
                        "The provided starting key is invalid: The provided key element does not match the schema",
                    )
                })
            })
            .transpose()
    }

    /// Reads `candidates`, which begin after the start key and are in order, and answers.
    pub(crate) fn answer<'a>(
        &self,
        table: &str,
        schema: &KeySchema,
        candidates: impl Iterator<Item = (&'a PrimaryKey, &'a Item)>,
        mut capacity: Capacity,
    ) -> Map<String, Value> {
        let mut candidates = candidates.peekable();
        let (mut items, mut count, mut scanned, mut bytes) =
            (Vec::new(), 0_usize, 0_usize, 0_usize);
        let mut last = None;
        while let Some((key, item)) = candidates.next() {
            scanned += 1;
            bytes += item_size(item);
            if self.filter.as_ref().is_none_or(|filter| filter.holds(item)) {
                count += 1;
                if !self.count_only {
                    items.push(shown(item, self.projection.as_ref()));
                }
            }
            // A page that ends at `Limit` says where, even when nothing follows: the service does not look ahead.
            if self.limit == Some(scanned)
                || (bytes >= MAX_PAGE_BYTES && candidates.peek().is_some())
            {
                last = Some(item_to_json(&schema.to_item(key)));
                break;
            }
        }
        let mut answer = Map::new();
        answer.insert("Count".to_owned(), json!(count));
        answer.insert("ScannedCount".to_owned(), json!(scanned));
        if !self.count_only {
            answer.insert("Items".to_owned(), Value::Array(items));
        }
        if let Some(last) = last {
            answer.insert("LastEvaluatedKey".to_owned(), last);
        }
        capacity.read(table, bytes, self.consistent);
        capacity.report_one(&mut answer);
        answer
    }
}

fn limit(request: &Request) -> Result<Option<usize>, ServiceError> {
    request
        .optional_integer("Limit")?
        .map(|limit| {
            usize::try_from(limit)
                .ok()
                .filter(|&limit| limit > 0)
                .ok_or_else(|| {
                    ServiceError::constraint(
                        "limit",
                        &limit.to_string(),
                        "Member must have value greater than or equal to 1",
                    )
                })
        })
        .transpose()
}

/// Reads `Select`, which must agree with whether there is a projection.
fn counts_only(request: &Request, projected: bool) -> Result<bool, ServiceError> {
    match (request.optional_string("Select")?, projected) {
        (None, _) | (Some("SPECIFIC_ATTRIBUTES"), true) | (Some("ALL_ATTRIBUTES"), false) => {
            Ok(false)
        }
        (Some("COUNT"), false) => Ok(true),
        (Some("SPECIFIC_ATTRIBUTES"), false) => Err(ServiceError::validation(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        (Some("COUNT"), true) => Err(ServiceError::validation(
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        )),
        (Some("ALL_ATTRIBUTES"), true) => Err(ServiceError::validation(
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        )),
        (Some("ALL_PROJECTED_ATTRIBUTES"), _) => Err(ServiceError::validation(
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        )),
        (Some(other), _) => Err(not_in_enum(
            "select",
            other,
            "SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES",
        )),
    }
}
