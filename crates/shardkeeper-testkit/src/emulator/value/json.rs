//! DynamoDB's JSON, strict on the way in: one member per value, known types only, sets without duplicates.

use std::collections::BTreeSet;

use aws_smithy_types::base64;
use serde_json::{Map, Value, json};

use super::{AttributeValue, Invalid, Item, MAX_NESTING, Number, too_deep};

impl AttributeValue {
    /// Reads one value.
    pub(crate) fn from_json(value: &Value) -> Result<Self, Invalid> {
        read(value, 0)
    }

    /// Writes one value.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::S(text) => json!({ "S": text }),
            Self::N(number) => json!({ "N": number.to_string() }),
            Self::B(bytes) => json!({ "B": base64::encode(bytes) }),
            Self::Ss(set) => json!({ "SS": set }),
            Self::Ns(set) => json!({ "NS": set.iter().map(Number::to_string).collect::<Vec<_>>() }),
            Self::Bs(set) => json!({ "BS": set.iter().map(base64::encode).collect::<Vec<_>>() }),
            Self::M(map) => json!({ "M": item_to_json(map) }),
            Self::L(list) => json!({ "L": list.iter().map(Self::to_json).collect::<Vec<_>>() }),
            Self::Null => json!({ "NULL": true }),
            Self::Bool(truth) => json!({ "BOOL": truth }),
        }
    }
}

/// Reads an item or a key: an object of values.
pub(crate) fn item_from_json(value: &Value) -> Result<Item, Invalid> {
    read_map(value, 0)
}

/// Writes an item or a key.
pub(crate) fn item_to_json(item: &Item) -> Value {
    Value::Object(
        item.iter()
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect::<Map<_, _>>(),
    )
}

fn read(value: &Value, depth: usize) -> Result<AttributeValue, Invalid> {
    if depth > MAX_NESTING {
        return Err(too_deep());
    }
    let members = value.as_object().ok_or_else(|| {
        Invalid::new("Unexpected value type in payload: an attribute value must be an object")
    })?;
    let mut set = members.iter().filter(|(_, member)| !member.is_null());
    let (kind, member) = set.next().ok_or_else(|| {
        Invalid::new(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        )
    })?;
    if set.next().is_some() {
        return Err(Invalid::new(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ));
    }
    Ok(match kind.as_str() {
        "S" => AttributeValue::S(text(member)?.to_owned()),
        "N" => AttributeValue::N(Number::parse(text(member)?)?),
        "B" => AttributeValue::B(bytes(member)?),
        "SS" => AttributeValue::Ss(read_set(member, "string set", |v| Ok(text(v)?.to_owned()))?),
        "NS" => AttributeValue::Ns(read_set(member, "number set", |v| Number::parse(text(v)?))?),
        "BS" => AttributeValue::Bs(read_set(member, "binary set", bytes)?),
        "M" => AttributeValue::M(read_map(member, depth + 1)?),
        "L" => {
            let list = member
                .as_array()
                .ok_or_else(|| wrong_json("List", member))?;
            AttributeValue::L(
                list.iter()
                    .map(|value| read(value, depth + 1))
                    .collect::<Result<_, _>>()?,
            )
        }
        "NULL" if member == &Value::Bool(true) => AttributeValue::Null,
        "NULL" => {
            return Err(Invalid::new(
                "One or more parameter values were invalid: Null attribute value types must have the value of true",
            ));
        }
        "BOOL" => AttributeValue::Bool(
            member
                .as_bool()
                .ok_or_else(|| wrong_json("Boolean", member))?,
        ),
        unknown => {
            return Err(Invalid(format!(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes; {unknown} is none"
            )));
        }
    })
}

fn read_map(value: &Value, depth: usize) -> Result<Item, Invalid> {
    let members = value.as_object().ok_or_else(|| wrong_json("Map", value))?;
    members
        .iter()
        .map(|(name, member)| {
            // DynamoDB allows an empty name inside a map, never as an attribute's.
            if name.is_empty() && depth == 0 {
                return Err(Invalid::new(
                    "One or more parameter values were invalid: Empty attribute name",
                ));
            }
            Ok((name.clone(), read(member, depth)?))
        })
        .collect()
}

