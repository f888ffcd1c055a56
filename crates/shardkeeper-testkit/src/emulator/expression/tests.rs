//! The languages together: text in, verdict or new item out.

use proptest::prelude::*;
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
fn comparisons_follow_types_and_absence() {
    let on = json!({"s": {"S": "b"}, "n": {"N": "10"}, "key": {"BOOL": true}});
    let values =
        json!({":s": {"S": "a"}, ":n": {"N": "9"}, ":m": {"N": "10.0"}, ":t": {"BOOL": true}});
    for (text, expected) in [
        ("s > :s", true),
        ("n > :n", true),
        ("n = :m", true),
        ("n <> :m", false),
        ("n > :s", false),
        ("n <> :s", true),
        ("absent = :s", false),
        ("absent <> :s", true),
        ("absent < :s", false),
        ("#k = :t", true),
        ("n BETWEEN :n AND :m", true),
        ("n IN (:n, :m)", true),
        ("n in (:n)", false),
        ("NOT n = :n AND s > :s", true),
        ("NOT (n = :m OR s = :s)", false),
        ("n = :n OR n = :m AND s > :s", true),
        ("(n = :n OR n = :m) AND absent = :s", false),
        ("attribute_not_exists(absent)", true),
        ("attribute_exists(s) and attribute_exists(#k)", true),
    ] {
        assert_eq!(holds(text, &values, &on), Ok(expected), "{text}");
    }
}

#[test]
fn functions_look_into_documents() {
    let on = json!({
        "doc": {"M": {"entries": {"L": [{"S": "x"}, {"M": {"deep": {"N": "1"}}}]}}},
        "tags": {"SS": ["one", "two"]},
        "bytes": {"B": "AQID"},
        "words": {"S": "shardkeeper"},
        "a.b": {"S": "dotted"},
    });
    let values = json!({
        ":two": {"S": "two"}, ":three": {"S": "three"}, ":one": {"N": "1"}, ":size": {"N": "2"}, ":SS": {"S": "SS"},
        ":shard": {"S": "shard"}, ":keep": {"S": "keep"}, ":mid": {"B": "Ag=="}, ":dotted": {"S": "dotted"},
    });
    for (text, expected) in [
        ("doc.entries[1].deep = :one", true),
        ("doc.entries[2].deep = :one", false),
        ("attribute_exists(doc.entries[0])", true),
        ("size(doc.entries) = :size", true),
        ("size(tags) >= :size", true),
        ("size(doc.entries[1].deep) = :one", false),
        ("contains(tags, :two)", true),
        ("contains(tags, :three)", false),
        ("contains(words, :keep)", true),
        ("contains(bytes, :mid)", true),
        ("contains(doc.entries, :two)", false),
        ("begins_with(words, :shard)", true),
        ("begins_with(tags, :shard)", false),
        ("attribute_type(tags, :SS)", true),
        ("#dot = :dotted", true),
    ] {
        assert_eq!(holds(text, &values, &on), Ok(expected), "{text}");
    }
}

#[test]
fn a_wrong_condition_is_refused_in_the_words_of_the_service() {
    let values = json!({":a": {"S": "a"}, ":b": {"S": "b"}, ":m": {"M": {}}, ":n": {"N": "1"}});
    for (text, expected) in [
        ("", "The expression can not be empty"),
        ("a =", "Syntax error; token: \"<EOF>\""),
        ("a = :a b", "Syntax error; token: \"b\", near: \":a b\""),
        ("_a = :a", "Syntax error; token: \"_\""),
        ("a == :a", "Syntax error"),
        ("a = :zz", "not defined; attribute value: :zz"),
        ("#zz = :a", "not defined; attribute name: #zz"),
        ("status = :a", "reserved keyword; reserved keyword: status"),
        ("f(a)", "Invalid function name; function: f"),
        ("ATTRIBUTE_EXISTS(a)", "Invalid function name"),
        ("attribute_exists(a, b)", "number of operands: 2"),
        ("attribute_exists(:a)", "requires a document path"),
        (
            "begins_with(a, :n)",
            "operator or function: begins_with, operand type: N",
        ),
        (
            "attribute_type(a, :a)",
            "Invalid attribute type name found; type: a",
        ),
        ("size(a)", "Syntax error"),
        (
            "a = contains(a, :a)",
            "not allowed to be used this way in an expression; function: contains",
        ),
        ("a < :m", "operator or function: <, operand type: M"),
        ("a = a", "must be distinct"),
        (
            "a BETWEEN :b AND :a",
            "requires upper bound to be greater than or equal to lower bound",
        ),
        ("a BETWEEN :a AND :n", "requires same data type"),
        ("((a = :a))", "redundant parentheses"),
        ("a[:a] = :a", "Syntax error"),
        ("a[99999999999999999999999] = :a", "List index"),
    ] {
        let message = message(holds(text, &values, &json!({})));
        assert!(message.contains(expected), "{text}: {message}");
        assert!(
            message.starts_with("Invalid ConditionExpression: "),
            "{text}: {message}"
        );
    }
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

/// Words that often make sense after each other, so that random text reaches deep into the grammars.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "SET",
            "REMOVE",
            "ADD",
            "DELETE",
            "AND",
            "OR",
            "NOT",
            "BETWEEN",
            "IN",
            "(",
            ")",
            ",",
            "=",
            "<>",
            "<",
            ">=",
            "+",
            "-",
            ".",
            "[",
            "]",
            "0",
            "1",
            "a",
            "b",
            "pk",
            "sk",
            "#k",
            ":s",
            ":n",
            ":l",
            ":ss",
            "size(",
            "contains(",
            "begins_with(",
            "attribute_exists(",
            "attribute_type(",
            "if_not_exists(",
            "list_append(",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_parser_or_an_evaluation_panic(text in prop_oneof![words(), "\\PC*", any::<String>()]) {
        let on = item(&json!({"a": {"N": "1"}, "b": {"L": [{"S": "x"}, {"M": {"a": {"N": "2"}}}]}, "key": {"SS": ["s"]}}));
        let values = json!({":s": {"S": "s"}, ":n": {"N": "1"}, ":l": {"L": [{"S": "s"}]}, ":ss": {"SS": ["s"]}});
        let mut bindings = bindings(&json!({"#k": "key"}), &values);
        if let Ok(condition) = Condition::parse(Kind::Filter, &text, &mut bindings) {
            condition.holds(&on);
        }
        if let Ok(update) = Update::parse(&text, &mut bindings) {
            let _ = update.apply(Some(&on), &Item::new());
            let _ = update.apply(None, &Item::new());
        }
        if let Ok(projection) = Projection::parse(&text, &mut bindings) {
            projection.apply(&on);
        }
        if let Ok(condition) = KeyCondition::parse(&text, &mut bindings, "pk", Some("sk")) {
            condition.selects(&on);
        }
    }
}
