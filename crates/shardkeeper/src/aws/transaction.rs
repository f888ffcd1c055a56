//! Several conditional writes at once.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use shardkeeper_core::ports::{Answer, FailureKind, PortError};
use shardkeeper_core::row::{Verb, Write};

use super::convert::{failure, has_code, kind_of_code, port_error};
use super::expression::{self, Expression};

const ACTION: &str = "TransactWriteItems";

/// Applies all of the writes or none.
///
/// The SDK puts a fresh token on every call. That is what is wanted: the token makes the SDK's own
/// retries harmless, which are off, and a repeated call must be judged by the rows as they are then.
pub(super) async fn write(
    client: &Client,
    table: &str,
    writes: &[Write],
) -> Result<Answer, PortError> {
    let items = writes
        .iter()
        .map(|write| item(table, write))
        .collect::<Result<Vec<_>, _>>();
    let items = items.map_err(|odd| failure(FailureKind::Invalid, ACTION, &odd.to_string()))?;
    let answer = client
        .transact_write_items()
        .set_transact_items(Some(items))
        .send()
        .await;
    match answer {
        Ok(_) => Ok(Answer::Applied(vec![None; writes.len()])),
        Err(error) if has_code(&error, "TransactionInProgressException") => Ok(Answer::Conflict),
        Err(error) if has_code(&error, "TransactionConflictException") => Ok(Answer::Conflict),
        Err(error) => {
            let failed = port_error(ACTION, &error);
            match error.into_service_error() {
                TransactWriteItemsError::TransactionCanceledException(why) => {
                    judge(why.cancellation_reasons.unwrap_or_default(), writes.len())
                }
                _ => Err(failed),
            }
        }
    }
}

fn item(table: &str, write: &Write) -> Result<TransactWriteItem, BuildError> {
    let sent = Expression::of(write);
    let key = Some(expression::key(&write.key));
    let shown = ReturnValuesOnConditionCheckFailure::AllOld;
    let item = TransactWriteItem::builder();
    Ok(match write.verb {
        Verb::Update => item.update(
            Update::builder()
                .table_name(table)
                .set_key(key)
                .set_condition_expression(sent.condition)
                .set_update_expression(sent.update)
                .set_expression_attribute_names(sent.names)
                .set_expression_attribute_values(sent.values)
                .return_values_on_condition_check_failure(shown)
                .build()?,
        ),
        Verb::Delete => item.delete(
            Delete::builder()
                .table_name(table)
                .set_key(key)
                .set_condition_expression(sent.condition)
                .set_expression_attribute_names(sent.names)
                .set_expression_attribute_values(sent.values)
                .return_values_on_condition_check_failure(shown)
                .build()?,
        ),
        Verb::Check => item.condition_check(
            ConditionCheck::builder()
                .table_name(table)
                .set_key(key)
                .set_condition_expression(sent.condition)
                .set_expression_attribute_names(sent.names)
                .set_expression_attribute_values(sent.values)
                .return_values_on_condition_check_failure(shown)
                .build()?,
        ),
    }
    .build())
}

/// Why a transaction was cancelled: nothing was written, for the gravest of the reasons.
fn judge(reasons: Vec<CancellationReason>, writes: usize) -> Result<Answer, PortError> {
    let codes = || {
        reasons
            .iter()
            .filter_map(|reason| reason.code())
            .filter(|code| *code != "None")
    };
    if codes().any(|code| code == "ConditionalCheckFailed") {
        let mut rows: Vec<_> = reasons
            .into_iter()
            .map(|reason| reason.item.and_then(expression::row))
            .collect();
        rows.resize(writes, None);
        return Ok(Answer::Refused(rows));
    }
    // Of what is left, a conflict passes soonest; a cancellation without a reason is one.
    match codes().find(|code| *code != "TransactionConflict") {
        None => Ok(Answer::Conflict),
        Some(code) => {
            let message = reasons
                .iter()
                .find(|reason| reason.code() == Some(code))
                .and_then(|why| why.message());
            let kind = match code {
                "ProvisionedThroughputExceeded" | "ThrottlingError" => FailureKind::Throttled,
                other => kind_of_code(other).unwrap_or(FailureKind::Invalid),
            };
            Err(failure(
                kind,
                ACTION,
                &format!("{code}: {}", message.unwrap_or_default()),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancelled(codes: &[&str]) -> Result<Answer, PortError> {
        let reason = |code: &&str| CancellationReason::builder().code(*code).build();
        judge(codes.iter().map(reason).collect(), codes.len())
    }

    #[test]
    fn a_failed_condition_outweighs_every_other_reason() {
        let refused = cancelled(&["TransactionConflict", "None", "ConditionalCheckFailed"]);
        assert_eq!(refused.unwrap(), Answer::Refused(vec![None, None, None]));
        assert_eq!(
            cancelled(&["None", "TransactionConflict"]).unwrap(),
            Answer::Conflict
        );
        assert_eq!(cancelled(&[]).unwrap(), Answer::Conflict);
        let throttled = cancelled(&["TransactionConflict", "ThrottlingError"]).unwrap_err();
        assert_eq!(throttled.kind, FailureKind::Throttled);
        let throttled = cancelled(&["ProvisionedThroughputExceeded"]).unwrap_err();
        assert_eq!(throttled.kind, FailureKind::Throttled);
        assert_eq!(
            cancelled(&["ValidationError"]).unwrap_err().kind,
            FailureKind::Invalid
        );
    }
}
