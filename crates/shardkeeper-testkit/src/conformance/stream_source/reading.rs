//! Records: which, in which order, and what they carry.

use std::collections::BTreeSet;

use shardkeeper_core::ports::Position;
use shardkeeper_core::record::{ChangeKind, Record};

use super::{
    Capability, Check, Item, Stage, Trouble, View, checks, ensure, same, sequence_numbers,
};

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Stage:
        Everywhere {
            every_change_is_read_once_and_in_the_order_of_its_shard,
            the_changes_of_one_item_come_in_the_order_in_which_they_were_made,
            images_hold_the_item_before_and_after_the_change,
            every_record_has_an_id_of_its_own,
            a_page_holds_no_more_records_than_were_asked_for,
            an_open_shard_always_has_a_next_iterator,
            what_is_written_later_is_read_by_going_on,
        }
    }
}

/// The views, and what to check of each.
pub(super) fn of_views() -> Vec<(View, Check)> {
    let checks: [(View, Check); 3] = [
        (View::KeysOnly, |stage| {
            Box::pin(carries(stage, View::KeysOnly))
        }),
        (View::NewImage, |stage| {
            Box::pin(carries(stage, View::NewImage))
        }),
        (View::OldImage, |stage| {
            Box::pin(carries(stage, View::OldImage))
        }),
    ];
    checks.to_vec()
}

const ITEMS: u64 = 40;

async fn every_change_is_read_once_and_in_the_order_of_its_shard(
    stage: Stage,
) -> Result<(), Trouble> {
    for n in 0..ITEMS {
        stage.scene.put(&format!("item-{n}"), n).await?;
    }
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for (shard, records) in stage.everything().await? {
        let numbers: Vec<_> = records.iter().map(Record::sequence_number).collect();
        ensure(numbers.is_sorted_by(|a, b| a < b), || {
            format!("{shard} is out of order: {:?}", sequence_numbers(&records))
        })?;
        count += records.len();
        for record in &records {
            seen.insert(record.keys::<Key>()?.id);
        }
    }
    same(
        (count, seen.len()),
        (ITEMS as usize, ITEMS as usize),
        "records, and items in them",
    )
}

#[derive(serde::Deserialize)]
struct Key {
    id: String,
}

/// Inserts, changes twice and deletes one item, and reads the records of it.
async fn one_life(stage: &Stage) -> Result<Vec<Record>, Trouble> {
    for n in 1..=3 {
        stage.scene.put("a", n).await?;
        stage.scene.put(&format!("other-{n}"), n).await?;
    }
    stage.scene.delete("a").await?;
    let mut life = Vec::new();
    for record in stage.everything().await?.into_values().flatten() {
        if record.keys::<Key>()?.id == "a" {
            life.push(record);
        }
    }
    same(life.len(), 4, "records of the item")?;
    Ok(life)
}

async fn the_changes_of_one_item_come_in_the_order_in_which_they_were_made(
    stage: Stage,
) -> Result<(), Trouble> {
    let life = one_life(&stage).await?;
    let kinds: Vec<ChangeKind> = life.iter().map(Record::kind).collect();
    let expected = [
        ChangeKind::Insert,
        ChangeKind::Modify,
        ChangeKind::Modify,
        ChangeKind::Remove,
    ];
    same(kinds, expected.to_vec(), "what happened")
}

async fn images_hold_the_item_before_and_after_the_change(stage: Stage) -> Result<(), Trouble> {
    let life = one_life(&stage).await?;
    let item = |n| Some(Item { id: "a".into(), n });
    let expected = [
        (None, item(1)),
        (item(1), item(2)),
        (item(2), item(3)),
        (item(3), None),
    ];
    for (record, expected) in life.iter().zip(expected) {
        same(
            (record.old_image()?, record.new_image()?),
            expected,
            "before and after",
        )?;
        same(
            record.view_type().as_deref(),
            Some("NEW_AND_OLD_IMAGES"),
            "the view",
        )?;
        ensure(!record.is_ttl_delete(), || {
            "a user's delete counts as one of the service".into()
        })?;
    }
    Ok(())
}

async fn every_record_has_an_id_of_its_own(stage: Stage) -> Result<(), Trouble> {
    let life = one_life(&stage).await?;
    let ids: BTreeSet<Option<String>> = life.iter().map(Record::event_id).collect();
    ensure(!ids.contains(&None), || "a record has no id".into())?;
    same(ids.len(), life.len(), "different ids")
}

async fn a_page_holds_no_more_records_than_were_asked_for(stage: Stage) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(7).await?;
    for limit in [1, 3, 1000] {
        let from = stage
            .source
            .open(&stage.stream, &busy, Position::TrimHorizon)
            .await?;
        // Reading fails on a page that is too long.
        let read = stage.read_on(from, limit).await?.records;
        same(
            sequence_numbers(&read),
            sequence_numbers(&all),
            &format!("in pages of {limit}"),
        )?;
    }
    Ok(())
}

async fn an_open_shard_always_has_a_next_iterator(stage: Stage) -> Result<(), Trouble> {
    let (busy, _) = stage.busy_shard(2).await?;
    let read = stage.read(&busy, Position::TrimHorizon).await?;
    ensure(read.next.is_some(), || {
        "the shard ends though it is open".into()
    })
}

async fn what_is_written_later_is_read_by_going_on(stage: Stage) -> Result<(), Trouble> {
    let (busy, before) = stage.busy_shard(2).await?;
    let read = stage.read(&busy, Position::TrimHorizon).await?;
    let next = read.next.ok_or("the shard ends though it is open")?;
    stage.scene.put("one item", 77).await?;
    let after = stage.read_on(next, 1000).await?.records;
    same(after.len(), 1, "new records")?;
    let is_new = after.iter().all(|new| {
        before
            .iter()
            .all(|old| old.sequence_number() < new.sequence_number())
    });
    ensure(is_new, || "the record is not after the ones before".into())
}

/// Checks what records of a view carry, and that asking for what it lacks says so.
async fn carries(stage: Stage, view: View) -> Result<(), Trouble> {
    for (at, record) in one_life(&stage).await?.iter().enumerate() {
        let (first, last) = (at == 0, at == 3);
        same(record.view_type().as_deref(), Some(view.name()), "the view")?;
        let new = matches!(view, View::NewImage) && !last;
        let old = matches!(view, View::OldImage) && !first;
        same(
            record.new_image_json().is_some(),
            new,
            &format!("the new image of record {at}"),
        )?;
        same(
            record.old_image_json().is_some(),
            old,
            &format!("the old image of record {at}"),
        )?;
        let absent = matches!(view, View::KeysOnly);
        same(
            record.new_image::<Item>().is_err() && record.old_image::<Item>().is_err(),
            absent,
            "no image",
        )?;
    }
    let page = stage.source.list_shards(&stage.stream, None).await?;
    same(
        page.view_type.as_deref(),
        Some(view.name()),
        "the view of the stream",
    )
}
