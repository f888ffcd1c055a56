//! What a write does to its row.

use shardkeeper_core::row::{Condition, Effect, Value, Write};

use super::{
    Capability, Check, Scene, Trouble, checks, equals, key, row, same, set, texts, update,
};
use crate::conformance::ensure;

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Scene:
        Everywhere {
            an_applied_write_answers_with_the_row_after_it,
            set_creates_replaces_and_changes_the_type,
            remove_tolerates_a_column_that_is_not_there,
            add_counts_from_zero_and_on,
            numbers_of_every_size_come_back_exactly,
            include_and_exclude_change_a_set,
            a_set_without_texts_is_an_absent_column,
            texts_and_names_of_every_kind_come_back_exactly,
            a_delete_leaves_nothing_and_answers_with_nothing,
            a_row_that_was_deleted_can_be_created_again,
        }
        ForeignColumns { columns_of_unknown_types_are_not_shown_and_left_alone }
    }
}

async fn an_applied_write_answers_with_the_row_after_it(scene: Scene) -> Result<(), Trouble> {
    scene
        .create("a", vec![set("owner", "me"), set("old", "x")])
        .await?;
    let effects = vec![
        set("owner", "you"),
        Effect::Add("made".into(), 4),
        Effect::Remove("old".into()),
    ];
    let after = scene
        .applied(Write::update(key("a"), vec![Condition::RowExists], effects))
        .await?;
    let expected = Some(row("a", &[("owner", "you".into()), ("made", 5.into())]));
    same(after, expected.clone(), "the answer")?;
    same(scene.stored("a").await?, expected, "the row")
}

async fn set_creates_replaces_and_changes_the_type(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![]).await?;
    for value in [
        "x".into(),
        "y".into(),
        Value::Number(3),
        texts(&["p", "q"]),
        "".into(),
    ] {
        let after = scene
            .applied(update(Condition::RowExists, set("column", value.clone())))
            .await?;
        let found = after.and_then(|row| row.columns.get("column").cloned());
        same(found, Some(value), "the column")?;
    }
    Ok(())
}

async fn remove_tolerates_a_column_that_is_not_there(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![set("column", 1)]).await?;
    for _ in 0..2 {
        let after = scene
            .applied(update(
                Condition::RowExists,
                Effect::Remove("column".into()),
            ))
            .await?;
        same(after, Some(row("a", &[("made", 1.into())])), "the row")?;
    }
    Ok(())
}

async fn add_counts_from_zero_and_on(scene: Scene) -> Result<(), Trouble> {
    let by = |n| Effect::Add("version".into(), n);
    let after = scene.applied(update(Condition::RowAbsent, by(5))).await?;
    same(
        after.and_then(|row| row.number("version")),
        Some(5),
        "without the row",
    )?;
    let after = scene.applied(update(equals("version", 5), by(0))).await?;
    same(
        after.and_then(|row| row.number("version")),
        Some(5),
        "by nothing",
    )?;
    let after = scene.applied(update(equals("version", 5), by(7))).await?;
    same(
        after.and_then(|row| row.number("version")),
        Some(12),
        "with the column",
    )?;
    scene
        .applied(update(
            Condition::RowExists,
            Effect::Remove("version".into()),
        ))
        .await?;
    let after = scene.applied(update(Condition::RowExists, by(2))).await?;
    same(
        after.and_then(|row| row.number("version")),
        Some(2),
        "without the column",
    )
}

async fn numbers_of_every_size_come_back_exactly(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![]).await?;
    for number in [0, 1, 1_795_396_672_000, (1 << 53) + 1, u64::MAX] {
        let after = scene
            .applied(update(Condition::RowExists, set("number", number)))
            .await?;
        same(
            after.and_then(|row| row.number("number")),
            Some(number),
            "in the answer",
        )?;
        let stored = scene.stored("a").await?;
        same(
            stored.and_then(|row| row.number("number")),
            Some(number),
            "in the row",
        )?;
        same(
            scene.holds(equals("number", number)).await?,
            true,
            "compared with itself",
        )?;
    }
    Ok(())
}

