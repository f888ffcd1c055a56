//! `DescribeStream`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, page_limit, stream_request};
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::lifecycle::epoch_seconds;
use crate::emulator::request::Request;
use crate::emulator::settings::EmulatorSettings;
use crate::emulator::stream::shard::Shard;
use crate::emulator::world::World;

const MAX_PAGE: usize = 100;

const SUPPORTED: &[&str] = &["StreamArn", "Limit", "ExclusiveStartShardId", "ShardFilter"];

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, SUPPORTED)?;
    let limit = page_limit(request, MAX_PAGE)?.min(world.settings.describe_page_shards.max(1));
    let parent = shard_filter(request)?;
    let start = match request.get("ExclusiveStartShardId") {
        Some(_) => Some(stream_request::shard_id(request, "ExclusiveStartShardId")?),
        None => None,
    };
    let per_second = world.settings.describe_stream_per_second;
    let admitted = world.describe_stream_calls.admits(world.now, per_second);
    let (now, settings) = (world.now, world.settings.clone());
    let stream = stream_request::stream(world, request)?;
    if !admitted {
        return Err(ServiceError::throttling());
    }
    let status = stream.status(now);
    let wanted = |shard: &&Shard| status != "ENABLING" && is_visible(shard, &settings, now);
    let mut rest = stream.listed(parent.as_deref(), start).filter(wanted);
    let page: Vec<&Shard> = rest.by_ref().take(limit).collect();
    let shards: Vec<Value> = page
        .iter()
        .map(|shard| shard_json(shard, &settings, now))
        .collect();
    let mut description = json!({
        "StreamArn": stream.arn,
        "StreamLabel": stream.label,
        "StreamStatus": status,
        "StreamViewType": stream.view.as_str(),
        "CreationRequestDateTime": epoch_seconds(stream.requested),
        "TableName": stream.table,
        "KeySchema": stream.key_schema.to_json(),
        "Shards": shards,
    });
    if let (Some(last), Some(_)) = (page.last(), rest.next()) {
        description["LastEvaluatedShardId"] = json!(last.id);
    }
    Ok(json!({ "StreamDescription": description }).into())
}

/// The parent whose children are asked for.
fn shard_filter(request: &Request) -> Result<Option<String>, ServiceError> {
    let Some(filter) = request.optional_structure("ShardFilter")? else {
        return Ok(None);
    };
    allow_only(&filter, &["Type", "ShardId"])?;
    match filter.string("Type")? {
        "CHILD_SHARDS" => Ok(Some(
            stream_request::shard_id(&filter, "ShardId")?.to_owned(),
        )),
        other => Err(ServiceError::constraint(
            "shardFilter.type",
            other,
            "Member must satisfy enum value set: [CHILD_SHARDS]",
        )),
    }
}

fn is_visible(shard: &Shard, settings: &EmulatorSettings, now: Duration) -> bool {
    shard.parent.is_none() || shard.created.saturating_add(settings.child_visibility_lag) <= now
}

fn shard_json(shard: &Shard, settings: &EmulatorSettings, now: Duration) -> Value {
    let mut range = json!({ "StartingSequenceNumber": shard.starting.to_string() });
    let shown =
        |closed_at: Duration| closed_at.saturating_add(settings.ending_visibility_lag) <= now;
    if let Some(closed) = shard.closed.filter(|closed| shown(closed.at)) {
        range["EndingSequenceNumber"] = json!(closed.ending.to_string());
    }
    let mut json = json!({ "ShardId": shard.id, "SequenceNumberRange": range });
    if let Some(parent) = &shard.parent {
        json["ParentShardId"] = json!(parent);
    }
    json
}
