//! `GetItem`, `Query` and `Scan`: order, pages, filters, projections.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Account, with};

fn query(more: &Value) -> Value {
    with(
        json!({
            "TableName": "events",
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "a"}},
            "ConsistentRead": true,
        }),
        more,
    )
}

fn sort_keys(answer: &Value) -> Vec<i64> {
    let items = answer["Items"].as_array().expect("items");
    items
        .iter()
        .map(|item| item["sk"]["N"].as_str().unwrap().parse().unwrap())
        .collect()
}

fn account_with(sort_keys: &[i64]) -> Account {
    let mut account = Account::new();
    for &sk in sort_keys {
        account.event("a", sk, &json!({"even": {"BOOL": sk % 2 == 0}}));
        account.event("b", sk, &json!({}));
    }
    account
}

/// Follows `LastEvaluatedKey` to the end.
fn all_pages(account: &mut Account, operation: &str, body: &Value) -> Vec<Value> {
    let (mut items, mut body) = (Vec::new(), body.clone());
    loop {
        let answer = account.must(operation, &body);
        items.extend(answer["Items"].as_array().expect("items").iter().cloned());
        match answer.get("LastEvaluatedKey") {
            Some(last) => body["ExclusiveStartKey"] = last.clone(),
            None => return items,
        }
    }
}

#[test]
fn a_query_is_ordered_by_the_sort_key_as_a_number() {
    let mut account = account_with(&[10, -3, 2, 100]);
    assert_eq!(
        sort_keys(&account.must("Query", &query(&json!({})))),
        [-3, 2, 10, 100]
    );
    let down = query(&json!({"ScanIndexForward": false}));
    assert_eq!(sort_keys(&account.must("Query", &down)), [100, 10, 2, -3]);
    let range = query(&json!({
        "KeyConditionExpression": "pk = :pk AND sk BETWEEN :low AND :high",
        "ExpressionAttributeValues": {":pk": {"S": "a"}, ":low": {"N": "2"}, ":high": {"N": "10"}},
    }));
    assert_eq!(sort_keys(&account.must("Query", &range)), [2, 10]);
}

#[test]
fn a_query_pages_by_limit_and_says_where_it_stopped_even_at_the_end() {
    let mut account = account_with(&[1, 2, 3, 4]);
    let first = account.must("Query", &query(&json!({"Limit": 3})));
    assert_eq!(sort_keys(&first), [1, 2, 3]);
    assert_eq!(
        first["LastEvaluatedKey"],
        json!({"pk": {"S": "a"}, "sk": {"N": "3"}})
    );
    let second = account.must(
        "Query",
        &query(&json!({"Limit": 3, "ExclusiveStartKey": first["LastEvaluatedKey"]})),
    );
    assert_eq!(
        (sort_keys(&second), second.get("LastEvaluatedKey")),
        (vec![4], None)
    );
    let whole = account.must("Query", &query(&json!({"Limit": 4})));
    assert!(whole.get("LastEvaluatedKey").is_some());
    let down = json!({"ScanIndexForward": false, "ExclusiveStartKey": {"pk": {"S": "a"}, "sk": {"N": "3"}}});
    assert_eq!(sort_keys(&account.must("Query", &query(&down))), [2, 1]);
    let outside = json!({"ExclusiveStartKey": {"pk": {"S": "b"}, "sk": {"N": "3"}}});
    assert!(
        account
            .refused("Query", &query(&outside))
            .1
            .contains("outside query boundaries")
    );
    assert!(
        account
            .refused("Query", &query(&json!({"Limit": 0})))
            .1
            .contains("'limit'")
    );
}

#[test]
fn a_filter_is_applied_after_the_limit_and_counted() {
    let mut account = account_with(&[1, 2, 3, 4]);
    let filtered = query(&json!({
        "FilterExpression": "even = :yes",
        "ExpressionAttributeValues": {":pk": {"S": "a"}, ":yes": {"BOOL": true}},
        "Limit": 3,
    }));
    let answer = account.must("Query", &filtered);
    assert_eq!(
        (
            sort_keys(&answer),
            &answer["Count"],
            &answer["ScannedCount"]
        ),
        (vec![2], &json!(1), &json!(3))
    );
    let counted = account.must("Query", &with(filtered, &json!({"Select": "COUNT"})));
    assert_eq!((counted.get("Items"), &counted["Count"]), (None, &json!(1)));
    let on_key = query(&json!({"FilterExpression": "sk = :pk"}));
    assert!(
        account
            .refused("Query", &on_key)
            .1
            .contains("non-primary key attributes")
    );
}

