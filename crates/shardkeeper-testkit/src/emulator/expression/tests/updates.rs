//! Updates: what they make of an item, and what is refused.

use serde_json::json;

use super::{bindings, item, message, updated};
use crate::emulator::expression::Update;

#[test]
fn a_lease_is_taken_counted_and_released_by_one_update() {
    let lease = json!({"owner_": {"S": "w1"}, "counter_": {"N": "41"}, "nextOwner": {"S": "w2"}, "keep": {"S": "x"}});
    assert_eq!(
        updated(
            "SET owner_ = :o, counter_ = counter_ + :one REMOVE nextOwner ADD inbox :one",
            &json!({":o": {"S": "w2"}, ":one": {"N": "1"}}),
            &lease
        ),
        Ok(
            json!({"owner_": {"S": "w2"}, "counter_": {"N": "42"}, "keep": {"S": "x"}, "inbox": {"N": "1"}})
        )
    );
}

#[test]
fn every_clause_reads_the_item_as_it_was() {
    let on = json!({"a": {"N": "1"}, "b": {"N": "2"}});
    assert_eq!(
        updated("SET a = b, b = a", &json!({}), &on),
        Ok(json!({"a": {"N": "2"}, "b": {"N": "1"}}))
    );
    assert_eq!(
        updated("SET c = a REMOVE a", &json!({}), &on),
        Ok(json!({"b": {"N": "2"}, "c": {"N": "1"}}))
    );
    assert!(
        message(updated(
            "SET x = :v, y = x",
            &json!({":v": {"N": "1"}}),
            &on
        ))
        .contains("does not exist")
    );
}

#[test]
fn set_computes_with_if_not_exists_and_list_append() {
    let values = json!({":v": {"N": "5"}, ":l": {"L": [{"N": "1"}]}, ":e": {"L": []}});
    let on = json!({"n": {"N": "7"}, "l": {"L": [{"N": "0"}]}});
    for (text, attribute, expected) in [
        (
            "SET c = if_not_exists(absent, :v) + :v",
            "c",
            json!({"N": "10"}),
        ),
        ("SET c = if_not_exists(n, :v) - :v", "c", json!({"N": "2"})),
        (
            "SET c = if_not_exists(absent, if_not_exists(n, :v))",
            "c",
            json!({"N": "7"}),
        ),
        (
            "SET l = list_append(l, :l)",
            "l",
            json!({"L": [{"N": "0"}, {"N": "1"}]}),
        ),
        (
            "SET c = list_append(if_not_exists(absent, :e), :l)",
            "c",
            json!({"L": [{"N": "1"}]}),
        ),
    ] {
        assert_eq!(
            updated(text, &values, &on).map(|item| item[attribute].clone()),
            Ok(expected),
            "{text}"
        );
    }
}

#[test]
fn lists_are_set_appended_and_removed_by_their_positions_before_the_update() {
    let on = json!({"a": {"L": [{"N": "2"}, {"N": "3"}, {"N": "4"}, {"N": "5"}]}});
    let list = |numbers: &[i32]| {
        Ok(
            json!({"a": {"L": numbers.iter().map(|n| json!({"N": n.to_string()})).collect::<Vec<_>>()}}),
        )
    };
    let values = json!({":v": {"N": "17"}, ":w": {"N": "18"}});
    assert_eq!(
        updated("REMOVE a[1] SET a[3] = :v", &values, &on),
        list(&[2, 4, 17])
    );
    assert_eq!(
        updated("SET a[84] = :v, a[37] = :w", &values, &on),
        list(&[2, 3, 4, 5, 18, 17])
    );
    assert_eq!(
        updated("REMOVE a[0], a[2], a[9]", &values, &on),
        list(&[3, 5])
    );
    assert_eq!(
        updated("SET a[9] = :v REMOVE a[4]", &values, &on),
        list(&[2, 3, 4, 5, 17])
    );
}

