//! The languages together: text in, verdict or new item out.

mod conditions;
mod no_panic;
mod updates;

use serde_json::{Value, json};

use super::*;
use crate::emulator::value::{Invalid, Item, item_from_json, item_to_json};

fn item(json: &Value) -> Item {
    item_from_json(json).expect("a valid item")
}

fn bindings(names: &Value, values: &Value) -> Bindings {
    let given = |value: &Value| {
        value
            .as_object()
            .is_some_and(|map| !map.is_empty())
            .then(|| value.clone())
    };
    Bindings::from_json(given(names).as_ref(), given(values).as_ref()).expect("valid bindings")
}

fn holds(text: &str, values: &Value, on: &Value) -> Result<bool, Invalid> {
    let mut bindings = bindings(&json!({"#k": "key", "#dot": "a.b"}), values);
    Ok(Condition::parse(Kind::Condition, text, &mut bindings)?.holds(&item(on)))
}

fn updated(text: &str, values: &Value, on: &Value) -> Result<Value, Invalid> {
    let mut bindings = bindings(&json!({"#k": "key"}), values);
    let update = Update::parse(text, &mut bindings)?;
    Ok(item_to_json(
        &update
            .apply(Some(&item(on)), &Item::new())?
            .expect("an item that exists stays"),
    ))
}

fn message<T: std::fmt::Debug>(result: Result<T, Invalid>) -> String {
    result.expect_err("refused").0
}

#[test]
fn names_and_values_that_no_expression_uses_are_refused() {
    let mut one = bindings(
        &json!({"#a": "a", "#b": "b"}),
        &json!({":v": {"S": "v"}, ":w": {"S": "w"}}),
    );
    Condition::parse(Kind::Condition, "#a = :v", &mut one).unwrap();
    let known = [(Kind::Update, false), (Kind::Condition, true)];
    assert_eq!(
        message(one.finish(&known)),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"
    );
    Condition::parse(Kind::Condition, "#a = :w", &mut one).unwrap();
    assert_eq!(
        message(one.finish(&known)),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"
    );
    let none = bindings(&json!({"#a": "a"}), &json!({}));
    assert!(
        message(none.finish(&[(Kind::Update, false)]))
            .contains("can only be specified when using expressions")
    );
    for (names, values) in [
        (json!({}), None),
        (json!({"a": "a"}), None),
        (json!({"#": "a"}), Some(json!({}))),
    ] {
        assert!(
            Bindings::from_json(Some(&names), values.as_ref()).is_err(),
            "{names}"
        );
    }
}

#[test]
fn a_projection_keeps_the_shape_of_what_it_finds() {
    let on = item(
        &json!({"a": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}, "l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]}, "z": {"NULL": true}}),
    );
    let projected = |text: &str| {
        let mut bindings = Bindings::default();
        Projection::parse(text, &mut bindings)
            .map(|projection| item_to_json(&projection.apply(&on)))
    };
    assert_eq!(
        projected("a.x, l[2], l[0]"),
        Ok(json!({"a": {"M": {"x": {"N": "1"}}}, "l": {"L": [{"N": "0"}, {"N": "2"}]}}))
    );
    assert_eq!(
        projected("z, absent, a.absent, l[9]"),
        Ok(json!({"z": {"NULL": true}}))
    );
    assert!(message(projected("a, a.x")).contains("overlap"));
    assert!(message(projected("a.x l")).contains("Syntax error"));
}

#[test]
fn a_key_condition_is_one_equality_and_one_range() {
    let parsed = |text: &str| {
        let mut bindings = bindings(&json!({}), &json!({":a": {"S": "a"}, ":b": {"S": "b"}}));
        KeyCondition::parse(text, &mut bindings, "pk", Some("sk"))
    };
    let selects = |text: &str, sk: &str| {
        parsed(text).map(|c| c.selects(&item(&json!({"pk": {"S": "a"}, "sk": {"S": sk}}))))
    };
    assert_eq!(selects("pk = :a", "x"), Ok(true));
    assert_eq!(selects("sk > :a AND pk = :a", "a"), Ok(false));
    assert_eq!(selects("(pk = :a) AND (:a <= sk)", "a"), Ok(true));
    assert_eq!(selects("pk = :a AND sk BETWEEN :a AND :b", "ab"), Ok(true));
    assert_eq!(selects("pk = :a AND begins_with(sk, :b)", "ab"), Ok(false));
    for (text, expected) in [
        ("sk = :a", "missed key schema element: pk"),
        ("pk = :a AND extra = :b", "missed key schema element: sk"),
        ("pk > :a", "not supported"),
        ("pk = :a AND pk = :b", "one condition per key"),
        (
            "pk = :a OR sk = :b",
            "Invalid operator used in KeyConditionExpression: OR",
        ),
        (
            "pk = :a AND sk <> :b",
            "Invalid operator used in KeyConditionExpression: <>",
        ),
        ("pk = :a AND sk IN (:b)", "Invalid operator"),
        ("pk.x = :a", "nested"),
    ] {
        let message = message(parsed(text));
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!("{}a = :a{}", "NOT (".repeat(500), ")".repeat(500));
    assert!(
        message(holds(&deep, &json!({":a": {"S": "a"}}), &json!({}))).contains("nested too deeply")
    );
    let calls = format!(
        "SET a = {}:a{}",
        "if_not_exists(a,".repeat(200),
        ")".repeat(200)
    );
    assert!(
        message(updated(&calls, &json!({":a": {"S": "a"}}), &json!({})))
            .contains("nested too deeply")
    );
    let many = vec!["a = :a"; 301].join(" OR ");
    assert!(
        message(holds(&many, &json!({":a": {"S": "a"}}), &json!({}))).contains("300 operators")
    );
    let long = format!("a = :a OR {}", "a = :a OR ".repeat(500));
    assert!(
        message(holds(&long, &json!({":a": {"S": "a"}}), &json!({}))).contains("expression size")
    );
}