#[test]
fn a_query_must_name_its_partition_with_the_right_type() {
    let mut account = Account::new();
    let wrong_type = query(&json!({"ExpressionAttributeValues": {":pk": {"N": "1"}}}));
    assert!(
        account
            .refused("Query", &wrong_type)
            .1
            .contains("does not match schema type")
    );
    let index = query(&json!({"IndexName": "by-owner"}));
    assert!(account.refused("Query", &index).1.contains("IndexName"));
    assert!(
        account
            .refused("Query", &json!({"TableName": "events"}))
            .1
            .contains("KeyConditionExpression")
    );
}

#[test]
fn projections_cut_items_everywhere() {
    let mut account = Account::new();
    account.event(
        "a",
        1,
        &json!({"doc": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}}),
    );
    let cut = json!({"doc": {"M": {"x": {"N": "1"}}}});
    let projection =
        json!({"ProjectionExpression": "doc.#x", "ExpressionAttributeNames": {"#x": "x"}});
    let key = json!({"pk": {"S": "a"}, "sk": {"N": "1"}});
    let get = with(json!({"TableName": "events", "Key": key}), &projection);
    assert_eq!(account.must("GetItem", &get)["Item"], cut);
    assert_eq!(
        account.must("Query", &query(&projection))["Items"],
        json!([cut])
    );
    assert_eq!(
        account.must("Scan", &with(json!({"TableName": "events"}), &projection))["Items"],
        json!([cut])
    );
    let transact = json!({"TransactItems": [{"Get": get}, {"Get": {"TableName": "leases", "Key": {"leaseKey": {"S": "no"}}}}]});
    assert_eq!(
        account.must("TransactGetItems", &transact)["Responses"],
        json!([{"Item": cut}, {}])
    );
}

#[test]
fn a_scan_stops_at_a_megabyte() {
    let mut account = Account::new();
    for sk in 0..5 {
        account.event("a", sk, &json!({"blob": {"S": "x".repeat(300 * 1024)}}));
    }
    let first = account.must("Scan", &json!({"TableName": "events"}));
    assert_eq!(first["Count"], json!(4));
    assert!(first.get("LastEvaluatedKey").is_some());
    assert_eq!(
        all_pages(&mut account, "Scan", &json!({"TableName": "events"})).len(),
        5
    );
}

#[test]
fn segments_are_checked() {
    let mut account = Account::new();
    for (segment, expected) in [
        (json!({"Segment": 0}), "TotalSegments parameter is required"),
        (json!({"TotalSegments": 2}), "Segment parameter is required"),
        (
            json!({"Segment": 2, "TotalSegments": 2}),
            "must be less than parameter TotalSegments",
        ),
        (json!({"Segment": 0, "TotalSegments": 0}), "totalSegments"),
    ] {
        let body = with(json!({"TableName": "events"}), &segment);
        assert!(
            account.refused("Scan", &body).1.contains(expected),
            "{segment}"
        );
    }
}

#[test]
fn reads_cost_half_as_much_when_they_may_be_stale() {
    let mut account = Account::new();
    account.event("a", 1, &json!({"blob": {"S": "x".repeat(5000)}}));
    for (consistent, units) in [(true, 2.0), (false, 1.0)] {
        let more = json!({"ReturnConsumedCapacity": "TOTAL", "ConsistentRead": consistent});
        let answer = account.must("Query", &query(&more));
        assert_eq!(
            answer["ConsumedCapacity"],
            json!({"TableName": "events", "CapacityUnits": units})
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_any_size_give_every_item_once(
        keys in prop::collection::btree_set(-50i64..50, 0..20),
        limit in 1usize..8,
        forward in any::<bool>(),
    ) {
        let keys: Vec<i64> = keys.into_iter().collect();
        let mut account = account_with(&keys);
        let body = query(&json!({"Limit": limit, "ScanIndexForward": forward}));
        let mut found = sort_keys(&json!({"Items": all_pages(&mut account, "Query", &body)}));
        if !forward {
            found.reverse();
        }
        prop_assert_eq!(found, keys);
    }

    #[test]
    fn segments_of_a_scan_give_every_item_once(partitions in 0usize..30, total in 1usize..6, limit in 1usize..8) {
        let mut account = Account::new();
        for partition in 0..partitions {
            account.event(&format!("p{partition}"), 1, &json!({}));
        }
        let mut found = Vec::new();
        for segment in 0..total {
            let body = json!({"TableName": "events", "Segment": segment, "TotalSegments": total, "Limit": limit});
            let items = all_pages(&mut account, "Scan", &body);
            found.extend(items.iter().map(|item| item["pk"]["S"].as_str().unwrap().to_owned()));
        }
        found.sort();
        let mut expected: Vec<String> = (0..partitions).map(|partition| format!("p{partition}")).collect();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}
