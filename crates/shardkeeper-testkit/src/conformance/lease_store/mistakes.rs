//! Stores with a mistake: the suite must find each, by the rule that names it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use shardkeeper_core::ports::{Answer, LeaseStore, PortError, TableCreation};
use shardkeeper_core::row::{Row, RowKey, Write};

use super::{Scene, check_all};
use crate::memory::MemoryLeases;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    ForgetsConditions,
    WritesHalfATransaction,
    SweepsOnePage,
    ReadsStale,
    HidesRefusedRows,
    AnswersTheRowBefore,
}

#[derive(Debug)]
struct Mistaken {
    right: MemoryLeases,
    mistake: Mistake,
}

#[async_trait]
impl LeaseStore for Mistaken {
    async fn open(&self, creation: TableCreation) -> Result<(), PortError> {
        self.right.open(creation).await
    }

    async fn sweep(&self) -> Result<Vec<Row>, PortError> {
        let mut rows = self.right.sweep().await?;
        if self.mistake == Mistake::SweepsOnePage {
            rows.truncate(100);
        }
        Ok(rows)
    }

    async fn read(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, Row>, PortError> {
        let mut rows = self.right.read(keys).await?;
        if self.mistake == Mistake::ReadsStale {
            rows.values_mut()
                .for_each(|row| drop(row.columns.remove("beat")));
        }
        Ok(rows)
    }

    async fn write(&self, writes: &[Write]) -> Result<Answer, PortError> {
        let before = match writes {
            [write] => self
                .right
                .read(std::slice::from_ref(&write.key))
                .await?
                .into_values()
                .next(),
            _ => None,
        };
        match (self.mistake, self.right.write(writes).await?) {
            (Mistake::ForgetsConditions, Answer::Refused(_)) => Ok(Answer::Applied(vec![before])),
            (Mistake::WritesHalfATransaction, Answer::Refused(rows)) if writes.len() > 1 => {
                let _half = self.right.write(&writes[..1]).await?;
                Ok(Answer::Refused(rows))
            }
            (Mistake::HidesRefusedRows, Answer::Refused(_)) => {
                Ok(Answer::Refused(vec![None; writes.len()]))
            }
            (Mistake::AnswersTheRowBefore, Answer::Applied(_)) if writes.len() == 1 => {
                Ok(Answer::Applied(vec![before]))
            }
            (_, answer) => Ok(answer),
        }
    }
}

#[tokio::test]
async fn every_mistake_is_found_by_the_rule_that_names_it() {
    let table = [
        (
            Mistake::ForgetsConditions,
            "a refused write changes nothing",
        ),
        (
            Mistake::WritesHalfATransaction,
            "a transaction with one failed condition writes nothing",
        ),
        (
            Mistake::SweepsOnePage,
            "a sweep shows every row of a table of many pages once",
        ),
        (
            Mistake::ReadsStale,
            "a read sees every write that was answered before it",
        ),
        (
            Mistake::HidesRefusedRows,
            "a refused write shows the row as it is",
        ),
        (
            Mistake::AnswersTheRowBefore,
            "an applied write answers with the row after it",
        ),
    ];
    for (mistake, rule) in table {
        let make = async || {
            Ok(Scene::new(Mistaken {
                right: MemoryLeases::new(),
                mistake,
            }))
        };
        let report = check_all(make).await;
        assert!(
            report.failed().any(|check| check.rule == rule),
            "{mistake:?}\n{report}"
        );
    }
}

#[tokio::test]
async fn a_store_that_says_it_hides_refused_rows_lacks_that_and_nothing_else() {
    use super::Capability;
    let mistake = Mistake::HidesRefusedRows;
    let make = async || {
        Ok(Scene::new(Mistaken {
            right: MemoryLeases::new(),
            mistake,
        })
        .without_shown_refusals())
    };
    let report = check_all(make).await;
    report.assert_lacking_only(&[Capability::ShownRefusals, Capability::ForeignColumns]);
}
