//! Several writes at once: by one worker as a transaction, or by many workers at the same time.

use futures_util::future::join_all;
use shardkeeper_core::ports::Answer;
use shardkeeper_core::row::{Condition, Effect, Write};

use super::{Capability, Check, Scene, Trouble, checks, equals, key, row, same, set, update};
use crate::conformance::ensure;

pub(super) fn all() -> Vec<(&'static str, Capability, Check)> {
    checks! { Scene:
        Everywhere {
            a_transaction_writes_all_of_its_rows_and_shows_none,
            a_transaction_with_one_failed_condition_writes_nothing,
            a_failed_check_refuses_the_whole_transaction,
            a_check_writes_nothing,
            a_transaction_may_have_a_hundred_writes,
            of_many_that_take_at_once_exactly_one_wins,
            of_many_transactions_that_take_at_once_exactly_one_wins,
            additions_at_the_same_time_are_all_counted,
        }
        ShownRefusals { a_refused_transaction_shows_the_rows_that_did_not_fit_in_their_order }
    }
}

const WORKERS: u64 = 12;

async fn a_transaction_writes_all_of_its_rows_and_shows_none(scene: Scene) -> Result<(), Trouble> {
    scene.create("parent", vec![set("owner", "me")]).await?;
    scene.create("gone", vec![]).await?;
    scene.create("checked", vec![]).await?;
    let writes = [
        Write::update(
            key("parent"),
            vec![equals("owner", "me")],
            vec![Effect::Remove("owner".into())],
        ),
        Write::update(
            key("child"),
            vec![Condition::RowAbsent],
            vec![set("owner", "me")],
        ),
        Write::check(key("checked"), vec![Condition::RowExists]),
        Write::delete(key("gone"), vec![Condition::RowExists]),
    ];
    same(
        scene.store.write(&writes).await?,
        Answer::Applied(vec![None; 4]),
        "the answer",
    )?;
    let made = ("made", 1.into());
    let expected = vec![
        row("checked", std::slice::from_ref(&made)),
        row("child", &[("owner", "me".into())]),
        row("parent", &[made]),
    ];
    let mut rows = scene.store.sweep().await?;
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    same(rows, expected, "the rows")
}

/// Three writes of which only the one on `b` is not allowed.
async fn refused_by_the_middle(scene: &Scene) -> Result<Answer, Trouble> {
    scene.create("a", vec![]).await?;
    scene.create("b", vec![set("owner", "you")]).await?;
    let writes = [
        Write::update(
            key("a"),
            vec![Condition::RowExists],
            vec![set("owner", "me")],
        ),
        Write::update(
            key("b"),
            vec![equals("owner", "me")],
            vec![set("owner", "thief")],
        ),
        Write::update(
            key("c"),
            vec![Condition::RowAbsent],
            vec![set("owner", "me")],
        ),
    ];
    Ok(scene.store.write(&writes).await?)
}

async fn a_transaction_with_one_failed_condition_writes_nothing(
    scene: Scene,
) -> Result<(), Trouble> {
    let answer = refused_by_the_middle(&scene).await?;
    ensure(matches!(answer, Answer::Refused(_)), || {
        format!("the answer is {answer:?}")
    })?;
    same(
        scene.stored("a").await?,
        Some(row("a", &[("made", 1.into())])),
        "the row before it",
    )?;
    let b = row("b", &[("made", 1.into()), ("owner", "you".into())]);
    same(
        scene.stored("b").await?,
        Some(b),
        "the row that did not fit",
    )?;
    same(scene.stored("c").await?, None, "the row after it")
}

async fn a_refused_transaction_shows_the_rows_that_did_not_fit_in_their_order(
    scene: Scene,
) -> Result<(), Trouble> {
    let answer = refused_by_the_middle(&scene).await?;
    let b = row("b", &[("made", 1.into()), ("owner", "you".into())]);
    same(
        answer,
        Answer::Refused(vec![None, Some(b), None]),
        "the answer",
    )
}

async fn a_failed_check_refuses_the_whole_transaction(scene: Scene) -> Result<(), Trouble> {
    scene.create("group", vec![set("term", 4)]).await?;
    let writes = [
        Write::check(key("group"), vec![equals("term", 3)]),
        Write::update(
            key("a"),
            vec![Condition::RowAbsent],
            vec![set("owner", "me")],
        ),
    ];
    let answer = scene.store.write(&writes).await?;
    ensure(matches!(answer, Answer::Refused(_)), || {
        format!("the answer is {answer:?}")
    })?;
    same(scene.stored("a").await?, None, "the row")
}

