//! `ListStreams`.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::{Answer, page_limit, stream_request};
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::request::Request;
use crate::emulator::stream::Stream;
use crate::emulator::table::table_name;
use crate::emulator::world::World;

const MAX_PAGE: usize = 100;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["TableName", "ExclusiveStartStreamArn", "Limit"])?;
    let limit = page_limit(request, MAX_PAGE)?.min(world.settings.list_page_streams.max(1));
    let table = request
        .optional_string("TableName")?
        .map(table_name)
        .transpose()?;
    let start = request.optional_string("ExclusiveStartStreamArn")?;
    if let Some(arn) = start {
        stream_request::check_arn("exclusiveStartStreamArn", arn)?;
    }
    let per_second = world.settings.list_streams_per_second;
    if !world.list_streams_calls.admits(world.now, per_second) {
        return Err(ServiceError::throttling());
    }
    let streams = newest_first(world, table)?;
    // Paging on from a stream that is gone ends the listing.
    let skip = match start {
        Some(start) => streams
            .iter()
            .position(|stream| stream.arn == start)
            .map_or(streams.len(), |index| index + 1),
        None => 0,
    };
    let page: Vec<&Stream> = streams.iter().copied().skip(skip).take(limit).collect();
    let entries: Vec<Value> = page
        .iter()
        .map(|stream| {
            json!({
                "StreamArn": stream.arn,
                "StreamLabel": stream.label,
                "TableName": stream.table,
            })
        })
        .collect();
    let mut answer = json!({ "Streams": entries });
    if let Some(last) = page.last().filter(|_| skip + page.len() < streams.len()) {
        answer["LastEvaluatedStreamArn"] = json!(last.arn);
    }
    Ok(answer.into())
}

fn newest_first<'a>(
    world: &'a World,
    table: Option<&str>,
) -> Result<Vec<&'a Stream>, ServiceError> {
    let wanted = |stream: &&Stream| table.is_none_or(|table| stream.table == table);
    let mut streams: Vec<&Stream> = world.streams.values().filter(wanted).collect();
    // Streams of one time, as tests on a standing clock make them: the later label is the newer.
    streams.sort_by_key(|stream| {
        (
            Reverse(stream.requested),
            Reverse(&stream.label),
            &stream.table,
        )
    });
    match table {
        Some(table) if streams.is_empty() && !world.tables.contains_key(table) => {
            Err(ServiceError::resource_not_found(format!(
                "Requested resource not found: Table: {table} not found"
            )))
        }
        _ => Ok(streams),
    }
}
