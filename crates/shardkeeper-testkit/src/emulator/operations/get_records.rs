//! `GetRecords`.

use std::time::Duration;

use bytes::Bytes;

use super::{Answer, page_limit, stream_request};
use crate::emulator::error::ServiceError;
use crate::emulator::item::members::allow_only;
use crate::emulator::iterator::ShardIterator;
use crate::emulator::request::Request;
use crate::emulator::stream::record::StoredRecord;
use crate::emulator::world::World;

const MAX_PAGE: usize = 1000;

pub(super) fn handle(world: &mut World, request: &Request) -> Result<Answer, ServiceError> {
    allow_only(request, &["ShardIterator", "Limit"])?;
    let limit = page_limit(request, MAX_PAGE)?.min(world.settings.page_records.max(1));
    let iterator = ShardIterator::decode(request.string("ShardIterator")?)?;
    if is_expired(world, &iterator) {
        return Err(ServiceError::expired_iterator());
    }
    let now = world.now;
    let generation = world.iterator_generation;
    let page_bytes = world.settings.page_bytes;
    let per_second = world.settings.get_records_per_second;
    let empty_last_page = world.settings.empty_last_page;
    let horizon = now.saturating_sub(world.settings.retention);
    let stream = stream_request::stream_named(world, &iterator.stream)?;
    // The shard was there when the iterator was made: it has aged out since.
    let shard = stream
        .shards
        .get_mut(&iterator.shard)
        .ok_or_else(ServiceError::trimmed_data_access)?;
    if !shard.reads.admits(now, per_second) {
        return Err(ServiceError::new(
            400,
            "LimitExceededException",
            "Too many operations for a given subscriber.",
        ));
    }
    shard.trim_before(horizon);
    if shard
        .trimmed
        .is_some_and(|trimmed| iterator.position <= trimmed)
    {
        return Err(ServiceError::trimmed_data_access());
    }
    let page = shard.read(iterator.position, limit, page_bytes);
    let announces_end = page.records.is_empty() || !empty_last_page;
    let finished = shard.closed.is_some() && page.at_tip && announces_end;
    let next = (!finished).then(|| {
        ShardIterator {
            position: page.next,
            issued: now,
            generation,
            ..iterator
        }
        .encode()
    });
    Ok(Answer(render(&page.records, next.as_deref())))
}

fn is_expired(world: &World, iterator: &ShardIterator) -> bool {
    let age: Duration = world.now.saturating_sub(iterator.issued);
    iterator.generation < world.iterator_generation || age > world.settings.iterator_lifetime
}

/// Strings records together that were rendered when they were written. A token needs no escapes.
fn render(records: &[&StoredRecord], next: Option<&str>) -> Bytes {
    const FRAME: usize = 64;
    let size: usize = records.iter().map(|record| record.json.len() + 1).sum();
    let mut body = Vec::with_capacity(FRAME + size + next.map_or(0, str::len));
    body.push(b'{');
    if let Some(next) = next {
        body.extend_from_slice(b"\"NextShardIterator\":\"");
        body.extend_from_slice(next.as_bytes());
        body.extend_from_slice(b"\",");
    }
    body.extend_from_slice(b"\"Records\":[");
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&record.json);
    }
    body.extend_from_slice(b"]}");
    Bytes::from(body)
}
