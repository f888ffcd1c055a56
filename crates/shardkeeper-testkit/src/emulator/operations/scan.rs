//! `Scan`.

use std::ops::Bound;

use serde_json::Value;

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::expression::{Bindings, Kind};
use crate::emulator::item::capacity::Capacity;
use crate::emulator::item::members::allow_only;
use crate::emulator::item::page::PageRequest;
use crate::emulator::key::PrimaryKey;
use crate::emulator::request::Request;
use crate::emulator::world::World;

/// The service's bound on parallel scans.
const MAX_SEGMENTS: i64 = 1_000_000;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(
        request,
        &[
            "TableName",
            "FilterExpression",
            "ProjectionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ExclusiveStartKey",
            "Limit",
            "Select",
            "ConsistentRead",
            "Segment",
            "TotalSegments",
            "ReturnConsumedCapacity",
        ],
    )?;
    let capacity = Capacity::asked(request)?;
    let mut bindings = Bindings::from_json(
        request.get("ExpressionAttributeNames"),
        request.get("ExpressionAttributeValues"),
    )?;
    let page = PageRequest::read(request, &mut bindings)?;
    bindings.finish(&[
        (Kind::Filter, page.filter.is_some()),
        (
            Kind::Projection,
            request.get("ProjectionExpression").is_some(),
        ),
    ])?;
    let segment = Segment::of(request)?;
    let table = world.active_table(request)?;
    let schema = &table.definition.key_schema;
    let start = page.start_key(schema)?;
    if start.as_ref().is_some_and(|start| !segment.contains(start)) {
        return Err(ServiceError::validation(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment.",
        ));
    }
    let after = start.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let candidates = table
        .items
        .range((after, Bound::Unbounded))
        .filter(|(key, _)| segment.contains(key));
    Ok(Value::Object(page.answer(&table.definition.name, schema, candidates, capacity)).into())
}

/// One of equal parts of the ring of partition keys.
struct Segment {
    index: i64,
    total: i64,
}

impl Segment {
    fn of(request: &Request) -> Result<Self, ServiceError> {
        let (index, total) = (
            request.optional_integer("Segment")?,
            request.optional_integer("TotalSegments")?,
        );
        match (index, total) {
            (None, None) => Ok(Self { index: 0, total: 1 }),
            (Some(_), None) => Err(one_without("TotalSegments", "Segment")),
            (None, Some(_)) => Err(one_without("Segment", "TotalSegments")),
            (Some(_), Some(total)) if !(1..=MAX_SEGMENTS).contains(&total) => {
                Err(ServiceError::constraint(
                    "totalSegments",
                    &total.to_string(),
                    &format!("Member must have value between 1 and {MAX_SEGMENTS}"),
                ))
            }
            (Some(index), Some(total)) if (0..total).contains(&index) => Ok(Self { index, total }),
            (Some(index), Some(total)) => Err(ServiceError::validation(format!(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
                 Segment: {index} is not less than TotalSegments: {total}"
            ))),
        }
    }

    fn contains(&self, key: &PrimaryKey) -> bool {
        let share = (i128::from(key.position()) * i128::from(self.total)) >> 64;
        share == i128::from(self.index)
    }
}

fn one_without(missing: &str, present: &str) -> ServiceError {
    ServiceError::validation(format!(
        "The {missing} parameter is required but was not present in the request when parameter {present} is present"
    ))
}
