//! Streams that are switched off and on.

use shardkeeper_core::ports::{Position, StreamStatus};

use super::{Capability, Check, Stage, Trouble, checks, ensure, same, sequence_numbers};

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Stage:
        DisableEnable {
            a_stream_that_was_switched_off_can_be_read_to_its_end,
            a_stream_that_was_switched_on_again_is_another_stream,
        }
        FormerStreams {
            the_list_of_streams_keeps_one_that_was_switched_off,
        }
    }
}

async fn a_stream_that_was_switched_off_can_be_read_to_its_end(
    stage: Stage,
) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(3).await?;
    stage.scene.disable_stream().await?;
    let page = stage.source.list_shards(&stage.stream, None).await?;
    same(page.status, StreamStatus::Disabled, "the status")?;
    for shard in stage.shards().await? {
        ensure(shard.ending.is_some(), || {
            format!("{} has no ending", shard.id)
        })?;
        let read = stage.read(&shard.id, Position::TrimHorizon).await?;
        ensure(read.next.is_none(), || format!("{} does not end", shard.id))?;
        if shard.id == busy {
            same(
                sequence_numbers(&read.records),
                sequence_numbers(&all),
                "records",
            )?;
        }
    }
    Ok(())
}

async fn a_stream_that_was_switched_on_again_is_another_stream(
    stage: Stage,
) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(3).await?;
    stage.scene.disable_stream().await?;
    stage.scene.enable_stream().await?;
    let new = stage.source.latest_stream(stage.scene.table()).await?;
    ensure(new != stage.stream, || format!("it is still {new}"))?;
    stage.scene.put("one item", 60).await?;
    let old = stage.read(&busy, Position::TrimHorizon).await?;
    same(
        sequence_numbers(&old.records),
        sequence_numbers(&all),
        "records of the old stream",
    )?;
    let renewed = Stage {
        stream: new,
        ..stage
    };
    let records = renewed.everything().await?.into_values().flatten().count();
    same(records, 1, "records of the new stream")
}

async fn the_list_of_streams_keeps_one_that_was_switched_off(stage: Stage) -> Result<(), Trouble> {
    stage.scene.disable_stream().await?;
    stage.scene.enable_stream().await?;
    let new = stage.source.latest_stream(stage.scene.table()).await?;
    let mut streams = stage.streams_of(stage.scene.table()).await?;
    streams.sort();
    same(
        streams,
        vec![stage.stream, new],
        "the streams of the table, older ones first",
    )
}