fn read_set<T: Ord>(
    value: &Value,
    what: &str,
    element: impl Fn(&Value) -> Result<T, Invalid>,
) -> Result<BTreeSet<T>, Invalid> {
    let elements = value.as_array().ok_or_else(|| wrong_json("Set", value))?;
    if elements.is_empty() {
        return Err(Invalid(format!(
            "One or more parameter values were invalid: An {what}  may not be empty"
        )));
    }
    let mut set = BTreeSet::new();
    for member in elements {
        if !set.insert(element(member)?) {
            let listed: Vec<&str> = elements.iter().filter_map(Value::as_str).collect();
            return Err(Invalid(format!(
                "One or more parameter values were invalid: Input collection [{}] contains duplicates.",
                listed.join(", ")
            )));
        }
    }
    Ok(set)
}

fn text(value: &Value) -> Result<&str, Invalid> {
    value.as_str().ok_or_else(|| wrong_json("String", value))
}

fn bytes(value: &Value) -> Result<Vec<u8>, Invalid> {
    base64::decode(text(value)?).map_err(|_| Invalid::new("Base64 encoded value is not valid"))
}

fn wrong_json(wanted: &str, got: &Value) -> Invalid {
    let got = match got {
        Value::Null => "NULL_VALUE",
        Value::Bool(_) => "BOOLEAN_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    };
    Invalid(format!("{got} cannot be converted to {wanted}"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn any_number() -> impl Strategy<Value = Number> {
        "-?[0-9]{1,30}(\\.[0-9]{1,8})?"
            .prop_map(|text| Number::parse(&text).expect("within 38 digits"))
    }

    fn any_value() -> impl Strategy<Value = AttributeValue> {
        let leaf = prop_oneof![
            ".*".prop_map(AttributeValue::S),
            any_number().prop_map(AttributeValue::N),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(AttributeValue::B),
            proptest::collection::btree_set(".*", 1..4).prop_map(AttributeValue::Ss),
            proptest::collection::btree_set(any_number(), 1..4).prop_map(AttributeValue::Ns),
            Just(AttributeValue::Null),
            any::<bool>().prop_map(AttributeValue::Bool),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(AttributeValue::L),
                proptest::collection::btree_map("[a-z]{1,4}", inner, 0..5)
                    .prop_map(|map: BTreeMap<_, _>| AttributeValue::M(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            prop_assert_eq!(AttributeValue::from_json(&value.to_json()), Ok(value));
        }
    }

    #[test]
    fn a_value_has_exactly_one_known_type() {
        for bad in [
            json!({}),
            json!({"S": "a", "N": "1"}),
            json!({"X": "a"}),
            json!({"S": 5}),
            json!({"N": 5}),
            json!({"NULL": false}),
            json!({"BOOL": "true"}),
            json!({"B": "***"}),
            json!("a"),
        ] {
            assert!(AttributeValue::from_json(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sets_are_neither_empty_nor_with_duplicates_however_numbers_are_written() {
        for bad in [
            json!({"SS": []}),
            json!({"SS": ["a", "a"]}),
            json!({"NS": ["1", "1.0"]}),
            json!({"BS": ["", ""]}),
        ] {
            assert!(AttributeValue::from_json(&bad).is_err(), "{bad}");
        }
        assert!(AttributeValue::from_json(&json!({"L": []})).is_ok());
        assert!(AttributeValue::from_json(&json!({"S": ""})).is_ok());
    }

    #[test]
    fn nesting_is_bounded_at_32_levels() {
        let nested =
            |levels| (0..levels).fold(json!({"NULL": true}), |inner, _| json!({"L": [inner]}));
        assert!(AttributeValue::from_json(&nested(32)).is_ok());
        assert!(AttributeValue::from_json(&nested(33)).is_err());
    }
}
