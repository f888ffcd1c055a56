//! Conditions: what holds, and what is refused.

use serde_json::json;

use super::{holds, message};

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
