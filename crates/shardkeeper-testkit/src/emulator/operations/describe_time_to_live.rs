//! `DescribeTimeToLive`.

use serde_json::json;

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::request::Request;
use crate::emulator::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["TableName"])?;
    let definition = &world.active_table(request)?.definition;
    let description = match &definition.ttl_attribute {
        Some(attribute) => json!({"AttributeName": attribute, "TimeToLiveStatus": "ENABLED"}),
        None => json!({"TimeToLiveStatus": "DISABLED"}),
    };
    Ok(json!({ "TimeToLiveDescription": description }).into())
}
