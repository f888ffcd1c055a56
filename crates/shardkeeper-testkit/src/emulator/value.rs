//! Items and attribute values as DynamoDB understands them: typed, validated, and measured in DynamoDB's bytes.

mod json;
mod number;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::json::{item_from_json, item_to_json};
pub(crate) use self::number::Number;

/// One item: its attributes by name. Ordered, so that the same run gives the same bytes.
pub(crate) type Item = BTreeMap<String, AttributeValue>;

/// The largest item DynamoDB stores.
pub(crate) const MAX_ITEM_BYTES: usize = 400 * 1024;

/// How deep lists and maps may nest.
pub(crate) const MAX_NESTING: usize = 32;

/// A request DynamoDB would refuse with a `ValidationException`, and the message it would give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid(pub(crate) String);

impl Invalid {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value of one of DynamoDB's ten types. Sets are never empty: the door (`json`) and the update evaluator see to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttributeValue {
    /// A string.
    S(String),
    /// A number, exact to 38 digits.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
    /// A set of strings.
    Ss(BTreeSet<String>),
    /// A set of numbers.
    Ns(BTreeSet<Number>),
    /// A set of byte strings.
    Bs(BTreeSet<Vec<u8>>),
    /// A map.
    M(BTreeMap<String, AttributeValue>),
    /// A list.
    L(Vec<AttributeValue>),
    /// The null value.
    Null,
    /// A truth value.
    Bool(bool),
}

impl AttributeValue {
    /// The type as it is spelled on the wire and in `attribute_type`.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
            Self::M(_) => "M",
            Self::L(_) => "L",
            Self::Null => "NULL",
            Self::Bool(_) => "BOOL",
        }
    }

    /// The type as some of DynamoDB's messages spell it out (`ADD` and `DELETE` of an update).
    pub(crate) fn long_type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "STRING",
            Self::N(_) => "NUMBER",
            Self::B(_) => "BINARY",
            Self::Ss(_) => "STRING_SET",
            Self::Ns(_) => "NUMBER_SET",
            Self::Bs(_) => "BINARY_SET",
            Self::M(_) => "MAP",
            Self::L(_) => "LIST",
            Self::Null => "NULL",
            Self::Bool(_) => "BOOLEAN",
        }
    }

    /// The bytes this value counts for in the 400 KB of an item and the 1 MB of a page.
    pub(crate) fn size(&self) -> usize {
        // A document costs three bytes, and one more per element: AWS's published accounting.
        const DOCUMENT: usize = 3;
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(Number::size).sum(),
            Self::Bs(set) => set.iter().map(Vec::len).sum(),
            Self::M(map) => {
                DOCUMENT
                    + map
                        .iter()
                        .map(|(name, value)| 1 + name.len() + value.size())
                        .sum::<usize>()
            }
            Self::L(list) => DOCUMENT + list.iter().map(|value| 1 + value.size()).sum::<usize>(),
            Self::Null | Self::Bool(_) => 1,
        }
    }

    /// How many levels of lists and maps this value holds; a scalar or a set holds none.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::M(map) => 1 + map.values().map(Self::depth).max().unwrap_or(0),
            Self::L(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The order of two scalars of one type; `None` for everything DynamoDB does not order.
    pub(crate) fn scalar_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::S(a), Self::S(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::N(a), Self::N(b)) => Some(a.cmp(b)),
            (Self::B(a), Self::B(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// The bytes of a whole item, names included.
pub(crate) fn item_size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value.size())
        .sum()
}

/// Refuses an item DynamoDB would not store: too large, or too deep.
pub(crate) fn check_item(item: &Item) -> Result<(), Invalid> {
    if item_size(item) > MAX_ITEM_BYTES {
        return Err(Invalid::new(
            "Item size has exceeded the maximum allowed size",
        ));
    }
    if item.values().any(|value| value.depth() > MAX_NESTING) {
        return Err(too_deep());
    }
    Ok(())
}

fn too_deep() -> Invalid {
    Invalid::new(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list_of_depth(depth: usize) -> AttributeValue {
        (0..depth).fold(AttributeValue::Null, |inner, _| {
            AttributeValue::L(vec![inner])
        })
    }

    #[test]
    fn an_item_is_measured_as_dynamodb_measures_it() {
        let item = Item::from([
            ("pk".to_owned(), AttributeValue::S("abc".to_owned())),
            ("flag".to_owned(), AttributeValue::Bool(true)),
            (
                "list".to_owned(),
                AttributeValue::L(vec![
                    AttributeValue::Null,
                    AttributeValue::S("xy".to_owned()),
                ]),
            ),
        ]);
        assert_eq!(
            item_size(&item),
            (2 + 3) + (4 + 1) + (4 + 3 + (1 + 1) + (1 + 2))
        );
    }

    #[test]
    fn an_item_over_400_kb_is_refused_and_one_of_400_kb_is_not() {
        let of =
            |bytes: usize| Item::from([("k".to_owned(), AttributeValue::S("x".repeat(bytes - 1)))]);
        assert!(check_item(&of(MAX_ITEM_BYTES)).is_ok());
        assert!(check_item(&of(MAX_ITEM_BYTES + 1)).is_err());
    }

    #[test]
    fn an_item_nested_deeper_than_32_levels_is_refused() {
        let of = |depth| Item::from([("k".to_owned(), list_of_depth(depth))]);
        assert!(check_item(&of(32)).is_ok());
        assert!(check_item(&of(33)).is_err());
    }
}