#[test]
fn documents_are_changed_only_where_their_parents_exist() {
    let on = json!({"p": {"S": "p"}, "m": {"M": {"x": {"N": "1"}}}});
    let values = json!({":v": {"N": "2"}});
    assert_eq!(
        updated("SET m.y = :v REMOVE m.x", &values, &on),
        Ok(json!({"p": {"S": "p"}, "m": {"M": {"y": {"N": "2"}}}}))
    );
    assert_eq!(updated("REMOVE m.z, absent", &values, &on), Ok(on.clone()));
    for text in [
        "SET p.y = :v",
        "SET absent.y = :v",
        "SET m[0] = :v",
        "REMOVE absent.y",
        "REMOVE p[0]",
    ] {
        assert!(
            message(updated(text, &values, &on)).contains("document path"),
            "{text}"
        );
    }
}

#[test]
fn add_and_delete_work_on_numbers_and_sets() {
    let on = json!({"n": {"N": "1"}, "s": {"SS": ["a", "b"]}, "t": {"S": "t"}});
    let values = json!({":n": {"N": "-3"}, ":ab": {"SS": ["a", "b"]}, ":c": {"SS": ["c"]}, ":ns": {"NS": ["1"]}});
    assert_eq!(
        updated("ADD n :n, z :n", &values, &on).map(|i| (i["n"].clone(), i["z"].clone())),
        Ok((json!({"N": "-2"}), json!({"N": "-3"})))
    );
    assert_eq!(
        updated("ADD s :c", &values, &on).map(|i| i["s"].clone()),
        Ok(json!({"SS": ["a", "b", "c"]}))
    );
    assert_eq!(
        updated("DELETE s :ab, absent :c", &values, &on),
        Ok(json!({"n": {"N": "1"}, "t": {"S": "t"}}))
    );
    for text in ["ADD t :n", "ADD s :ns", "ADD s :n", "DELETE n :c"] {
        assert!(
            message(updated(text, &values, &on)).contains("incorrect data type"),
            "{text}"
        );
    }
}

#[test]
fn a_wrong_update_is_refused_in_the_words_of_the_service() {
    let values = json!({":s": {"S": "s"}, ":n": {"N": "1"}, ":l": {"L": []}});
    for (text, expected) in [
        (
            "SET a = :n SET b = :n",
            "The \"SET\" section can only be used once",
        ),
        ("HELLO a = :n", "Syntax error"),
        ("SET a = :n,", "Syntax error"),
        ("SET a = :n + :n + :n", "Syntax error"),
        ("SET a = if_not_exists(a, :n + :n)", "Syntax error"),
        ("SET :n = :n", "Syntax error"),
        (
            "SET a = :s + :n",
            "operator or function: +, operand type: S",
        ),
        (
            "SET a = list_append(:l, :s)",
            "operator or function: list_append, operand type: S",
        ),
        (
            "SET a = list_append(list_append(:l, :l), :l)",
            "function: list_append",
        ),
        ("SET a = LIST_APPEND(:l, :l)", "Invalid function name"),
        ("SET a = if_not_exists(:n, :n)", "requires a document path"),
        ("ADD a :s", "operator: ADD, operand type: STRING"),
        ("DELETE a :n", "operator: DELETE, operand type: NUMBER"),
        ("SET a = :n REMOVE a", "overlap with each other"),
        ("SET a.b = :n, a = :n", "path one: [a, b], path two: [a]"),
        ("SET a[1] = :n, a[1].b = :n", "overlap with each other"),
        ("SET a.b = :n, a[1] = :n", "conflict with each other"),
        ("SET #k = :n, key_ = :n, #k.x = :n", "overlap"),
    ] {
        let message = message(updated(text, &values, &json!({})));
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn an_update_that_only_takes_away_creates_no_item() {
    let key = item(&json!({"k": {"S": "k"}}));
    let apply = |text: &str| {
        let mut bindings = bindings(&json!({}), &json!({":v": {"SS": ["v"]}}));
        Update::parse(text, &mut bindings)
            .unwrap()
            .apply(None, &key)
            .unwrap()
    };
    assert_eq!(apply("REMOVE a, b.c"), None);
    assert_eq!(apply("DELETE a :v"), None);
    assert_eq!(
        apply("ADD a :v"),
        Some(item(&json!({"k": {"S": "k"}, "a": {"SS": ["v"]}})))
    );
}
