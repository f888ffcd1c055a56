//! What must hold for a write to be applied, and what a refusal means.

use shardkeeper_core::ports::FailureKind;
use shardkeeper_core::row::{Condition, Effect, Value, Write};

use super::{
    Capability, Check, Scene, Trouble, checks, equals, key, row, same, set, texts, update,
};
use crate::conformance::ensure;

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Scene:
        Everywhere {
            row_absent_holds_only_until_the_row_is_there,
            row_exists_holds_only_while_the_row_is_there,
            equals_compares_texts_numbers_and_sets_as_such,
            missing_holds_of_an_absent_column_and_of_an_absent_row,
            differs_holds_of_another_value_and_of_none,
            all_conditions_of_a_write_must_hold,
            a_refused_write_changes_nothing,
            a_malformed_write_is_invalid_and_changes_nothing,
        }
        ShownRefusals { a_refused_write_shows_the_row_as_it_is }
    }
}

async fn row_absent_holds_only_until_the_row_is_there(scene: Scene) -> Result<(), Trouble> {
    same(scene.holds(Condition::RowAbsent).await?, true, "before")?;
    same(scene.holds(Condition::RowAbsent).await?, false, "after")
}

async fn row_exists_holds_only_while_the_row_is_there(scene: Scene) -> Result<(), Trouble> {
    same(scene.holds(Condition::RowExists).await?, false, "before")?;
    same(scene.stored("a").await?, None, "the row")?;
    scene.create("a", vec![]).await?;
    same(
        scene.holds(Condition::RowExists).await?,
        true,
        "while it is there",
    )?;
    scene
        .applied(Write::delete(key("a"), vec![Condition::RowExists]))
        .await?;
    same(
        scene.holds(Condition::RowExists).await?,
        false,
        "after it was deleted",
    )
}

async fn equals_compares_texts_numbers_and_sets_as_such(scene: Scene) -> Result<(), Trouble> {
    let columns = [
        ("text", "7".into()),
        ("number", 7.into()),
        ("texts", texts(&["a", "b"])),
    ];
    let effects = columns
        .iter()
        .map(|(column, value)| set(column, value.clone()));
    scene.create("a", effects.collect()).await?;
    let table: [(&str, Value, bool); 9] = [
        ("text", "7".into(), true),
        ("text", 7.into(), false),
        ("text", "07".into(), false),
        ("number", 7.into(), true),
        ("number", "7".into(), false),
        ("number", 70.into(), false),
        ("texts", texts(&["b", "a"]), true),
        ("texts", texts(&["a"]), false),
        ("nowhere", "7".into(), false),
    ];
    for (column, value, expected) in table {
        let what = format!("{column} = {value:?}");
        let condition = Condition::Equals(column.to_owned().into(), value);
        same(scene.holds(condition).await?, expected, &what)?;
    }
    Ok(())
}

async fn missing_holds_of_an_absent_column_and_of_an_absent_row(
    scene: Scene,
) -> Result<(), Trouble> {
    same(
        scene.holds(Condition::Missing("owner".into())).await?,
        true,
        "without the row",
    )?;
    same(
        scene.holds(Condition::Missing("owner".into())).await?,
        true,
        "without the column",
    )?;
    scene
        .applied(update(Condition::RowExists, set("owner", "")))
        .await?;
    same(
        scene.holds(Condition::Missing("owner".into())).await?,
        false,
        "with an empty text",
    )
}

async fn differs_holds_of_another_value_and_of_none(scene: Scene) -> Result<(), Trouble> {
    let differs = |value: u64| Condition::Differs("epoch".into(), value.into());
    same(scene.holds(differs(1)).await?, true, "without the row")?;
    same(scene.holds(differs(1)).await?, true, "without the column")?;
    scene
        .applied(update(Condition::RowExists, set("epoch", 1)))
        .await?;
    same(scene.holds(differs(1)).await?, false, "with this value")?;
    same(scene.holds(differs(2)).await?, true, "with another value")
}

