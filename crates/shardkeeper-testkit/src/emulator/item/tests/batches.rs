//! `BatchGetItem` and `BatchWriteItem`.

use serde_json::{Value, json};

use super::Account;

fn key(name: &str) -> Value {
    json!({"leaseKey": {"S": name}})
}

fn keys(count: usize) -> Vec<Value> {
    (0..count).map(|n| key(&format!("k{n}"))).collect()
}

#[test]
fn a_batch_of_reads_answers_what_exists_by_table() {
    let mut account = Account::new();
    account.event("a", 1, &json!({}));
    account.must(
        "PutItem",
        &json!({"TableName": "leases", "Item": {"leaseKey": {"S": "k0"}, "x": {"N": "1"}}}),
    );
    let answer = account.must(
        "BatchGetItem",
        &json!({"RequestItems": {
            "leases": {"Keys": keys(3), "ConsistentRead": true},
            "events": {"Keys": [{"pk": {"S": "a"}, "sk": {"N": "2"}}]},
        }}),
    );
    assert_eq!(
        answer,
        json!({
            "Responses": {"leases": [{"leaseKey": {"S": "k0"}, "x": {"N": "1"}}], "events": []},
            "UnprocessedKeys": {},
        })
    );
}

#[test]
fn a_batch_of_reads_is_bounded_and_without_duplicates() {
    let mut account = Account::new();
    let get = |keys: Vec<Value>| json!({"RequestItems": {"leases": {"Keys": keys}}});
    account.must("BatchGetItem", &get(keys(100)));
    assert!(
        account
            .refused("BatchGetItem", &get(keys(101)))
            .1
            .contains("Too many items")
    );
    assert!(
        account
            .refused("BatchGetItem", &get(vec![key("a"), key("a")]))
            .1
            .contains("duplicates")
    );
    assert!(
        account
            .refused("BatchGetItem", &get(vec![]))
            .1
            .contains("length greater than or equal to 1")
    );
    assert!(
        account
            .refused("BatchGetItem", &json!({"RequestItems": {}}))
            .1
            .contains("requestItems")
    );
    let nowhere = json!({"RequestItems": {"nowhere": {"Keys": keys(1)}}});
    assert_eq!(
        account.refused("BatchGetItem", &nowhere).0,
        "ResourceNotFoundException"
    );
    let index = json!({"RequestItems": {"leases": {"Keys": keys(1), "AttributesToGet": ["a"]}}});
    assert!(
        account
            .refused("BatchGetItem", &index)
            .1
            .contains("AttributesToGet")
    );
}

#[test]
fn reads_beyond_sixteen_megabytes_come_back_as_unprocessed() {
    let mut account = Account::new();
    for n in 0..50 {
        let item =
            json!({"leaseKey": {"S": format!("k{n}")}, "blob": {"S": "x".repeat(390 * 1024)}});
        account.must("PutItem", &json!({"TableName": "leases", "Item": item}));
    }
    let first = account.must(
        "BatchGetItem",
        &json!({"RequestItems": {"leases": {"Keys": keys(50), "ConsistentRead": true}}}),
    );
    let left = &first["UnprocessedKeys"];
    assert_eq!(left["leases"]["ConsistentRead"], json!(true));
    let second = account.must("BatchGetItem", &json!({"RequestItems": left}));
    let count = |answer: &Value| answer["Responses"]["leases"].as_array().map_or(0, Vec::len);
    assert!(count(&first) < 50);
    assert_eq!(count(&first) + count(&second), 50);
    assert_eq!(second["UnprocessedKeys"], json!({}));
}

#[test]
fn a_batch_of_writes_puts_and_deletes() {
    let mut account = Account::new();
    account.must(
        "PutItem",
        &json!({"TableName": "leases", "Item": key("old")}),
    );
    let answer = account.must(
        "BatchWriteItem",
        &json!({"RequestItems": {"leases": [
            {"PutRequest": {"Item": {"leaseKey": {"S": "new"}, "x": {"N": "1"}}}},
            {"DeleteRequest": {"Key": key("old")}},
        ]}}),
    );
    assert_eq!(answer, json!({"UnprocessedItems": {}}));
    assert_eq!(account.lease("old"), None);
    assert_eq!(
        account.lease("new"),
        Some(json!({"leaseKey": {"S": "new"}, "x": {"N": "1"}}))
    );
}

#[test]
fn a_refused_batch_of_writes_leaves_no_trace() {
    let mut account = Account::new();
    let put = |item: Value| json!({"PutRequest": {"Item": item}});
    let batch = |writes: Vec<Value>| json!({"RequestItems": {"leases": writes}});
    let many = |count: usize| keys(count).into_iter().map(put).collect::<Vec<_>>();
    assert!(
        account
            .refused("BatchWriteItem", &batch(many(26)))
            .1
            .contains("Too many items")
    );
    let twice = vec![put(key("k0")), json!({"DeleteRequest": {"Key": key("k0")}})];
    assert!(
        account
            .refused("BatchWriteItem", &batch(twice))
            .1
            .contains("duplicates")
    );
    let wrong = vec![put(key("k0")), put(json!({"x": {"S": "y"}}))];
    assert!(
        account
            .refused("BatchWriteItem", &batch(wrong))
            .1
            .contains("Missing the key leaseKey")
    );
    let both =
        vec![json!({"PutRequest": {"Item": key("k0")}, "DeleteRequest": {"Key": key("k0")}})];
    assert!(
        account
            .refused("BatchWriteItem", &batch(both))
            .1
            .contains("more than one")
    );
    assert_eq!(account.lease("k0"), None);
    account.must("BatchWriteItem", &batch(many(25)));
}
