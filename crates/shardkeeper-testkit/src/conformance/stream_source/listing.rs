//! Streams and their shards, as they are listed.

use std::collections::BTreeSet;

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::ports::{FailureKind, Position, StreamStatus};

use super::{Capability, Check, Stage, Trouble, checks, ensure, same};

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Stage:
        Everywhere {
            the_latest_stream_names_its_table_and_is_enabled,
            the_stream_of_a_table_that_is_not_there_is_not_found,
            the_list_of_a_tables_streams_has_the_latest_one,
            a_table_that_is_not_there_has_no_streams,
            a_stream_that_is_not_there_is_not_found,
            a_shard_that_is_not_there_is_not_found,
            every_shard_is_listed_once_over_all_pages,
            a_listing_after_its_last_shard_is_empty,
            a_shard_that_is_written_has_no_ending,
        }
        ServiceTime { the_clock_of_the_service_is_told_with_its_answers }
        SeveralShards { a_stream_may_begin_with_several_shards }
    }
}

async fn the_latest_stream_names_its_table_and_is_enabled(stage: Stage) -> Result<(), Trouble> {
    same(stage.stream.table(), stage.scene.table(), "the table")?;
    let page = stage.source.list_shards(&stage.stream, None).await?;
    same(page.status, StreamStatus::Enabled, "the status")?;
    same(
        page.view_type.as_deref(),
        Some("NEW_AND_OLD_IMAGES"),
        "the view",
    )
}

async fn the_stream_of_a_table_that_is_not_there_is_not_found(stage: Stage) -> Result<(), Trouble> {
    match stage.source.latest_stream("no-such-table").await {
        Err(error) => same(error.kind, FailureKind::NotFound, "the error"),
        Ok(arn) => Err(format!("there is {arn}").into()),
    }
}

async fn the_list_of_a_tables_streams_has_the_latest_one(stage: Stage) -> Result<(), Trouble> {
    let streams = stage.streams_of(stage.scene.table()).await?;
    same(streams, vec![stage.stream], "the streams")
}

async fn a_table_that_is_not_there_has_no_streams(stage: Stage) -> Result<(), Trouble> {
    match stage.source.list_streams("no-such-table", None).await {
        Err(error) => same(error.kind, FailureKind::NotFound, "the error"),
        Ok(page) => same((page.streams, page.next), (vec![], None), "the list"),
    }
}

async fn a_stream_that_is_not_there_is_not_found(stage: Stage) -> Result<(), Trouble> {
    let other = stage
        .stream
        .as_str()
        .replace(stage.scene.table(), "no-such-table");
    let other = StreamArn::parse(&other)?;
    match stage.source.list_shards(&other, None).await {
        Err(error) => same(error.kind, FailureKind::NotFound, "the error"),
        Ok(page) => Err(format!("it has {} shards", page.shards.len()).into()),
    }
}

async fn a_shard_that_is_not_there_is_not_found(stage: Stage) -> Result<(), Trouble> {
    let nowhere = ShardId::from_service("shardId-00000001414562045508-00000bad");
    match stage
        .source
        .open(&stage.stream, &nowhere, Position::TrimHorizon)
        .await
    {
        Err(error) => same(error.kind, FailureKind::NotFound, "the error"),
        Ok(_) => Err("it can be read".into()),
    }
}

async fn every_shard_is_listed_once_over_all_pages(stage: Stage) -> Result<(), Trouble> {
    let shards = stage.shards().await?;
    ensure(!shards.is_empty(), || {
        "an enabled stream has no shard".into()
    })?;
    let ids: BTreeSet<_> = shards.iter().map(|shard| &shard.id).collect();
    same(ids.len(), shards.len(), "different shards")
}

async fn a_listing_after_its_last_shard_is_empty(stage: Stage) -> Result<(), Trouble> {
    let shards = stage.shards().await?;
    let last = shards.last().ok_or("an enabled stream has no shard")?;
    let page = stage
        .source
        .list_shards(&stage.stream, Some(&last.id))
        .await?;
    same((page.shards, page.next), (vec![], None), "what is left")
}

async fn a_shard_that_is_written_has_no_ending(stage: Stage) -> Result<(), Trouble> {
    let (busy, records) = stage.busy_shard(3).await?;
    let shard = stage.shard(&busy).await?;
    same(shard.ending, None, "the ending")?;
    let first = records.first().map(|record| record.sequence_number());
    ensure(
        shard
            .starting
            .zip(first)
            .is_none_or(|(start, first)| start <= first),
        || {
            format!(
                "it starts at {:?}, after its first record {first:?}",
                shard.starting
            )
        },
    )
}

async fn the_clock_of_the_service_is_told_with_its_answers(stage: Stage) -> Result<(), Trouble> {
    let (_, records) = stage.busy_shard(1).await?;
    let now = stage
        .source
        .service_time()
        .ok_or("no time after an answer")?;
    let written = records
        .first()
        .and_then(|record| record.created_at())
        .ok_or("a record without a time")?;
    // Records are stamped with whole seconds, by some servers with whole minutes.
    let age = now.millis().abs_diff(written.millis());
    ensure(age <= 120_000, || {
        format!("now is {now}, the record is of {written}")
    })
}

async fn a_stream_may_begin_with_several_shards(stage: Stage) -> Result<(), Trouble> {
    let shards = stage.shards().await?;
    ensure(shards.len() > 1, || format!("{} shards", shards.len()))?;
    ensure(shards.iter().all(|shard| shard.parent.is_none()), || {
        "one has a parent".into()
    })
}
