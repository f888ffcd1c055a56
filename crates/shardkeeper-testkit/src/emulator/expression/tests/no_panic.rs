//! No text, however odd, may panic.

use proptest::prelude::*;
use serde_json::json;

use super::{bindings, item};
use crate::emulator::expression::{Condition, KeyCondition, Kind, Projection, Update};
use crate::emulator::value::Item;

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
