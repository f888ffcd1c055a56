//! What a lease table asks for: the first customer of these operations.

use serde_json::{Value, json};

use super::{Account, with};

fn create(key: &str) -> Value {
    json!({
        "TableName": "leases",
        "Key": {"leaseKey": {"S": key}},
        "UpdateExpression": "SET leaseOwner = :o, epoch = :one, leaseCounter = :one",
        "ConditionExpression": "attribute_not_exists(leaseKey)",
        "ExpressionAttributeValues": {":o": {"S": "w1"}, ":one": {"N": "1"}},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    })
}

fn checkpoint(owner: &str, epoch: &str, version: &str) -> Value {
    json!({
        "TableName": "leases",
        "Key": {"leaseKey": {"S": "l"}},
        "UpdateExpression": "SET checkpoint = :c, #v = #v + :one REMOVE nextOwner",
        "ConditionExpression": "#o = :o AND #e = :e AND #v = :v",
        "ExpressionAttributeNames": {"#o": "leaseOwner", "#e": "epoch", "#v": "leaseCounter"},
        "ExpressionAttributeValues": {
            ":o": {"S": owner}, ":e": {"N": epoch}, ":v": {"N": version}, ":c": {"S": "100"}, ":one": {"N": "1"},
        },
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    })
}

#[test]
fn a_lease_is_created_once_and_the_loser_sees_the_row() {
    let mut account = Account::new();
    let row = json!({
        "leaseKey": {"S": "l"}, "leaseOwner": {"S": "w1"}, "epoch": {"N": "1"}, "leaseCounter": {"N": "1"},
    });
    assert_eq!(account.must("UpdateItem", &create("l"))["Attributes"], row);
    let error = account
        .call("UpdateItem", &create("l"))
        .expect_err("it exists");
    assert_eq!(error.code, "ConditionalCheckFailedException");
    assert_eq!(error.message, "The conditional request failed");
    assert_eq!(error.extra.get("Item"), Some(&row));
    assert_eq!(account.lease("l"), Some(row));
}

#[test]
fn a_write_needs_owner_epoch_and_version_as_read() {
    let mut account = Account::new();
    account.must("UpdateItem", &create("l"));
    for (owner, epoch, version) in [("w2", "1", "1"), ("w1", "2", "1"), ("w1", "1", "2")] {
        let error = account
            .call("UpdateItem", &checkpoint(owner, epoch, version))
            .expect_err("stale");
        assert_eq!(error.extra["Item"]["leaseCounter"], json!({"N": "1"}));
    }
    // Numbers are compared, not their spelling.
    let answer = account.must("UpdateItem", &checkpoint("w1", "1.0", "1e0"));
    assert_eq!(
        answer["Attributes"],
        json!({
            "leaseKey": {"S": "l"}, "leaseOwner": {"S": "w1"}, "epoch": {"N": "1"}, "leaseCounter": {"N": "2"},
            "checkpoint": {"S": "100"},
        })
    );
}

#[test]
fn a_failed_condition_on_a_row_that_is_gone_returns_no_item() {
    let mut account = Account::new();
    let error = account
        .call("UpdateItem", &checkpoint("w1", "1", "1"))
        .expect_err("no row");
    assert_eq!(error.code, "ConditionalCheckFailedException");
    assert_eq!(error.extra.get("Item"), None);
    assert_eq!(account.lease("l"), None, "a refused update creates nothing");
}

#[test]
fn an_item_is_returned_on_failure_only_when_asked_for() {
    let mut account = Account::new();
    account.must("UpdateItem", &create("l"));
    let quiet = with(
        create("l"),
        &json!({"ReturnValuesOnConditionCheckFailure": "NONE"}),
    );
    let error = account.call("UpdateItem", &quiet).expect_err("it exists");
    assert!(error.extra.is_empty());
}

#[test]
fn an_inbox_counts_from_nothing() {
    let mut account = Account::new();
    let knock = json!({
        "TableName": "leases",
        "Key": {"leaseKey": {"S": "worker"}},
        "UpdateExpression": "ADD inbox :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
        "ReturnValues": "UPDATED_NEW",
    });
    for count in ["1", "2", "3"] {
        assert_eq!(
            account.must("UpdateItem", &knock)["Attributes"],
            json!({"inbox": {"N": count}})
        );
    }
}

#[test]
fn a_lease_is_deleted_only_under_its_condition() {
    let mut account = Account::new();
    account.must("UpdateItem", &create("l"));
    let delete = |epoch: &str| {
        json!({
            "TableName": "leases",
            "Key": {"leaseKey": {"S": "l"}},
            "ConditionExpression": "epoch = :e AND attribute_not_exists(nextOwner)",
            "ExpressionAttributeValues": {":e": {"N": epoch}},
            "ReturnValues": "ALL_OLD",
        })
    };
    assert_eq!(
        account.refused("DeleteItem", &delete("7")).0,
        "ConditionalCheckFailedException"
    );
    assert_eq!(
        account.must("DeleteItem", &delete("1"))["Attributes"]["leaseOwner"],
        json!({"S": "w1"})
    );
    assert_eq!(account.lease("l"), None);
    assert_eq!(
        account.refused("DeleteItem", &delete("1")).0,
        "ConditionalCheckFailedException"
    );
}
