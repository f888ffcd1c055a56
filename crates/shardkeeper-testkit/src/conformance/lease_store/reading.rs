//! What reading shows and what it proves.

use std::collections::BTreeSet;

use shardkeeper_core::ports::{Answer, FailureKind, TableCreation};
use shardkeeper_core::row::{Condition, RowKey, Write};

use super::{Capability, Check, Scene, Trouble, checks, equals, key, row, same, set};
use crate::conformance::ensure;

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Scene:
        Everywhere {
            a_table_may_be_opened_again,
            a_sweep_of_an_empty_table_is_empty,
            a_sweep_shows_every_row_of_a_table_of_many_pages_once,
            a_read_shows_the_rows_that_are_there_and_proves_the_others_absent,
            a_read_takes_a_hundred_keys_and_no_more,
            a_read_of_large_rows_shows_all_of_them,
            a_read_sees_every_write_that_was_answered_before_it,
        }
    }
}

async fn a_table_may_be_opened_again(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![]).await?;
    scene.store.open(TableCreation::Allowed).await?;
    scene.store.open(TableCreation::Forbidden).await?;
    ensure(scene.stored("a").await?.is_some(), || {
        "the row is gone".into()
    })
}

async fn a_sweep_of_an_empty_table_is_empty(scene: Scene) -> Result<(), Trouble> {
    same(scene.store.sweep().await?, vec![], "rows")
}

/// Writes `rows` rows whose one column is `bytes` long, and returns their keys.
async fn fill(scene: &Scene, rows: u32, bytes: usize) -> Result<BTreeSet<RowKey>, Trouble> {
    let keys: Vec<RowKey> = (0..rows).map(|i| key(&format!("row-{i:04}"))).collect();
    let large = "x".repeat(bytes);
    for some in keys.chunks(25) {
        let new = |key: &RowKey| {
            Write::update(
                key.clone(),
                vec![Condition::RowAbsent],
                vec![set("large", large.clone())],
            )
        };
        let writes: Vec<Write> = some.iter().map(new).collect();
        let answer = scene.store.write(&writes).await?;
        ensure(matches!(answer, Answer::Applied(_)), || {
            format!("the answer is {answer:?}")
        })?;
    }
    Ok(keys.into_iter().collect())
}

async fn a_sweep_shows_every_row_of_a_table_of_many_pages_once(
    scene: Scene,
) -> Result<(), Trouble> {
    // 2.4 MB: three pages of the service, which end after a megabyte.
    let written = fill(&scene, 300, 8_000).await?;
    let rows = scene.store.sweep().await?;
    same(rows.len(), written.len(), "rows")?;
    let seen: BTreeSet<RowKey> = rows.into_iter().map(|row| row.key).collect();
    ensure(seen == written, || "other rows than were written".into())
}

async fn a_read_shows_the_rows_that_are_there_and_proves_the_others_absent(
    scene: Scene,
) -> Result<(), Trouble> {
    scene.create("a", vec![]).await?;
    scene.create("b", vec![set("owner", "me")]).await?;
    let keys = [key("b"), key("nobody"), key("a"), key("b")];
    let found = scene.store.read(&keys).await?;
    let expected = [
        row("a", &[("made", 1.into())]),
        row("b", &[("made", 1.into()), ("owner", "me".into())]),
    ];
    same(
        found.into_values().collect::<Vec<_>>(),
        expected.to_vec(),
        "rows",
    )?;
    ensure(scene.store.read(&[key("nobody")]).await?.is_empty(), || {
        "a row out of nothing".into()
    })?;
    ensure(scene.store.read(&[]).await?.is_empty(), || {
        "rows for no key".into()
    })
}

async fn a_read_takes_a_hundred_keys_and_no_more(scene: Scene) -> Result<(), Trouble> {
    let written = fill(&scene, 100, 1).await?;
    let mut keys: Vec<RowKey> = written.into_iter().collect();
    same(scene.store.read(&keys).await?.len(), 100, "rows")?;
    keys.push(key("one more"));
    match scene.store.read(&keys).await {
        Err(error) => same(error.kind, FailureKind::Invalid, "the error"),
        Ok(rows) => Err(format!("{} rows for 101 keys", rows.len()).into()),
    }
}

async fn a_read_of_large_rows_shows_all_of_them(scene: Scene) -> Result<(), Trouble> {
    // More than one answer may hold where answers end after a megabyte.
    let written = fill(&scene, 50, 50_000).await?;
    let keys: Vec<RowKey> = written.iter().cloned().collect();
    let seen: BTreeSet<RowKey> = scene.store.read(&keys).await?.into_keys().collect();
    ensure(seen == written, || format!("{} of 50 rows", seen.len()))
}

async fn a_read_sees_every_write_that_was_answered_before_it(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![set("beat", 0)]).await?;
    for beat in 0..20 {
        let write = Write::update(
            key("a"),
            vec![equals("beat", beat)],
            vec![set("beat", beat + 1)],
        );
        scene.applied(write).await?;
        let stored = scene.stored("a").await?;
        same(
            stored.and_then(|row| row.number("beat")),
            Some(beat + 1),
            "read",
        )?;
        let swept = scene.store.sweep().await?;
        same(
            swept.first().and_then(|row| row.number("beat")),
            Some(beat + 1),
            "swept",
        )?;
    }
    Ok(())
}
