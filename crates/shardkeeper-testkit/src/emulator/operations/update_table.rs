//! `UpdateTable`: streams on and off, billing, deletion protection.

use serde_json::json;

use super::stream_specification::{self, Wish};
use super::{Answer, create_table};
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::request::Request;
use crate::emulator::world::World;

const SUPPORTED: &[&str] = &[
    "TableName",
    "AttributeDefinitions",
    "BillingMode",
    "ProvisionedThroughput",
    "StreamSpecification",
    "DeletionProtectionEnabled",
    "TableClass",
];

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, SUPPORTED)?;
    let table = world.any_table(request)?;
    let name = table.definition.name.clone();
    if !table.definition.is_active(world.now) {
        return Err(ServiceError::resource_in_use(format!(
            "Attempt to change a resource which is still in use: Table is being created: {name}"
        )));
    }
    let wish = stream_specification::read(request)?;
    let enabled = world.has_enabled_stream(&name);
    match wish {
        Some(Wish::Enable(_)) if enabled => {
            return Err(ServiceError::validation(format!(
                "Table already has an enabled stream: TableName: {name}"
            )));
        }
        Some(Wish::Disable) if !enabled => {
            return Err(ServiceError::validation(format!(
                "Table already has no enabled stream: TableName: {name}"
            )));
        }
        _ => {}
    }
    let protection = request.optional_bool("DeletionProtectionEnabled")?;
    let billing = ["BillingMode", "ProvisionedThroughput"];
    let provisioned = match billing.iter().any(|member| request.get(member).is_some()) {
        true => Some(create_table::capacity(request)?),
        false => None,
    };
    // Everything is checked: from here on nothing can fail, so nothing is applied by half.
    match wish {
        Some(Wish::Enable(view)) => world.enable_stream(&name, view),
        Some(Wish::Disable) => world.disable_stream(&name),
        None => {}
    }
    if let Some(table) = world.tables.get_mut(&name) {
        let definition = &mut table.definition;
        definition.deletion_protection = protection.unwrap_or(definition.deletion_protection);
        definition.provisioned = provisioned.unwrap_or(definition.provisioned);
    }
    let description = world
        .tables
        .get(&name)
        .map(|table| world.table_description(table));
    Ok(json!({ "TableDescription": description }).into())
}