async fn all_conditions_of_a_write_must_hold(scene: Scene) -> Result<(), Trouble> {
    scene
        .create("a", vec![set("owner", "me"), set("epoch", 3)])
        .await?;
    for (owner, epoch, expected) in [
        ("me", 3, true),
        ("me", 4, false),
        ("you", 3, false),
        ("you", 4, false),
    ] {
        let conditions = vec![
            equals("owner", owner),
            equals("epoch", epoch),
            Condition::RowExists,
        ];
        let write = Write::update(key("a"), conditions, vec![set("probed", 1)]);
        let applied = if expected {
            scene.applied(write).await
        } else {
            scene.refused(write).await
        };
        applied.map_err(|why| format!("owner {owner}, epoch {epoch}: {why}"))?;
    }
    Ok(())
}

async fn a_refused_write_changes_nothing(scene: Scene) -> Result<(), Trouble> {
    scene
        .create(
            "a",
            vec![
                set("owner", "me"),
                Effect::Include("parents".into(), "p".into()),
            ],
        )
        .await?;
    let before = scene.stored("a").await?;
    let no = || vec![equals("owner", "you")];
    let effects = vec![
        set("owner", "thief"),
        Effect::Add("made".into(), 1),
        Effect::Include("children".into(), "c".into()),
        Effect::Remove("parents".into()),
    ];
    scene
        .refused(Write::update(key("a"), no(), effects.clone()))
        .await?;
    scene.refused(Write::delete(key("a"), no())).await?;
    same(scene.stored("a").await?, before, "the row")?;
    scene
        .refused(Write::update(key("b"), no(), effects))
        .await?;
    same(scene.stored("b").await?, None, "a row that was not there")
}

async fn a_refused_write_shows_the_row_as_it_is(scene: Scene) -> Result<(), Trouble> {
    scene
        .create(
            "a",
            vec![
                set("owner", "me"),
                Effect::Include("parents".into(), "p".into()),
            ],
        )
        .await?;
    let columns = [
        ("owner", "me".into()),
        ("made", 1.into()),
        ("parents", texts(&["p"])),
    ];
    let expected = Some(row("a", &columns));
    let no = || vec![equals("owner", "you")];
    let shown = scene
        .refused(Write::update(key("a"), no(), vec![set("owner", "thief")]))
        .await?;
    same(shown, expected.clone(), "to a refused update")?;
    let shown = scene.refused(Write::delete(key("a"), no())).await?;
    same(shown, expected, "to a refused delete")?;
    let shown = scene
        .refused(Write::update(key("b"), no(), vec![set("owner", "thief")]))
        .await?;
    same(shown, None, "of a row that is not there")
}

async fn a_malformed_write_is_invalid_and_changes_nothing(scene: Scene) -> Result<(), Trouble> {
    let new = || vec![Condition::RowAbsent];
    let write = |effects| vec![Write::update(key("a"), new(), effects)];
    let hundred_and_one = (0..101).map(|i| Write::check(key(&i.to_string()), new()));
    let table = [
        ("no write at all", vec![]),
        (
            "no condition",
            vec![Write::update(key("a"), vec![], vec![set("x", 1)])],
        ),
        ("no effect", write(vec![])),
        (
            "one column twice",
            write(vec![set("x", 1), Effect::Add("x".into(), 1)]),
        ),
        ("the key itself", write(vec![set("leaseKey", "b")])),
        ("an empty set", write(vec![set("x", texts(&[]))])),
        ("a hundred and one writes", hundred_and_one.collect()),
        (
            "one row twice",
            [write(vec![set("x", 1)]), write(vec![set("y", 1)])].concat(),
        ),
    ];
    for (what, writes) in table {
        match scene.store.write(&writes).await {
            Err(error) => same(error.kind, FailureKind::Invalid, what)?,
            Ok(answer) => return Err(format!("{what} was answered with {answer:?}").into()),
        }
    }
    let rows = scene.store.sweep().await?;
    ensure(rows.is_empty(), || format!("rows were written: {rows:?}"))
}
