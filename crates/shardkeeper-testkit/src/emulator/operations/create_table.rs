//! `CreateTable`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, stream_specification};
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::key::{KeyAttribute, KeySchema, ScalarType};
use crate::emulator::request::Request;
use crate::emulator::table::{Table, TableDefinition, table_name};
use crate::emulator::world::World;

/// The service's default quota for tables.
const MAX_TABLES: usize = 2500;

/// Tags, table class and encryption change nothing that anybody could see here.
const SUPPORTED: &[&str] = &[
    "TableName",
    "KeySchema",
    "AttributeDefinitions",
    "BillingMode",
    "ProvisionedThroughput",
    "StreamSpecification",
    "DeletionProtectionEnabled",
    "Tags",
    "TableClass",
    "SSESpecification",
];

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, SUPPORTED)?;
    let name = table_name(request.string("TableName")?)?.to_owned();
    let key_schema = key_schema(request)?;
    let provisioned = capacity(request)?;
    let stream = stream_specification::read(request)?;
    if world.tables.contains_key(&name) {
        return Err(ServiceError::resource_in_use(format!(
            "Table already exists: {name}"
        )));
    }
    if world.tables.len() >= MAX_TABLES {
        return Err(ServiceError::new(
            400,
            "LimitExceededException",
            "Too many tables for a given account",
        ));
    }
    let settings = &world.settings;
    let definition = TableDefinition {
        arn: format!(
            "arn:aws:dynamodb:{}:{}:table/{name}",
            settings.region, settings.account
        ),
        name: name.clone(),
        id: uuid(world.dice.u128(..)),
        key_schema,
        created: world.now,
        active_from: world.now.saturating_add(settings.create_delay),
        provisioned,
        ttl_attribute: None,
        deletion_protection: request
            .optional_bool("DeletionProtectionEnabled")?
            .unwrap_or(false),
    };
    let table = Table {
        definition,
        items: BTreeMap::new(),
        latest_stream: None,
    };
    world.tables.insert(name.clone(), table);
    if let Some(stream_specification::Wish::Enable(view)) = stream {
        world.enable_stream(&name, view);
    }
    let description = world
        .tables
        .get(&name)
        .map(|table| world.table_description(table));
    Ok(json!({ "TableDescription": description }).into())
}

fn key_schema(request: &Request) -> Result<KeySchema, ServiceError> {
    let mut types = BTreeMap::new();
    for definition in request.array("AttributeDefinitions")? {
        let definition = Request::from_value(definition, "AttributeDefinitions")?;
        let kind = definition.string("AttributeType")?;
        let kind = ScalarType::parse(kind).ok_or_else(|| {
            ServiceError::constraint(
                "attributeDefinitions.1.member.attributeType",
                kind,
                "Member must satisfy enum value set: [B, N, S]",
            )
        })?;
        types.insert(definition.string("AttributeName")?.to_owned(), kind);
    }
    let mut attributes = Vec::new();
    for (element, expected) in request.array("KeySchema")?.iter().zip(["HASH", "RANGE"]) {
        attributes.push(key_attribute(element, expected, &types)?);
    }
    if request.array("KeySchema")?.len() > attributes.len() {
        return Err(invalid(
            "Too many KeySchema elements: there are at most two",
        ));
    }
    if types.len() != attributes.len() {
        return Err(invalid(
            "Number of attributes in KeySchema does not exactly match number of attributes defined \
             in AttributeDefinitions",
        ));
    }
    let mut attributes = attributes.into_iter();
    let hash = attributes.next().ok_or_else(|| {
        invalid(
            "No Hash Key specified in schema. All Dynamo DB tables must have exactly one hash key",
        )
    })?;
    let range = attributes.next();
    if range.as_ref().is_some_and(|range| range.name == hash.name) {
        return Err(invalid(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    Ok(KeySchema { hash, range })
}

fn key_attribute(
    element: &Value,
    expected: &str,
    types: &BTreeMap<String, ScalarType>,
) -> Result<KeyAttribute, ServiceError> {
    let element = Request::from_value(element, "KeySchema")?;
    let name = element.string("AttributeName")?;
    if element.string("KeyType")? != expected {
        return Err(invalid(
            "Invalid KeySchema: The first KeySchemaElement must be a HASH key type and the second \
             a RANGE key type",
        ));
    }
    let kind = types.get(name).ok_or_else(|| {
        invalid("Some index key attributes are not defined in AttributeDefinitions")
    })?;
    Ok(KeyAttribute {
        name: name.to_owned(),
        kind: *kind,
    })
}

/// The provisioned units, or `None` for a table that is billed per request.
pub(super) fn capacity(request: &Request) -> Result<Option<(i64, i64)>, ServiceError> {
    let throughput = request.optional_structure("ProvisionedThroughput")?;
    match (request.optional_string("BillingMode")?, throughput) {
        (Some("PAY_PER_REQUEST"), None) => Ok(None),
        (Some("PAY_PER_REQUEST"), Some(_)) => Err(invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
             PAY_PER_REQUEST",
        )),
        (None | Some("PROVISIONED"), Some(throughput)) => {
            let units = |member: &str| match throughput.optional_integer(member)? {
                Some(units) if units >= 1 => Ok(units),
                _ => Err(invalid("capacity units must be at least 1")),
            };
            Ok(Some((
                units("ReadCapacityUnits")?,
                units("WriteCapacityUnits")?,
            )))
        }
        (None | Some("PROVISIONED"), None) => Err(invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is \
             PROVISIONED",
        )),
        (Some(other), _) => Err(ServiceError::constraint(
            "billingMode",
            other,
            "Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
        )),
    }
}

fn invalid(why: &str) -> ServiceError {
    ServiceError::validation(format!("One or more parameter values were invalid: {why}"))
}

fn uuid(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
