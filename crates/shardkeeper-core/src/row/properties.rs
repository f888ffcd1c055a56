//! Every condition and every effect against what it means.

use super::*;
use proptest::prelude::*;

/// Few names, so that conditions and effects meet columns that are there.
fn name() -> impl Strategy<Value = Column> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(Cow::Borrowed)
}

fn texts() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[xyz]", 1..3)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[xyz]{0,2}".prop_map(Value::from),
        prop_oneof![0u64..3, Just(u64::MAX)].prop_map(Value::Number),
        texts().prop_map(Value::Texts),
    ]
}

fn row() -> impl Strategy<Value = Option<Row>> {
    let columns = prop::collection::btree_map(name(), value(), 0..4);
    prop::option::of(columns.prop_map(|columns| Row { key: RowKey::new("r"), columns: columns.into() }))
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::RowAbsent),
        Just(Condition::RowExists),
        (name(), value()).prop_map(|(name, value)| Condition::Equals(name, value)),
        name().prop_map(Condition::Missing),
        (name(), value()).prop_map(|(name, value)| Condition::Differs(name, value)),
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        (name(), value()).prop_map(|(name, value)| Effect::Set(name, value)),
        name().prop_map(Effect::Remove),
        (name(), prop_oneof![0u64..3, Just(u64::MAX)]).prop_map(|(name, by)| Effect::Add(name, by)),
        (name(), "[xyz]").prop_map(|(name, text)| Effect::Include(name, text)),
        (name(), "[xyz]").prop_map(|(name, text)| Effect::Exclude(name, text)),
    ]
}

/// The condition in words of the row's columns.
fn meaning(condition: &Condition, row: Option<&Row>) -> bool {
    let Some(row) = row else {
        return !matches!(condition, Condition::RowExists | Condition::Equals(..));
    };
    let is = |name: &Column, value: &Value| match value {
        Value::Text(text) => row.text(name) == Some(text.as_ref()),
        Value::Number(number) => row.number(name) == Some(*number),
        Value::Texts(texts) => row.texts(name) == texts,
    };
    match condition {
        Condition::RowAbsent => false,
        Condition::RowExists => true,
        Condition::Equals(name, value) => is(name, value),
        Condition::Missing(name) => !row.columns.contains_key(name),
        Condition::Differs(name, value) => !is(name, value),
    }
}

/// What must be seen in the column afterwards.
fn done(effect: &Effect, before: &Row, after: &Row) -> bool {
    match effect {
        Effect::Set(name, value) => after.columns.get(name) == Some(value),
        Effect::Remove(name) => !after.columns.contains_key(name),
        Effect::Add(name, by) => {
            let now = before.number(name).unwrap_or(0);
            after.number(name) == Some(now.checked_add(*by).unwrap_or(u64::MAX))
        }
        Effect::Include(name, text) => {
            let mut all = before.texts(name).clone();
            all.insert(text.clone());
            *after.texts(name) == all
        }
        Effect::Exclude(name, text) => {
            let mut left = before.texts(name).clone();
            left.remove(text);
            *after.texts(name) == left && after.columns.contains_key(name) == !left.is_empty()
        }
    }
}

proptest! {
    #[test]
    fn s5_every_condition_holds_exactly_when_its_words_are_true(conditions in prop::collection::vec(condition(), 1..4), row in row()) {
        let each = conditions.iter().all(|condition| meaning(condition, row.as_ref()));
        let write = Write::check(RowKey::new("r"), conditions);
        prop_assert_eq!(write.allowed(row.as_ref()), each);
        prop_assert_eq!(write.apply(row.as_ref()), row, "a check writes nothing");
    }

    #[test]
    fn every_effect_of_a_write_is_done_and_no_other_column_is_touched(effects in prop::collection::vec(effect(), 1..4), row in row()) {
        let write = Write::update(RowKey::new("r"), vec![Condition::Missing("z".into())], effects.clone());
        let names: BTreeSet<&Column> = effects.iter().map(Effect::column).collect();
        prop_assert_eq!(Write::why_refused(std::slice::from_ref(&write)).is_none(), names.len() == effects.len());
        prop_assume!(names.len() == effects.len());
        let before = row.clone().unwrap_or_else(|| Row::empty(RowKey::new("r")));
        let after = write.apply(row.as_ref()).unwrap();
        for effect in &effects {
            prop_assert!(done(effect, &before, &after), "{effect:?} of {before:?} gave {after:?}");
        }
        let others = |row: &Row| -> Vec<_> {
            row.columns.iter().filter(|(name, _)| !names.contains(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
        };
        prop_assert_eq!(others(&before), others(&after));
        let empty = |value: &Value| matches!(value, Value::Texts(texts) if texts.is_empty());
        prop_assert!(!after.columns.values().any(empty), "an empty set is an absent column");
    }

    #[test]
    fn a_delete_leaves_nothing(row in row()) {
        prop_assert_eq!(Write::delete(RowKey::new("r"), vec![Condition::RowExists]).apply(row.as_ref()), None);
    }
}
