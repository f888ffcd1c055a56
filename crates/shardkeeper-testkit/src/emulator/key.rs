//! Primary keys: how items are ordered and placed.

mod schema;

use std::cmp::Ordering;

pub(crate) use self::schema::{KeyAttribute, KeySchema};
use super::value::{AttributeValue, Number};

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
    /// The key value that an attribute is, if it is of a type that a key may have.
    pub(crate) fn from_attribute(value: &AttributeValue) -> Option<Self> {
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

    /// Its type.
    pub(crate) fn kind(&self) -> ScalarType {
        match self {
            Self::String(_) => ScalarType::String,
            Self::Number(_) => ScalarType::Number,
            Self::Binary(_) => ScalarType::Binary,
        }
    }

    /// Its length in bytes; numbers have none.
    pub(crate) fn len(&self) -> Option<usize> {
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

    #[test]
    fn partition_keys_spread_over_the_ring() {
        let quarters: std::collections::BTreeSet<u64> = (0..64)
            .map(|n| position_of(&KeyValue::String(format!("k{n}"))) >> 62)
            .collect();
        assert_eq!(quarters.len(), 4);
    }
}
