//! A [`Write`] as DynamoDB expressions, and an item as a [`Row`].
#![expect(
    clippy::disallowed_types,
    reason = "the SDK's maps; walked only to fill an ordered one"
)]

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use shardkeeper_core::row::{Condition, Effect, Row, RowKey, Value, Write};

/// The hash key of the lease table.
pub(super) const KEY: &str = "leaseKey";

/// An item as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// What is sent for one write.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Expression {
    pub(super) condition: Option<String>,
    pub(super) update: Option<String>,
    pub(super) names: Option<HashMap<String, String>>,
    pub(super) values: Option<Item>,
}

impl Expression {
    /// The same write always gives the same text.
    pub(super) fn of(write: &Write) -> Self {
        let mut used = Placeholders::default();
        let conditions: Vec<String> = write
            .conditions
            .iter()
            .map(|condition| used.condition(condition))
            .collect();
        let update = used.update(&write.effects);
        Self {
            condition: (!conditions.is_empty()).then(|| conditions.join(" AND ")),
            update: (!update.is_empty()).then_some(update),
            // DynamoDB refuses empty maps.
            names: (!used.names.is_empty()).then(|| used.names()),
            values: (!used.values.is_empty()).then(|| used.values()),
        }
    }
}

/// The names and values of one write, each under a number. No column name can be a reserved word, and
/// no value can be taken for an expression.
#[derive(Default)]
struct Placeholders {
    names: Vec<String>,
    values: Vec<AttributeValue>,
}

impl Placeholders {
    fn name(&mut self, column: &str) -> String {
        let known = self.names.iter().position(|name| name == column);
        let index = known.unwrap_or_else(|| {
            self.names.push(column.to_owned());
            self.names.len() - 1
        });
        format!("#n{index}")
    }

    fn value(&mut self, value: AttributeValue) -> String {
        self.values.push(value);
        format!(":v{}", self.values.len() - 1)
    }

    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::RowAbsent => format!("attribute_not_exists({})", self.name(KEY)),
            Condition::RowExists => format!("attribute_exists({})", self.name(KEY)),
            Condition::Missing(column) => format!("attribute_not_exists({})", self.name(column)),
            Condition::Equals(column, value) => {
                format!("{} = {}", self.name(column), self.value(attribute(value)))
            }
            Condition::Differs(column, value) => {
                let (name, value) = (self.name(column), self.value(attribute(value)));
                format!("(attribute_not_exists({name}) OR {name} <> {value})")
            }
        }
    }

    fn update(&mut self, effects: &[Effect]) -> String {
        let [mut set, mut remove, mut add, mut delete] = [const { Vec::new() }; 4];
        for effect in effects {
            match effect {
                Effect::Set(column, value) => {
                    set.push(format!(
                        "{} = {}",
                        self.name(column),
                        self.value(attribute(value))
                    ));
                }
                Effect::Remove(column) => remove.push(self.name(column)),
                Effect::Add(column, by) => {
                    let name = self.name(column);
                    let (zero, by) = (self.value(number(0)), self.value(number(*by)));
                    set.push(format!("{name} = if_not_exists({name}, {zero}) + {by}"));
                }
                Effect::Include(column, text) => {
                    add.push(format!(
                        "{} {}",
                        self.name(column),
                        self.value(one_text(text))
                    ));
                }
                Effect::Exclude(column, text) => {
                    delete.push(format!(
                        "{} {}",
                        self.name(column),
                        self.value(one_text(text))
                    ));
                }
            }
        }
        let clauses = [
            ("SET", set),
            ("REMOVE", remove),
            ("ADD", add),
            ("DELETE", delete),
        ];
        let stated = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        stated
            .map(|(verb, parts)| format!("{verb} {}", parts.join(", ")))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn names(&self) -> HashMap<String, String> {
        self.names
            .iter()
            .enumerate()
            .map(|(i, name)| (format!("#n{i}"), name.clone()))
            .collect()
    }

    fn values(&self) -> Item {
        self.values
            .iter()
            .enumerate()
            .map(|(i, value)| (format!(":v{i}"), value.clone()))
            .collect()
    }
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn one_text(text: &str) -> AttributeValue {
    AttributeValue::Ss(vec![text.to_owned()])
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text.to_string()),
        Value::Number(value) => number(*value),
        Value::Texts(texts) => AttributeValue::Ss(texts.iter().cloned().collect()),
    }
}

/// The hash key as an item.
pub(super) fn key(key: &RowKey) -> Item {
    HashMap::from([(KEY.to_owned(), AttributeValue::S(key.as_str().to_owned()))])
}

/// An item as a row; `None` without a hash key. Columns of other types are not shown.
pub(super) fn row(item: Item) -> Option<Row> {
    let mut row = Row::empty(RowKey::new(item.get(KEY)?.as_s().ok()?.as_str()));
    for (column, attribute) in item {
        let value = match attribute {
            AttributeValue::S(text) => text.into(),
            AttributeValue::N(digits) => match digits.parse() {
                Ok(number) => Value::Number(number),
                Err(_) => continue,
            },
            AttributeValue::Ss(texts) => Value::Texts(texts.into_iter().collect()),
            _ => continue,
        };
        if column != KEY {
            row.columns.insert(column.into(), value);
        }
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_reads_as_dynamodb_expressions() {
        let write = Write::update(
            RowKey::new("r"),
            vec![
                Condition::RowExists,
                Condition::Equals("owner".into(), "me".into()),
                Condition::Missing("stopped".into()),
                Condition::Differs("epoch".into(), 7.into()),
            ],
            vec![
                Effect::Set("owner".into(), "you".into()),
                Effect::Add("epoch".into(), 1),
                Effect::Remove("next".into()),
                Effect::Include("children".into(), "a".into()),
                Effect::Exclude("members".into(), "b".into()),
            ],
        );
        let sent = Expression::of(&write);
        let condition = "attribute_exists(#n0) AND #n1 = :v0 AND attribute_not_exists(#n2) \
                         AND (attribute_not_exists(#n3) OR #n3 <> :v1)";
        assert_eq!(sent.condition.as_deref(), Some(condition));
        let update = "SET #n1 = :v2, #n3 = if_not_exists(#n3, :v3) + :v4 REMOVE #n4 ADD #n5 :v5 DELETE #n6 :v6";
        assert_eq!(sent.update.as_deref(), Some(update));
        assert_eq!(sent.names.as_ref().unwrap()["#n0"], KEY);
        assert_eq!(sent.values.as_ref().unwrap()[":v5"], one_text("a"));
    }

    #[test]
    fn a_delete_has_no_update_and_a_row_absent_no_values() {
        let sent = Expression::of(&Write::delete(RowKey::new("r"), vec![Condition::RowAbsent]));
        assert_eq!((sent.update, sent.values), (None, None));
    }

    #[test]
    fn columns_of_foreign_types_are_not_shown_and_an_item_without_a_key_is_no_row() {
        let mut item = key(&RowKey::new("r"));
        item.insert("n".into(), AttributeValue::N("18446744073709551615".into()));
        item.insert("half".into(), AttributeValue::N("0.5".into()));
        item.insert("flag".into(), AttributeValue::Bool(true));
        let row_read = row(item.clone()).unwrap();
        assert_eq!(row_read.number("n"), Some(u64::MAX));
        assert_eq!(row_read.columns.len(), 1);
        item.remove(KEY);
        assert_eq!(row(item), None);
    }
}
