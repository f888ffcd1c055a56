//! Where reading may begin, and what becomes of iterators.

use std::time::Duration;

use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::ids::SequenceNumber;
use shardkeeper_core::ports::{FailureKind, Position, ShardIterator};
use shardkeeper_core::record::Record;

use super::{Capability, Check, Stage, Trouble, checks, ensure, same, sequence_numbers};

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Stage:
        Everywhere {
            reading_after_a_record_begins_with_the_next_one,
            reading_after_the_last_record_waits_for_the_next_one,
            reading_from_a_record_begins_with_it,
            an_iterator_may_be_used_again,
            an_iterator_that_nobody_handed_out_is_refused,
            reading_at_a_time_is_understood_or_refused_as_invalid,
        }
        AtTimestamp {
            reading_at_a_time_begins_with_the_first_record_since,
            reading_at_a_time_before_every_record_begins_with_the_oldest,
        }
        Trimming {
            reading_after_a_trimmed_record_is_told_from_the_end,
            reading_from_a_trimmed_record_is_told_from_the_end,
            an_iterator_at_trimmed_records_is_told_from_the_end,
            reading_the_oldest_record_after_a_trim_begins_behind_the_gap,
        }
        IteratorExpiry { an_expired_iterator_says_so_and_a_new_one_goes_on }
    }
}

async fn reading_after_a_record_begins_with_the_next_one(stage: Stage) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(6).await?;
    for (index, record) in all.iter().enumerate() {
        let read = stage
            .read(&busy, Position::After(record.sequence_number()))
            .await?
            .records;
        let expected = all.get(index + 1..).unwrap_or_default();
        same(
            sequence_numbers(&read),
            sequence_numbers(expected),
            &format!("after record {index}"),
        )?;
    }
    Ok(())
}

async fn reading_after_the_last_record_waits_for_the_next_one(stage: Stage) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(2).await?;
    let last = all.last().map(Record::sequence_number).ok_or("no record")?;
    let from = stage
        .source
        .open(&stage.stream, &busy, Position::After(last))
        .await?;
    stage.scene.put("one item", 55).await?;
    same(stage.read_on(from, 1000).await?.records.len(), 1, "records")
}

async fn reading_from_a_record_begins_with_it(stage: Stage) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(6).await?;
    for (index, record) in all.iter().enumerate() {
        let from = Position::From(record.sequence_number());
        let read = stage.read(&busy, from).await?.records;
        let expected = all.get(index..).unwrap_or_default();
        same(
            sequence_numbers(&read),
            sequence_numbers(expected),
            &format!("from record {index}"),
        )?;
    }
    Ok(())
}

async fn an_iterator_may_be_used_again(stage: Stage) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(4).await?;
    let from = stage
        .source
        .open(&stage.stream, &busy, Position::TrimHorizon)
        .await?;
    for _ in 0..2 {
        let read = stage.read_on(from.clone(), 1000).await?.records;
        same(sequence_numbers(&read), sequence_numbers(&all), "records")?;
    }
    Ok(())
}

async fn an_iterator_that_nobody_handed_out_is_refused(stage: Stage) -> Result<(), Trouble> {
    let invented = ShardIterator::from_service("invented-by-the-check").ok_or("no iterator")?;
    match stage.source.fetch(&invented, 10).await {
        Err(error) => {
            same(error.kind, FailureKind::Invalid, "the error")?;
            ensure(!error.to_string().contains("invented"), || {
                format!("it is shown: {error}")
            })
        }
        Ok(_) => Err("it can be read".into()),
    }
}

async fn reading_at_a_time_is_understood_or_refused_as_invalid(
    stage: Stage,
) -> Result<(), Trouble> {
    let (busy, records) = stage.busy_shard(1).await?;
    let written = records.first().and_then(Record::created_at);
    let time = written.unwrap_or(Timestamp::from_millis(1_000));
    match stage
        .source
        .open(&stage.stream, &busy, Position::At(time))
        .await
    {
        Ok(_) => Ok(()),
        Err(error) => same(error.kind, FailureKind::Invalid, "the error"),
    }
}

