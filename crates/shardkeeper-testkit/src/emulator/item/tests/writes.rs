//! `PutItem`, `UpdateItem`, `DeleteItem`: what they return, and what they refuse.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Account, with};

fn put(item: &Value) -> Value {
    json!({"TableName": "leases", "Item": item})
}

#[test]
fn put_replaces_and_returns_the_old_item_only_if_asked() {
    let mut account = Account::new();
    let (one, two) = (
        json!({"leaseKey": {"S": "k"}, "a": {"N": "1"}}),
        json!({"leaseKey": {"S": "k"}, "b": {"N": "2"}}),
    );
    let all_old = json!({"ReturnValues": "ALL_OLD"});
    assert_eq!(
        account.must("PutItem", &with(put(&one), &all_old)),
        json!({})
    );
    assert_eq!(
        account.must("PutItem", &with(put(&two), &all_old)),
        json!({"Attributes": one})
    );
    assert_eq!(account.must("PutItem", &put(&one)), json!({}));
    assert_eq!(account.lease("k"), Some(one));
    let (code, message) = account.refused(
        "PutItem",
        &with(put(&two), &json!({"ReturnValues": "ALL_NEW"})),
    );
    assert_eq!(
        (code.as_str(), message.as_str()),
        (
            "ValidationException",
            "ReturnValues can only be ALL_OLD or NONE"
        )
    );
}

#[test]
fn update_returns_what_was_asked_for() {
    let mut account = Account::new();
    let update = |returns: &str, to: &str| {
        json!({
            "TableName": "leases",
            "Key": {"leaseKey": {"S": "k"}},
            "UpdateExpression": "SET a = :v, doc.x = :v",
            "ExpressionAttributeValues": {":v": {"N": to}},
            "ReturnValues": returns,
        })
    };
    account.must(
        "PutItem",
        &put(&json!({"leaseKey": {"S": "k"}, "doc": {"M": {"y": {"N": "0"}}}})),
    );
    assert_eq!(
        account.must("UpdateItem", &update("UPDATED_OLD", "1")),
        json!({})
    );
    assert_eq!(
        account.must("UpdateItem", &update("UPDATED_OLD", "2"))["Attributes"],
        json!({"a": {"N": "1"}, "doc": {"M": {"x": {"N": "1"}}}})
    );
    assert_eq!(
        account.must("UpdateItem", &update("UPDATED_NEW", "3"))["Attributes"],
        json!({"a": {"N": "3"}, "doc": {"M": {"x": {"N": "3"}}}})
    );
    assert_eq!(
        account.must("UpdateItem", &update("ALL_OLD", "4"))["Attributes"]["a"],
        json!({"N": "3"})
    );
    assert_eq!(
        account.must("UpdateItem", &update("ALL_NEW", "5"))["Attributes"]["doc"],
        json!({"M": {"x": {"N": "5"}, "y": {"N": "0"}}})
    );
    assert_eq!(account.must("UpdateItem", &update("NONE", "6")), json!({}));
}

#[test]
fn an_update_without_expression_creates_the_bare_item() {
    let mut account = Account::new();
    let body =
        json!({"TableName": "leases", "Key": {"leaseKey": {"S": "k"}}, "ReturnValues": "ALL_NEW"});
    let bare = json!({"leaseKey": {"S": "k"}});
    assert_eq!(
        account.must("UpdateItem", &body),
        json!({"Attributes": bare})
    );
    assert_eq!(account.lease("k"), Some(bare));
    let removing = with(
        body,
        &json!({"Key": {"leaseKey": {"S": "other"}}, "UpdateExpression": "REMOVE a"}),
    );
    assert_eq!(account.must("UpdateItem", &removing), json!({}));
    assert_eq!(account.lease("other"), None);
}

#[test]
fn a_key_cannot_be_updated_and_must_fit_the_schema() {
    let mut account = Account::new();
    let update = json!({
        "TableName": "leases",
        "Key": {"leaseKey": {"S": "k"}},
        "UpdateExpression": "SET leaseKey = :v",
        "ExpressionAttributeValues": {":v": {"S": "x"}},
    });
    assert!(
        account
            .refused("UpdateItem", &update)
            .1
            .contains("Cannot update attribute leaseKey. This attribute is part of the key")
    );
    for key in [
        json!({}),
        json!({"leaseKey": {"N": "1"}}),
        json!({"leaseKey": {"S": "k"}, "x": {"S": "y"}}),
        json!({"x": {"S": "y"}}),
    ] {
        let body = json!({"TableName": "leases", "Key": key});
        for operation in ["GetItem", "UpdateItem", "DeleteItem"] {
            assert_eq!(
                account.refused(operation, &body).1,
                "The provided key element does not match the schema",
                "{key}"
            );
        }
    }
    for (item, expected) in [
        (
            json!({"x": {"S": "y"}}),
            "Missing the key leaseKey in the item",
        ),
        (
            json!({"leaseKey": {"N": "1"}}),
            "Type mismatch for key leaseKey expected: S actual: N",
        ),
        (
            json!({"leaseKey": {"S": ""}}),
            "cannot contain an empty string value",
        ),
    ] {
        assert!(
            account.refused("PutItem", &put(&item)).1.contains(expected),
            "{item}"
        );
    }
}

