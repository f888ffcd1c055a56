//! The lease table in Amazon DynamoDB.
#![expect(
    clippy::disallowed_types,
    reason = "the SDK's maps; looked into by key, never walked"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use shardkeeper_core::planted;
use shardkeeper_core::ports::{Answer, FailureKind, LeaseStore, PortError, TableCreation};
use shardkeeper_core::row::{Row, RowKey, Verb, Write};

use super::convert::{failure, has_code, missing, port_error};
use super::expression::{self, Expression, Item};
use super::{Clients, table, transaction};

/// At a megabyte a page, far more leases than there can be.
const SWEEP_PAGES: usize = 10_000;
/// Keys that one `BatchGetItem` takes.
const READ_KEYS: usize = 100;

/// [`LeaseStore`] over the AWS SDK: one table, of which every row is ours.
///
/// One attempt per call, bounded by [`super::Timeouts::attempt`]; `sweep`, `read` and `open` may make
/// several calls. A `write` whose future is dropped may still be applied, as may one that failed with
/// an error that [`PortError::is_ambiguous`].
#[derive(Clone)]
pub struct AwsLeases {
    clients: Clients,
    table: String,
}

impl AwsLeases {
    /// Keeps leases in `table`.
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self {
            clients: clients.clone(),
            table: table.into(),
        }
    }

    async fn update(&self, write: &Write) -> Result<Answer, PortError> {
        const ACTION: &str = "UpdateItem";
        let sent = Expression::of(write);
        let answer = self
            .clients
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .set_key(Some(expression::key(&write.key)))
            .set_condition_expression(sent.condition)
            .set_update_expression(sent.update)
            .set_expression_attribute_names(sent.names)
            .set_expression_attribute_values(sent.values)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let after = answer.attributes.and_then(expression::row);
                // Without the row nothing says that the write was applied.
                Ok(Answer::Applied(vec![Some(
                    after.ok_or_else(|| missing(ACTION, "Attributes"))?,
                )]))
            }
            Err(error) if is_conflict(|code| has_code(&error, code)) => Ok(Answer::Conflict),
            Err(error) => {
                let failed = self.named(port_error(ACTION, &error));
                match error.into_service_error() {
                    UpdateItemError::ConditionalCheckFailedException(why) => Ok(refused(why.item)),
                    _ => Err(failed),
                }
            }
        }
    }

    async fn delete(&self, write: &Write) -> Result<Answer, PortError> {
        const ACTION: &str = "DeleteItem";
        let sent = Expression::of(write);
        let answer = self
            .clients
            .dynamodb
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(expression::key(&write.key)))
            .set_condition_expression(sent.condition)
            .set_expression_attribute_names(sent.names)
            .set_expression_attribute_values(sent.values)
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Answer::Applied(vec![None])),
            Err(error) if is_conflict(|code| has_code(&error, code)) => Ok(Answer::Conflict),
            Err(error) => {
                let failed = self.named(port_error(ACTION, &error));
                match error.into_service_error() {
                    DeleteItemError::ConditionalCheckFailedException(why) => Ok(refused(why.item)),
                    _ => Err(failed),
                }
            }
        }
    }

    async fn scan(&self, after: Option<Item>) -> Result<(Vec<Row>, Option<Item>), PortError> {
        const ACTION: &str = "Scan";
        let answer = self
            .clients
            .dynamodb
            .scan()
            .table_name(&self.table)
            .consistent_read(!planted!(StaleRowsRead))
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(|error| self.named(port_error(ACTION, &error)))?;
        let items = answer.items.ok_or_else(|| missing(ACTION, "Items"))?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((rows(ACTION, items)?, next))
    }

    async fn get(&self, keys: KeysAndAttributes) -> Result<BatchGetItemOutput, PortError> {
        self.clients
            .dynamodb
            .batch_get_item()
            .request_items(&self.table, keys)
            .send()
            .await
            .map_err(|error| self.named(port_error("BatchGetItem", &error)))
    }

    /// The service does not say which table it did not find.
    fn named(&self, error: PortError) -> PortError {
        if error.kind != FailureKind::NotFound {
            return error;
        }
        let why = format!(
            "the lease table {} is not there: {}",
            self.table, error.message
        );
        failure(error.kind, error.action, &why)
    }
}

