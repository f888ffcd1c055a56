//! The contract of [`LeaseStore`].

mod conditions;
mod effects;
#[cfg(test)]
mod mistakes;
mod reading;
mod together;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use shardkeeper_core::ports::{Answer, LeaseStore, TableCreation};
use shardkeeper_core::row::{Condition, Effect, Row, RowKey, Value, Write};

use super::{Checked, Report, Trouble, Verdict, checks, same, sentence};

/// What a scene may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// Nothing special: every store must pass.
    Everywhere,
    /// A refusal shows the row that did not fit. Some local servers leave it out.
    ShownRefusals,
    /// Columns of types that the ports do not know, written by somebody else.
    ForeignColumns,
}

/// A way past the store to the columns that it does not know.
#[async_trait]
pub trait ForeignColumns: Send + Sync {
    /// Gives a row a column of a type that [`Value`] does not have.
    async fn add(&self, key: &RowKey) -> Result<(), Trouble>;

    /// True when the column is there as it was added.
    async fn are_intact(&self, key: &RowKey) -> Result<bool, Trouble>;
}

/// A store with an empty table, or one that creates it, for one check.
#[derive(Clone)]
pub struct Scene {
    store: Arc<dyn LeaseStore>,
    foreign: Option<Arc<dyn ForeignColumns>>,
    shows_refusals: bool,
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Scene {
    /// A store of which no more is known.
    pub fn new(store: impl LeaseStore + 'static) -> Self {
        Self {
            store: Arc::new(store),
            foreign: None,
            shows_refusals: true,
        }
    }

    /// With a way to foreign columns.
    #[must_use]
    pub fn with_foreign_columns(mut self, foreign: impl ForeignColumns + 'static) -> Self {
        self.foreign = Some(Arc::new(foreign));
        self
    }

    /// A store whose refusals do not show the row.
    #[must_use]
    pub fn without_shown_refusals(mut self) -> Self {
        self.shows_refusals = false;
        self
    }

    fn can(&self, needs: Capability) -> bool {
        match needs {
            Capability::Everywhere => true,
            Capability::ShownRefusals => self.shows_refusals,
            Capability::ForeignColumns => self.foreign.is_some(),
        }
    }
}

type Check = fn(Scene) -> Pin<Box<dyn Future<Output = Result<(), Trouble>>>>;

/// Makes every check, each on a fresh scene.
pub async fn check_all(make: impl AsyncFn() -> Result<Scene, Trouble>) -> Report<Capability> {
    let all = [
        conditions::all(),
        effects::all(),
        together::all(),
        reading::all(),
    ]
    .concat();
    let mut checks = Vec::new();
    for (name, needs, check) in all {
        let verdict = verdict(&make, needs, check).await;
        let rule = sentence(name);
        checks.push(Checked {
            rule,
            needs,
            verdict,
        });
    }
    Report { checks }
}

async fn verdict(
    make: &impl AsyncFn() -> Result<Scene, Trouble>,
    needs: Capability,
    check: Check,
) -> Verdict {
    let made = async {
        let scene = make().await?;
        scene.store.open(TableCreation::Allowed).await?;
        Ok::<_, Trouble>(scene)
    };
    match made.await {
        Ok(scene) if !scene.can(needs) => Verdict::Lacking,
        Ok(scene) => match check(scene).await {
            Ok(()) => Verdict::Passed,
            Err(why) => Verdict::Failed(why.to_string()),
        },
        Err(why) => Verdict::Failed(format!("no scene could be made: {why}")),
    }
}

fn key(text: &str) -> RowKey {
    RowKey::new(text)
}

fn set(column: &'static str, value: impl Into<Value>) -> Effect {
    Effect::Set(column.into(), value.into())
}

fn equals(column: &'static str, value: impl Into<Value>) -> Condition {
    Condition::Equals(column.into(), value.into())
}

fn texts(all: &[&str]) -> Value {
    Value::Texts(all.iter().map(|text| (*text).to_owned()).collect())
}

fn row(name: &str, columns: &[(&'static str, Value)]) -> Row {
    let mut row = Row::empty(key(name));
    row.columns.extend(
        columns
            .iter()
            .map(|(column, value)| ((*column).into(), value.clone())),
    );
    row
}

/// A write on the row `a`.
fn update(condition: Condition, effect: Effect) -> Write {
    Write::update(key("a"), vec![condition], vec![effect])
}

impl Scene {
    async fn write(&self, write: Write) -> Result<Answer, Trouble> {
        Ok(self.store.write(&[write]).await?)
    }

    /// Creates a row with these columns and the column `made` = 1.
    async fn create(&self, name: &str, effects: Vec<Effect>) -> Result<(), Trouble> {
        let effects = [effects, vec![set("made", 1)]].concat();
        let write = Write::update(key(name), vec![Condition::RowAbsent], effects);
        self.applied(write).await.map(drop)
    }

    /// The row after a write that must be applied.
    async fn applied(&self, write: Write) -> Result<Option<Row>, Trouble> {
        match self.write(write).await? {
            Answer::Applied(rows) => {
                same(rows.len(), 1, "rows in the answer")?;
                Ok(rows.into_iter().next().flatten())
            }
            other => Err(format!("expected the write to be applied, found {other:?}").into()),
        }
    }

    /// The row that is shown by a write that must be refused.
    async fn refused(&self, write: Write) -> Result<Option<Row>, Trouble> {
        match self.write(write).await? {
            Answer::Refused(rows) => {
                same(rows.len(), 1, "rows in the answer")?;
                Ok(rows.into_iter().next().flatten())
            }
            other => Err(format!("expected the write to be refused, found {other:?}").into()),
        }
    }

    async fn stored(&self, name: &str) -> Result<Option<Row>, Trouble> {
        Ok(self.store.read(&[key(name)]).await?.remove(&key(name)))
    }

    /// Is a condition on row `a` held to be true? Probed by a write of a column that no check compares.
    async fn holds(&self, condition: Condition) -> Result<bool, Trouble> {
        match self.write(update(condition, set("probed", 1))).await? {
            Answer::Applied(_) => Ok(true),
            Answer::Refused(_) => Ok(false),
            Answer::Conflict => Err("nobody else is writing, yet the answer is a conflict".into()),
        }
    }
}