#[test]
fn an_item_that_would_grow_too_large_is_refused_and_left_alone() {
    let mut account = Account::new();
    let big = "x".repeat(400 * 1024);
    let item = json!({"leaseKey": {"S": "k"}, "a": {"S": big}});
    assert!(
        account
            .refused("PutItem", &put(&item))
            .1
            .contains("Item size has exceeded the maximum allowed size")
    );
    account.must("PutItem", &put(&json!({"leaseKey": {"S": "k"}})));
    let update = json!({
        "TableName": "leases",
        "Key": {"leaseKey": {"S": "k"}},
        "UpdateExpression": "SET a = :v",
        "ExpressionAttributeValues": {":v": {"S": big}},
    });
    assert!(
        account
            .refused("UpdateItem", &update)
            .1
            .contains("Item size to update has exceeded")
    );
    assert_eq!(account.lease("k"), Some(json!({"leaseKey": {"S": "k"}})));
}

#[test]
fn an_unknown_table_is_not_found() {
    let mut account = Account::new();
    let key = json!({"TableName": "nowhere", "Key": {"k": {"S": "k"}}, "Item": {"k": {"S": "k"}}});
    for (operation, members) in [
        ("GetItem", "Key"),
        ("DeleteItem", "Key"),
        ("UpdateItem", "Key"),
        ("PutItem", "Item"),
    ] {
        let body = json!({"TableName": "nowhere", members: key[members]});
        let refused = account.refused(operation, &body);
        assert_eq!(
            refused,
            (
                "ResourceNotFoundException".to_owned(),
                "Requested resource not found".to_owned()
            )
        );
    }
    assert_eq!(
        account.refused("Scan", &json!({"TableName": "nowhere"})).0,
        "ResourceNotFoundException"
    );
}

#[test]
fn nothing_a_request_says_is_ignored() {
    let mut account = Account::new();
    let key = json!({"TableName": "leases", "Key": {"leaseKey": {"S": "k"}}});
    for (operation, member) in [
        ("GetItem", "AttributesToGet"),
        ("UpdateItem", "AttributeUpdates"),
        ("UpdateItem", "Expected"),
        ("DeleteItem", "ConditionalOperator"),
        ("GetItem", "Typo"),
    ] {
        let (code, message) = account.refused(operation, &with(key.clone(), &json!({member: {}})));
        assert_eq!(code, "ValidationException");
        assert!(message.contains(member), "{message}");
    }
    let unused = with(key, &json!({"ExpressionAttributeNames": {"#a": "a"}}));
    assert!(
        account
            .refused("GetItem", &unused)
            .1
            .contains("ProjectionExpression is null")
    );
}

#[test]
fn a_write_costs_a_unit_per_kilobyte() {
    let mut account = Account::new();
    let item = json!({"leaseKey": {"S": "k"}, "a": {"S": "x".repeat(1500)}});
    let body = with(put(&item), &json!({"ReturnConsumedCapacity": "TOTAL"}));
    let cost = json!({"TableName": "leases", "CapacityUnits": 2.0});
    assert_eq!(
        account.must("PutItem", &body),
        json!({"ConsumedCapacity": cost})
    );
    let delete = json!({"TableName": "leases", "Key": {"leaseKey": {"S": "k"}}, "ReturnConsumedCapacity": "TOTAL"});
    assert_eq!(
        account.must("DeleteItem", &delete),
        json!({"ConsumedCapacity": cost})
    );
}

/// JSON of any shape, with the members of real requests.
fn any_body() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "TableName",
        "Key",
        "Item",
        "leaseKey",
        "S",
        "N",
        "M",
        "L",
        "SS",
        "UpdateExpression",
        "ConditionExpression",
        "ExpressionAttributeValues",
        ":v",
        "TransactItems",
        "RequestItems",
        "leases",
        "Put",
        "Keys",
        "PutRequest",
        "Limit",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("leases")),
        Just(json!("SET a = :v")),
        any::<i64>().prop_map(|n| json!(n)),
        "\\PC{0,4}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(|map| Value::Object(
                map.into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_makes_an_operation_panic(body in any_body()) {
        let mut account = Account::new();
        for operation in [
            "PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem",
            "TransactWriteItems", "TransactGetItems",
        ] {
            let _ = account.call(operation, &body);
            let named = with(json!({}), &body);
            let _ = account.call(operation, &with(named, &json!({"TableName": "leases"})));
        }
    }
}
