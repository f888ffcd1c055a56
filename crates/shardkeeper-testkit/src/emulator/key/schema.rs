//! Key schemas: which attributes of an item are its key.

use serde_json::{Value, json};

use super::{KeyValue, PrimaryKey, ScalarType};
use crate::emulator::error::ServiceError;
use crate::emulator::value::Item;

/// The longest partition key, in bytes.
const MAX_HASH_BYTES: usize = 2048;

/// The longest sort key, in bytes.
const MAX_RANGE_BYTES: usize = 1024;

/// One attribute of a key schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyAttribute {
    pub(crate) name: String,
    pub(crate) kind: ScalarType,
}

/// The key schema of a table: a partition key and, for many tables, a sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeySchema {
    pub(crate) hash: KeyAttribute,
    pub(crate) range: Option<KeyAttribute>,
}

impl KeySchema {
    /// The attributes of the key, the partition key first.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.range)
    }

    /// Whether the attribute is part of the key.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The key of an item that is to be written.
    pub(crate) fn key_of(&self, item: &Item) -> Result<PrimaryKey, ServiceError> {
        let hash = key_value(&self.hash, item, MAX_HASH_BYTES)?;
        let range = match &self.range {
            Some(attribute) => Some(key_value(attribute, item, MAX_RANGE_BYTES)?),
            None => None,
        };
        Ok(PrimaryKey::new(hash, range))
    }

    /// The key given as `Key`: exactly the attributes of the schema.
    pub(crate) fn key_from(&self, key: &Item) -> Result<PrimaryKey, ServiceError> {
        let fits = self.attributes().all(|attribute| {
            key.get(&attribute.name)
                .and_then(KeyValue::from_attribute)
                .is_some_and(|value| value.kind() == attribute.kind)
        });
        if !fits || key.len() != self.attributes().count() {
            return Err(ServiceError::validation(
                "The provided key element does not match the schema",
            ));
        }
        self.key_of(key)
    }

    /// The key as attributes.
    pub(crate) fn to_item(&self, key: &PrimaryKey) -> Item {
        let values = std::iter::once(&key.hash).chain(&key.range);
        self.attributes()
            .zip(values)
            .map(|(attribute, value)| (attribute.name.clone(), value.to_attribute()))
            .collect()
    }

    /// As `KeySchema` of an answer.
    pub(crate) fn to_json(&self) -> Value {
        let mut schema = vec![json!({"AttributeName": self.hash.name, "KeyType": "HASH"})];
        if let Some(range) = &self.range {
            schema.push(json!({"AttributeName": range.name, "KeyType": "RANGE"}));
        }
        Value::Array(schema)
    }

    /// As `AttributeDefinitions` of an answer.
    pub(crate) fn definitions_json(&self) -> Value {
        self.attributes()
            .map(|attribute| {
                json!({"AttributeName": attribute.name, "AttributeType": attribute.kind.as_str()})
            })
            .collect()
    }
}

fn key_value(
    attribute: &KeyAttribute,
    item: &Item,
    longest: usize,
) -> Result<KeyValue, ServiceError> {
    let name = &attribute.name;
    let invalid = |why: String| {
        ServiceError::validation(format!("One or more parameter values were invalid: {why}"))
    };
    let given = item
        .get(name)
        .ok_or_else(|| invalid(format!("Missing the key {name} in the item")))?;
    let value = KeyValue::from_attribute(given)
        .filter(|value| value.kind() == attribute.kind)
        .ok_or_else(|| {
            invalid(format!(
                "Type mismatch for key {name} expected: {} actual: {}",
                attribute.kind.as_str(),
                given.type_name()
            ))
        })?;
    match value.len() {
        Some(0) => Err(invalid(format!(
            "The AttributeValue for a key attribute cannot contain an empty {} value. Key: {name}",
            if attribute.kind == ScalarType::Binary {
                "binary"
            } else {
                "string"
            },
        ))),
        Some(length) if length > longest => Err(invalid(format!(
            "Size of the key {name} has exceeded the maximum size limit of {longest} bytes"
        ))),
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::value::{AttributeValue, Number};

    fn schema() -> KeySchema {
        KeySchema {
            hash: KeyAttribute {
                name: "pk".to_owned(),
                kind: ScalarType::String,
            },
            range: Some(KeyAttribute {
                name: "sk".to_owned(),
                kind: ScalarType::Number,
            }),
        }
    }

    fn item(pk: &str, sk: &str) -> Item {
        Item::from([
            ("pk".to_owned(), AttributeValue::S(pk.to_owned())),
            (
                "sk".to_owned(),
                AttributeValue::N(Number::parse(sk).unwrap()),
            ),
        ])
    }

    #[test]
    fn a_key_must_have_exactly_the_attributes_of_the_schema() {
        let schema = schema();
        assert!(schema.key_from(&item("a", "1")).is_ok());
        let mut extra = item("a", "1");
        extra.insert("x".to_owned(), AttributeValue::Null);
        assert!(schema.key_from(&extra).is_err());
        assert!(schema.key_of(&extra).is_ok());
        let mut missing = item("a", "1");
        missing.remove("sk");
        assert!(
            schema
                .key_of(&missing)
                .unwrap_err()
                .message
                .contains("Missing the key sk")
        );
        assert!(
            schema
                .key_of(&item("", "1"))
                .unwrap_err()
                .message
                .contains("empty string")
        );
    }

    #[test]
    fn sort_keys_are_ordered_as_numbers() {
        let schema = schema();
        let key = |sk: &str| schema.key_of(&item("a", sk)).unwrap();
        assert!(key("-3") < key("2") && key("2") < key("10"));
    }
}