async fn a_check_writes_nothing(scene: Scene) -> Result<(), Trouble> {
    let write = || {
        Write::update(
            key("a"),
            vec![Condition::RowAbsent],
            vec![set("owner", "me")],
        )
    };
    let absent = Write::check(key("b"), vec![Condition::RowAbsent]);
    let answer = scene.store.write(&[write(), absent.clone()]).await?;
    same(answer, Answer::Applied(vec![None; 2]), "the answer")?;
    same(
        scene.stored("b").await?,
        None,
        "a row that is checked to be absent",
    )?;
    let alone = scene.store.write(&[absent]).await?;
    same(
        alone,
        Answer::Applied(vec![None]),
        "the answer to a check alone",
    )
}

async fn a_transaction_may_have_a_hundred_writes(scene: Scene) -> Result<(), Trouble> {
    let name = |i: u32| format!("row-{i:03}");
    let write = |i| {
        Write::update(
            key(&name(i)),
            vec![Condition::RowAbsent],
            vec![set("made", 1)],
        )
    };
    let writes: Vec<Write> = (0..100).map(write).collect();
    same(
        scene.store.write(&writes).await?,
        Answer::Applied(vec![None; 100]),
        "the answer",
    )?;
    same(scene.store.sweep().await?.len(), 100, "rows")
}

async fn of_many_that_take_at_once_exactly_one_wins(scene: Scene) -> Result<(), Trouble> {
    scene
        .create("a", vec![set("owner", "dead"), set("epoch", 1)])
        .await?;
    let takes = (0..WORKERS).map(|worker| {
        let effects = vec![
            set("owner", worker.to_string()),
            Effect::Add("epoch".into(), 1),
        ];
        let conditions = vec![equals("owner", "dead"), equals("epoch", 1)];
        scene.write(Write::update(key("a"), conditions, effects))
    });
    judge_takes(&scene, join_all(takes).await).await
}

async fn of_many_transactions_that_take_at_once_exactly_one_wins(
    scene: Scene,
) -> Result<(), Trouble> {
    scene
        .create("a", vec![set("owner", "dead"), set("epoch", 1)])
        .await?;
    let takes = (0..WORKERS).map(async |worker| {
        let effects = vec![
            set("owner", worker.to_string()),
            Effect::Add("epoch".into(), 1),
        ];
        let take = Write::update(
            key("a"),
            vec![equals("owner", "dead"), equals("epoch", 1)],
            effects,
        );
        let note = Write::update(
            key(&format!("worker-{worker}")),
            vec![Condition::RowAbsent],
            vec![set("owns", "a")],
        );
        Ok::<_, Trouble>(scene.store.write(&[take, note]).await?)
    });
    let answers = join_all(takes).await;
    judge_takes(&scene, answers).await?;
    let rows = scene.store.sweep().await?;
    same(rows.len(), 2, "rows: the lease and the note of the winner")
}

/// Conflicts are for the service to raise; whatever it says, one has won and the rest changed nothing.
async fn judge_takes(scene: &Scene, answers: Vec<Result<Answer, Trouble>>) -> Result<(), Trouble> {
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let won = answers
        .iter()
        .position(|answer| matches!(answer, Answer::Applied(_)));
    let winners = answers
        .iter()
        .filter(|answer| matches!(answer, Answer::Applied(_)))
        .count();
    same(winners, 1, "winners")?;
    let stored = scene.stored("a").await?.ok_or("the row is gone")?;
    let owner = won.map(|worker| worker.to_string());
    same(stored.text("owner").map(str::to_owned), owner, "the owner")?;
    same(stored.number("epoch"), Some(2), "the epoch")
}

async fn additions_at_the_same_time_are_all_counted(scene: Scene) -> Result<(), Trouble> {
    scene.create("a", vec![]).await?;
    let adds = (0..WORKERS)
        .map(|_| scene.applied(update(Condition::RowExists, Effect::Add("inbox".into(), 1))));
    let mut seen = Vec::new();
    for after in join_all(adds).await {
        seen.push(
            after?
                .and_then(|row| row.number("inbox"))
                .ok_or("an answer has no inbox")?,
        );
    }
    seen.sort_unstable();
    same(
        seen,
        (1..=WORKERS).collect(),
        "the counts that were answered",
    )
}