fn is_conflict(has_code: impl Fn(&str) -> bool) -> bool {
    has_code("TransactionConflictException") || has_code("ReplicatedWriteConflictException")
}

/// Not every server shows the row that did not fit.
fn refused(item: Option<Item>) -> Answer {
    Answer::Refused(vec![item.and_then(expression::row)])
}

fn rows(action: &'static str, items: Vec<Item>) -> Result<Vec<Row>, PortError> {
    let row = |item| expression::row(item).ok_or_else(|| missing(action, "leaseKey in an item"));
    items.into_iter().map(row).collect()
}

#[async_trait]
impl LeaseStore for AwsLeases {
    async fn open(&self, creation: TableCreation) -> Result<(), PortError> {
        table::open(&self.clients.dynamodb, &self.table, creation).await
    }

    async fn sweep(&self) -> Result<Vec<Row>, PortError> {
        let mut found = Vec::new();
        let mut after = None;
        for _ in 0..SWEEP_PAGES {
            let (rows, next) = self.scan(after.clone()).await?;
            found.extend(rows);
            if next.is_none() {
                // The service's own order is a hash; ours is the same in every run.
                found.sort_by(|a, b| a.key.cmp(&b.key));
                return Ok(found);
            }
            if next == after {
                return Err(failure(
                    FailureKind::Protocol,
                    "Scan",
                    "the scan does not move on",
                ));
            }
            after = next;
        }
        Err(failure(
            FailureKind::Protocol,
            "Scan",
            "the scan does not end",
        ))
    }

    async fn read(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, Row>, PortError> {
        const ACTION: &str = "BatchGetItem";
        let wanted: BTreeSet<&RowKey> = keys.iter().collect();
        if wanted.len() > READ_KEYS {
            let why = format!("{} keys are more than {READ_KEYS}", wanted.len());
            return Err(failure(FailureKind::Invalid, ACTION, &why));
        }
        let mut found = BTreeMap::new();
        let mut pending: Vec<Item> = wanted.into_iter().map(expression::key).collect();
        while !pending.is_empty() {
            let asked = pending.len();
            let request = KeysAndAttributes::builder()
                .set_keys(Some(pending))
                .consistent_read(!planted!(StaleRowsRead))
                .build();
            let request =
                request.map_err(|odd| failure(FailureKind::Invalid, ACTION, &odd.to_string()))?;
            let answer = self.get(request).await?;
            let left = |mut tables: HashMap<String, KeysAndAttributes>| tables.remove(&self.table);
            pending = answer
                .unprocessed_keys
                .and_then(left)
                .map(|left| left.keys)
                .unwrap_or_default();
            match answer
                .responses
                .and_then(|mut tables| tables.remove(&self.table))
            {
                Some(items) => found.extend(
                    rows(ACTION, items)?
                        .into_iter()
                        .map(|row| (row.key.clone(), row)),
                ),
                // Absence is proven by a list without the row, not by the lack of a list.
                None if pending.is_empty() => {
                    return Err(missing(ACTION, "Responses of the table"));
                }
                None => {}
            }
            if pending.len() >= asked {
                return Err(failure(
                    FailureKind::Throttled,
                    ACTION,
                    "no key was processed",
                ));
            }
        }
        Ok(found)
    }

    async fn write(&self, writes: &[Write]) -> Result<Answer, PortError> {
        if let Some(why) = Write::why_refused(writes) {
            return Err(failure(FailureKind::Invalid, "Write", why));
        }
        match writes {
            [write] if write.verb == Verb::Update => self.update(write).await,
            [write] if write.verb == Verb::Delete => self.delete(write).await,
            _ => {
                let written = transaction::write(&self.clients.dynamodb, &self.table, writes).await;
                written.map_err(|error| self.named(error))
            }
        }
    }
}

impl fmt::Debug for AwsLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsLeases")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}