async fn reading_at_a_time_begins_with_the_first_record_since(stage: Stage) -> Result<(), Trouble> {
    let (busy, early) = stage.busy_shard(2).await?;
    stage.scene.wait(Duration::from_secs(10)).await?;
    stage.scene.put("one item", 88).await?;
    let all = stage.read(&busy, Position::TrimHorizon).await?.records;
    let late = all.get(early.len()..).unwrap_or_default();
    let since = late
        .first()
        .and_then(Record::created_at)
        .ok_or("a record without a time")?;
    let read = stage.read(&busy, Position::At(since)).await?.records;
    same(
        sequence_numbers(&read),
        sequence_numbers(late),
        "records at the time of the late one",
    )?;
    let between = Timestamp::from_millis(since.millis() - 5_000);
    let read = stage.read(&busy, Position::At(between)).await?.records;
    same(
        sequence_numbers(&read),
        sequence_numbers(late),
        "records since a time between both",
    )
}

async fn reading_at_a_time_before_every_record_begins_with_the_oldest(
    stage: Stage,
) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(2).await?;
    for long_ago in [1_000, 1_432_155_070_252] {
        let read = stage
            .read(&busy, Position::At(Timestamp::from_millis(long_ago)))
            .await?
            .records;
        same(sequence_numbers(&read), sequence_numbers(&all), "records")?;
    }
    Ok(())
}

async fn reading_after_a_trimmed_record_is_told_from_the_end(stage: Stage) -> Result<(), Trouble> {
    reading_a_trimmed_shard_is_told_from_the_end(stage, Position::After).await
}

async fn reading_from_a_trimmed_record_is_told_from_the_end(stage: Stage) -> Result<(), Trouble> {
    reading_a_trimmed_shard_is_told_from_the_end(stage, Position::From).await
}

/// Begins at the first of four records that are gone.
async fn reading_a_trimmed_shard_is_told_from_the_end(
    stage: Stage,
    position: fn(SequenceNumber) -> Position,
) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(4).await?;
    stage.scene.trim(&busy).await?;
    stage.scene.put("one item", 99).await?;
    let first = all
        .first()
        .map(Record::sequence_number)
        .ok_or("no record")?;
    // The service says so when the iterator is opened, or when it is used.
    let opened = stage.source.open(&stage.stream, &busy, position(first));
    let told = match opened.await {
        Ok(from) => stage.source.fetch(&from, 1000).await.map(drop),
        Err(error) => Err(error),
    };
    match told {
        Err(error) => same(error.kind, FailureKind::Trimmed, "the error"),
        Ok(()) => Err("the gap is not told".into()),
    }
}

async fn an_iterator_at_trimmed_records_is_told_from_the_end(stage: Stage) -> Result<(), Trouble> {
    let (busy, _) = stage.busy_shard(4).await?;
    let from = stage
        .source
        .open(&stage.stream, &busy, Position::TrimHorizon)
        .await?;
    let second = stage
        .source
        .fetch(&from, 1)
        .await?
        .next
        .ok_or("the shard ends")?;
    stage.scene.trim(&busy).await?;
    match stage.source.fetch(&second, 1000).await {
        Err(error) => same(error.kind, FailureKind::Trimmed, "the error"),
        Ok(_) => Err("the gap is not told".into()),
    }
}

async fn reading_the_oldest_record_after_a_trim_begins_behind_the_gap(
    stage: Stage,
) -> Result<(), Trouble> {
    let (busy, _) = stage.busy_shard(3).await?;
    stage.scene.trim(&busy).await?;
    stage.scene.put("one item", 99).await?;
    let read = stage.read(&busy, Position::TrimHorizon).await?;
    same(read.records.len(), 1, "records")?;
    ensure(read.next.is_some(), || {
        "the shard ends though it is open".into()
    })
}

async fn an_expired_iterator_says_so_and_a_new_one_goes_on(stage: Stage) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(4).await?;
    let from = stage
        .source
        .open(&stage.stream, &busy, Position::TrimHorizon)
        .await?;
    let fetched = stage.source.fetch(&from, 2).await?;
    let next = fetched.next.ok_or("the shard ends though it is open")?;
    stage.scene.expire_iterators().await?;
    match stage.source.fetch(&next, 1000).await {
        Err(error) => same(error.kind, FailureKind::ExpiredIterator, "the error")?,
        Ok(_) => return Err("the iterator still works".into()),
    }
    let reached = fetched
        .page
        .records
        .last()
        .map(Record::sequence_number)
        .ok_or("no record")?;
    let rest = stage.read(&busy, Position::After(reached)).await?.records;
    let expected = all.get(fetched.page.records.len()..).unwrap_or_default();
    same(
        sequence_numbers(&rest),
        sequence_numbers(expected),
        "the rest",
    )
}
