//! Shards that end and are followed by others.

use std::collections::BTreeSet;

use shardkeeper_core::ids::ShardId;
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::ports::Position;

use super::{Capability, Check, Stage, Trouble, checks, ensure, same, sequence_numbers};

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Stage:
        RollOver {
            a_shard_that_rolled_over_ends_after_its_last_record,
            a_shard_that_rolled_over_has_one_child_with_the_later_records,
            an_ended_shard_can_still_be_read_from_any_record,
            a_shard_may_roll_over_before_it_has_a_record,
        }
        Split { a_shard_that_was_split_has_several_children_which_share_the_later_records }
        Children {
            a_shard_that_is_written_has_no_children,
            the_children_of_a_shard_are_those_that_name_it_as_their_parent,
        }
    }
}

fn ids(shards: &[Shard]) -> BTreeSet<&ShardId> {
    shards.iter().map(|shard| &shard.id).collect()
}

async fn a_shard_that_rolled_over_ends_after_its_last_record(stage: Stage) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(5).await?;
    let before = stage.read(&busy, Position::TrimHorizon).await?;
    let held = before.next.ok_or("the shard ends though it is open")?;
    stage.scene.roll_over(&busy).await?;
    let read = stage.read(&busy, Position::TrimHorizon).await?;
    same(
        sequence_numbers(&read.records),
        sequence_numbers(&all),
        "its records",
    )?;
    ensure(read.next.is_none(), || {
        "there is still a next iterator".into()
    })?;
    let read = stage.read_on(held, 1000).await?;
    same(
        (read.records.len(), read.next),
        (0, None),
        "by an iterator from before",
    )?;
    let ending = stage.shard(&busy).await?.ending.ok_or("it has no ending")?;
    let last = all.last().map(|record| record.sequence_number());
    ensure(last.is_none_or(|last| last <= ending), || {
        format!("{last:?} is after the ending {ending}")
    })
}

async fn a_shard_that_rolled_over_has_one_child_with_the_later_records(
    stage: Stage,
) -> Result<(), Trouble> {
    let (busy, _) = stage.busy_shard(3).await?;
    stage.scene.roll_over(&busy).await?;
    stage.scene.put("one item", 70).await?;
    stage.scene.put("one item", 71).await?;
    let children = stage.children_in_listing(&busy).await?;
    same(children.len(), 1, "children")?;
    let child = children.into_iter().next().ok_or("no child")?;
    same(child.ending, None, "the ending of the child")?;
    let ending = stage.shard(&busy).await?.ending;
    let read = stage.read(&child.id, Position::TrimHorizon).await?;
    same(read.records.len(), 2, "records of the child")?;
    ensure(read.next.is_some(), || {
        "the child ends though it is open".into()
    })?;
    let later = read
        .records
        .iter()
        .all(|record| ending.is_none_or(|ending| record.sequence_number() > ending));
    ensure(later, || {
        "a record of the child is before the parent's ending".into()
    })
}

async fn an_ended_shard_can_still_be_read_from_any_record(stage: Stage) -> Result<(), Trouble> {
    let (busy, all) = stage.busy_shard(4).await?;
    stage.scene.roll_over(&busy).await?;
    for (index, record) in all.iter().enumerate() {
        let read = stage
            .read(&busy, Position::After(record.sequence_number()))
            .await?;
        let expected = all.get(index + 1..).unwrap_or_default();
        same(
            sequence_numbers(&read.records),
            sequence_numbers(expected),
            "records",
        )?;
        ensure(read.next.is_none(), || {
            "there is still a next iterator".into()
        })?;
    }
    Ok(())
}

async fn a_shard_may_roll_over_before_it_has_a_record(stage: Stage) -> Result<(), Trouble> {
    let shard = stage.shards().await?.into_iter().next().ok_or("no shard")?;
    stage.scene.roll_over(&shard.id).await?;
    let read = stage.read(&shard.id, Position::TrimHorizon).await?;
    same((read.records.len(), read.next), (0, None), "the parent")?;
    same(
        stage.children_in_listing(&shard.id).await?.len(),
        1,
        "children",
    )
}

async fn a_shard_that_was_split_has_several_children_which_share_the_later_records(
    stage: Stage,
) -> Result<(), Trouble> {
    let before = stage.everything().await?.len();
    let (busy, _) = stage.busy_shard(2).await?;
    stage.scene.split(&busy).await?;
    let children = stage.children_in_listing(&busy).await?;
    ensure(children.len() > 1, || {
        format!("{} children", children.len())
    })?;
    for n in 0..20 {
        stage.scene.put(&format!("late-{n}"), n).await?;
    }
    let all = stage.everything().await?;
    same(all.len(), before + children.len(), "shards")?;
    let parent = all.get(&busy).map(Vec::len);
    same(parent, Some(2), "records of the parent")?;
    let records: usize = all.values().map(Vec::len).sum();
    same(records, 22, "records")
}

async fn a_shard_that_is_written_has_no_children(stage: Stage) -> Result<(), Trouble> {
    let (busy, _) = stage.busy_shard(1).await?;
    let page = stage.source.children_of(&stage.stream, &busy).await?;
    same((page.shards, page.next), (vec![], None), "children")
}

async fn the_children_of_a_shard_are_those_that_name_it_as_their_parent(
    stage: Stage,
) -> Result<(), Trouble> {
    let (busy, _) = stage.busy_shard(1).await?;
    // A scene whose shards never end has no children to show, and shows none.
    let followed = stage.scene.capabilities().contains(&Capability::RollOver);
    if followed {
        stage.scene.roll_over(&busy).await?;
    }
    for shard in stage.shards().await? {
        let page = stage.source.children_of(&stage.stream, &shard.id).await?;
        let listed = stage.children_in_listing(&shard.id).await?;
        same(
            ids(&page.shards),
            ids(&listed),
            &format!("children of {}", shard.id),
        )?;
        same(page.next, None, "what is left")?;
        same(
            listed.len(),
            usize::from(followed && shard.id == busy),
            "children in the listing",
        )?;
    }
    Ok(())
}
