//! `UpdateTimeToLive`.

use serde_json::json;

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::request::Request;
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["TableName", "TimeToLiveSpecification"])?;
    let specification = request.structure("TimeToLiveSpecification")?;
    let attribute = specification.string("AttributeName")?;
    let enable = specification
        .optional_bool("Enabled")?
        .ok_or_else(|| ServiceError::missing("timeToLiveSpecification.enabled"))?;
    if !(1..=255).contains(&attribute.len()) {
        return Err(ServiceError::constraint(
            "timeToLiveSpecification.attributeName",
            attribute,
            "Member must have length between 1 and 255",
        ));
    }
    let name = world.active_table(request)?.definition.name.clone();
    if let Some(table) = world.tables.get_mut(&name) {
        let current = &mut table.definition.ttl_attribute;
        match (enable, current.as_deref()) {
            (true, Some(_)) => {
                return Err(ServiceError::validation("TimeToLive is already enabled"));
            }
            (false, None) => {
                return Err(ServiceError::validation("TimeToLive is already disabled"));
            }
            (true, None) => *current = Some(attribute.to_owned()),
            (false, Some(known)) if known == attribute => *current = None,
            (false, Some(known)) => {
                return Err(ServiceError::validation(format!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is {known}"
                )));
            }
        }
    }
    Ok(json!({
        "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": enable}
    })
    .into())
}
