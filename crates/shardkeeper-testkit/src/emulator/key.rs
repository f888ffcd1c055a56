//! Primary keys: how a table names, orders and places its items.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::error::ServiceError;
use super::value::{AttributeValue, Item, Number};

/// The longest partition key, in bytes.
const MAX_HASH_BYTES: usize = 2048;

/// The longest sort key, in bytes.
const MAX_RANGE_BYTES: usize = 1024;

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarType {
    /// `S`
    String,
    /// `N`
    Number,
    /// `B`
    Binary,
}

impl ScalarType {
    /// Reads `S`, `N` or `B`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "S" => Some(Self::String),
            "N" => Some(Self::Number),
            "B" => Some(Self::Binary),
            _ => None,
        }
    }

    /// As the service writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
            Self::Binary => "B",
        }
    }
}

/// One attribute of a key schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyAttribute {
    pub(crate) name: String,
    pub(crate) kind: ScalarType,
}

/// The value of one key attribute; ordered as DynamoDB orders sort keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyValue {
    /// A number, in numeric order.
    Number(Number),
    /// A string, in the order of its UTF-8 bytes.
    String(String),
    /// Bytes, in unsigned order.
    Binary(Vec<u8>),
}

impl KeyValue {
    fn from_attribute(value: &AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::S(text) => Some(Self::String(text.clone())),
            AttributeValue::N(number) => Some(Self::Number(number.clone())),
            AttributeValue::B(bytes) => Some(Self::Binary(bytes.clone())),
            _ => None,
        }
    }

    /// The attribute that this value is.
    pub(crate) fn to_attribute(&self) -> AttributeValue {
        match self {
            Self::String(text) => AttributeValue::S(text.clone()),
            Self::Number(number) => AttributeValue::N(number.clone()),
            Self::Binary(bytes) => AttributeValue::B(bytes.clone()),
        }
    }

    fn kind(&self) -> ScalarType {
        match self {
            Self::String(_) => ScalarType::String,
            Self::Number(_) => ScalarType::Number,
            Self::Binary(_) => ScalarType::Binary,
        }
    }

    fn len(&self) -> Option<usize> {
        match self {
            Self::String(text) => Some(text.len()),
            Self::Binary(bytes) => Some(bytes.len()),
            Self::Number(_) => None,
        }
    }
}

/// The primary key of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrimaryKey {
    pub(crate) hash: KeyValue,
    pub(crate) range: Option<KeyValue>,
    /// Where the item lives: the partition key, hashed.
    position: u64,
}

impl PrimaryKey {
    /// The key with these values.
    pub(crate) fn new(hash: KeyValue, range: Option<KeyValue>) -> Self {
        let position = position_of(&hash);
        Self {
            hash,
            range,
            position,
        }
    }

    /// The place of the item on the ring of partition keys; shards own ranges of it.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }
}

/// A scan meets partition keys in the order of their hash, and the items of one key in the order of
/// the sort key, as the service does.
impl Ord for PrimaryKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.position
            .cmp(&other.position)
            .then_with(|| self.hash.cmp(&other.hash))
            .then_with(|| self.range.cmp(&other.range))
    }
}

impl PartialOrd for PrimaryKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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

/// A stable hash: the same key lands on the same shard in every run, on every machine and release.
fn position_of(hash: &KeyValue) -> u64 {
    let number;
    let (tag, bytes): (u8, &[u8]) = match hash {
        KeyValue::String(text) => (1, text.as_bytes()),
        KeyValue::Number(value) => {
            number = value.to_string();
            (2, number.as_bytes())
        }
        KeyValue::Binary(bytes) => (3, bytes),
    };
    // FNV-1a, then the finisher of SplitMix64: FNV alone leaves the high bits of short keys alike,
    // and shards own ranges of the high bits.
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(&tag).chain(bytes) {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn partition_keys_spread_over_the_ring() {
        let quarters: std::collections::BTreeSet<u64> = (0..64)
            .map(|n| position_of(&KeyValue::String(format!("k{n}"))) >> 62)
            .collect();
        assert_eq!(quarters.len(), 4);
    }
}