async fn include_and_exclude_change_a_set(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![]).await?;
    let include = |text: &str| Effect::Include("members".into(), text.into());
    let exclude = |text: &str| Effect::Exclude("members".into(), text.into());
    let steps = [
        (exclude("z"), &[][..]),
        (include("b"), &["b"]),
        (include("a"), &["a", "b"]),
        (include("b"), &["a", "b"]),
        (exclude("z"), &["a", "b"]),
        (exclude("b"), &["a"]),
    ];
    for (effect, expected) in steps {
        let what = format!("{effect:?}");
        let after = scene.applied(update(Condition::RowExists, effect)).await?;
        let found = after
            .map(|row| row.texts("members").clone())
            .unwrap_or_default();
        same(Value::Texts(found), texts(expected), &what)?;
    }
    Ok(())
}

async fn a_set_without_texts_is_an_absent_column(scene: Scene) -> Result<(), Trouble> {
    scene
        .create("a", vec![Effect::Include("members".into(), "m".into())])
        .await?;
    let last = update(
        Condition::RowExists,
        Effect::Exclude("members".into(), "m".into()),
    );
    same(
        scene.applied(last).await?,
        Some(row("a", &[("made", 1.into())])),
        "the row",
    )?;
    same(
        scene.holds(Condition::Missing("members".into())).await?,
        true,
        "missing",
    )
}

async fn texts_and_names_of_every_kind_come_back_exactly(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![]).await?;
    let names = [
        "status",
        "a.b",
        "#n0",
        ":v0",
        "with space",
        "name[0]",
        "größe",
        "SET",
    ];
    let odd = [
        "",
        " ",
        "\"quoted\"\\",
        "line\nbreak\u{1}",
        "größe 🦀",
        ":v0",
        "null",
    ];
    for (name, text) in names.iter().cycle().zip(odd) {
        let write = Write::update(
            key("a"),
            vec![Condition::RowExists],
            vec![Effect::Set((*name).into(), text.into())],
        );
        let after = scene.applied(write).await?;
        same(
            after.as_ref().and_then(|row| row.text(name)),
            Some(text),
            name,
        )?;
        let again = Condition::Equals((*name).into(), text.into());
        same(scene.holds(again).await?, true, "compared with itself")?;
    }
    let odd_key = "arn:aws:dynamodb:r:1:table/t/stream/2015-05-20T20:51:10.252:shardId-0 \"ü\"";
    scene.create(odd_key, vec![]).await?;
    ensure(scene.stored(odd_key).await?.is_some(), || {
        "an odd key is not found again".into()
    })
}

async fn a_delete_leaves_nothing_and_answers_with_nothing(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![set("owner", "me")]).await?;
    scene.create("b", vec![]).await?;
    let after = scene
        .applied(Write::delete(key("a"), vec![equals("owner", "me")]))
        .await?;
    same(after, None, "the answer")?;
    same(scene.stored("a").await?, None, "the row")?;
    ensure(scene.stored("b").await?.is_some(), || {
        "another row is gone too".into()
    })?;
    let again = Write::delete(key("a"), vec![Condition::RowAbsent]);
    same(
        scene.applied(again).await?,
        None,
        "a delete of what is not there, if that is allowed",
    )
}

async fn a_row_that_was_deleted_can_be_created_again(scene: Scene) -> Result<(), Trouble> {
    scene
        .create("a", vec![set("owner", "me"), set("epoch", 9)])
        .await?;
    scene
        .applied(Write::delete(key("a"), vec![equals("epoch", 9)]))
        .await?;
    scene.create("a", vec![]).await?;
    same(
        scene.stored("a").await?,
        Some(row("a", &[("made", 1.into())])),
        "nothing of the old row",
    )
}

async fn columns_of_unknown_types_are_not_shown_and_left_alone(
    scene: Scene,
) -> Result<(), Trouble> {
    let foreign = scene.foreign.clone().ok_or("no way to foreign columns")?;
    scene.create("a", vec![]).await?;
    foreign.add(&key("a")).await?;
    let before = row("a", &[("made", 1.into())]);
    same(scene.stored("a").await?, Some(before.clone()), "read")?;
    same(scene.store.sweep().await?, vec![before], "swept")?;
    let effects = vec![set("owner", "me"), Effect::Add("made".into(), 1)];
    let after = scene
        .applied(Write::update(key("a"), vec![Condition::RowExists], effects))
        .await?;
    let expected = row("a", &[("made", 2.into()), ("owner", "me".into())]);
    same(after, Some(expected), "the answer")?;
    same(
        foreign.are_intact(&key("a")).await?,
        true,
        "the foreign column",
    )
}
