//! `DeleteTable`: the table is gone at once, its stream stays readable until it ages out.

use serde_json::json;

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::request::Request;
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["TableName"])?;
    let table = world.any_table(request)?;
    let name = table.definition.name.clone();
    if !table.definition.is_active(world.now) {
        return Err(ServiceError::resource_in_use(format!(
            "Attempt to change a resource which is still in use: Table is being created: {name}"
        )));
    }
    if table.definition.deletion_protection {
        return Err(ServiceError::validation(format!(
            "Resource cannot be deleted as it is currently protected against deletion. Disable \
             deletion protection first: {name}"
        )));
    }
    let mut description = world.table_description(table);
    description["TableStatus"] = json!("DELETING");
    world.disable_stream(&name);
    world.tables.remove(&name);
    Ok(json!({ "TableDescription": description }).into())
}
