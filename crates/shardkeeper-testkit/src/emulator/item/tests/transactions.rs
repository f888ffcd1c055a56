//! `TransactWriteItems`: all or nothing, once.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Account, with};

fn put(key: &str) -> Value {
    json!({"Put": {"TableName": "leases", "Item": {"leaseKey": {"S": key}}}})
}

fn check(key: &str, condition: &str) -> Value {
    json!({"ConditionCheck": {
        "TableName": "leases",
        "Key": {"leaseKey": {"S": key}},
        "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }})
}

fn count(key: &str) -> Value {
    json!({"Update": {
        "TableName": "leases",
        "Key": {"leaseKey": {"S": key}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }})
}

fn transaction(actions: &[Value]) -> Value {
    json!({"TransactItems": actions})
}

fn counted(account: &mut Account, key: &str) -> Option<Value> {
    account.lease(key).and_then(|item| item.get("n").cloned())
}

#[test]
fn all_actions_happen_together() {
    let mut account = Account::new();
    account.must(
        "PutItem",
        &json!({"TableName": "leases", "Item": {"leaseKey": {"S": "gone"}}}),
    );
    let delete = json!({"Delete": {"TableName": "leases", "Key": {"leaseKey": {"S": "gone"}}}});
    let actions = [
        put("a"),
        count("b"),
        delete,
        check("c", "attribute_not_exists(leaseKey)"),
    ];
    assert_eq!(
        account.must("TransactWriteItems", &transaction(&actions)),
        json!({})
    );
    assert_eq!(account.lease("a"), Some(json!({"leaseKey": {"S": "a"}})));
    assert_eq!(counted(&mut account, "b"), Some(json!({"N": "1"})));
    assert_eq!((account.lease("gone"), account.lease("c")), (None, None));
}

#[test]
fn one_failed_condition_cancels_everything_and_each_action_has_its_reason() {
    let mut account = Account::new();
    let held = json!({"leaseKey": {"S": "held"}, "leaseOwner": {"S": "w1"}});
    account.must("PutItem", &json!({"TableName": "leases", "Item": held}));
    let actions = [
        put("a"),
        check("held", "attribute_not_exists(leaseOwner)"),
        check("none", "attribute_exists(leaseKey)"),
    ];
    let error = account
        .call("TransactWriteItems", &transaction(&actions))
        .expect_err("cancelled");
    assert_eq!(error.code, "TransactionCanceledException");
    assert!(
        error
            .message
            .ends_with("[None, ConditionalCheckFailed, ConditionalCheckFailed]"),
        "{}",
        error.message
    );
    let failed =
        json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"});
    assert_eq!(
        error.extra["CancellationReasons"],
        json!([{"Code": "None"}, with(failed.clone(), &json!({"Item": held})), failed])
    );
    assert_eq!(account.lease("a"), None);
}

#[test]
fn an_update_that_does_not_fit_its_item_cancels_too() {
    let mut account = Account::new();
    account.must(
        "PutItem",
        &json!({"TableName": "leases", "Item": {"leaseKey": {"S": "k"}, "n": {"S": "text"}}}),
    );
    let error = account
        .call("TransactWriteItems", &transaction(&[put("a"), count("k")]))
        .expect_err("cancelled");
    assert_eq!(
        error.extra["CancellationReasons"][1]["Code"],
        json!("ValidationError")
    );
    assert_eq!(account.lease("a"), None);
}

#[test]
fn a_token_makes_a_transaction_happen_once_for_ten_minutes() {
    let mut account = Account::new();
    let once = with(
        transaction(&[count("k")]),
        &json!({"ClientRequestToken": "token-1"}),
    );
    account.must("TransactWriteItems", &once);
    account.must("TransactWriteItems", &once);
    assert_eq!(counted(&mut account, "k"), Some(json!({"N": "1"})));
    let other = with(
        transaction(&[count("other")]),
        &json!({"ClientRequestToken": "token-1"}),
    );
    assert_eq!(
        account.refused("TransactWriteItems", &other).0,
        "IdempotentParameterMismatchException"
    );
    account.0.now += Duration::from_mins(10);
    account.must("TransactWriteItems", &once);
    account.must("TransactWriteItems", &transaction(&[count("k")]));
    account.must("TransactWriteItems", &transaction(&[count("k")]));
    assert_eq!(counted(&mut account, "k"), Some(json!({"N": "4"})));
    let long = with(
        transaction(&[count("k")]),
        &json!({"ClientRequestToken": "t".repeat(37)}),
    );
    assert!(
        account
            .refused("TransactWriteItems", &long)
            .1
            .contains("clientRequestToken")
    );
}

#[test]
fn a_cancelled_transaction_may_be_sent_again_with_its_token() {
    let mut account = Account::new();
    let actions = [check("k", "attribute_exists(leaseKey)"), count("n")];
    let body = with(transaction(&actions), &json!({"ClientRequestToken": "t"}));
    assert_eq!(
        account.refused("TransactWriteItems", &body).0,
        "TransactionCanceledException"
    );
    account.must(
        "PutItem",
        &json!({"TableName": "leases", "Item": {"leaseKey": {"S": "k"}}}),
    );
    account.must("TransactWriteItems", &body);
    assert_eq!(counted(&mut account, "n"), Some(json!({"N": "1"})));
}

#[test]
fn a_transaction_is_refused_before_anything_is_looked_at() {
    let mut account = Account::new();
    let unconditional =
        json!({"ConditionCheck": {"TableName": "leases", "Key": {"leaseKey": {"S": "k"}}}});
    let idle = json!({"Update": {"TableName": "leases", "Key": {"leaseKey": {"S": "k"}}}});
    let two = with(put("a"), &count("b"));
    let many: Vec<Value> = (0..101).map(|n| put(&format!("k{n}"))).collect();
    for (actions, expected) in [
        (
            vec![put("a"), count("a")],
            "cannot include multiple operations on one item",
        ),
        (vec![unconditional], "'conditionExpression'"),
        (vec![idle], "'updateExpression'"),
        (
            vec![two],
            "can only contain one of Check, Put, Update or Delete",
        ),
        (vec![], "greater than or equal to 1"),
        (many, "less than or equal to 100"),
        (
            vec![
                json!({"Put": {"TableName": "leases", "Item": {"leaseKey": {"S": "a"}}, "Expected": {}}}),
            ],
            "Expected",
        ),
    ] {
        let (code, message) = account.refused("TransactWriteItems", &transaction(&actions));
        assert_eq!(code, "ValidationException");
        assert!(message.contains(expected), "{message}");
    }
    let hundred: Vec<Value> = (0..100).map(|n| put(&format!("k{n}"))).collect();
    account.must("TransactWriteItems", &transaction(&hundred));
}

#[test]
fn a_transaction_costs_twice_a_write() {
    let mut account = Account::new();
    let body = with(
        transaction(&[put("a"), put("b")]),
        &json!({"ReturnConsumedCapacity": "TOTAL"}),
    );
    let answer = account.must("TransactWriteItems", &body);
    assert_eq!(
        answer["ConsumedCapacity"],
        json!([{"TableName": "leases", "CapacityUnits": 4.0}])
    );
}
