//! `KeyConditionExpression`: one equality on the partition key and at most one condition on the sort key.

use super::condition::{Comparator, Condition, Operand};
use super::{Bindings, Kind};
use crate::emulator::value::{AttributeValue, Invalid, Item};

/// What a `Query` reads: one partition, and a range of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyCondition {
    /// The partition key's value.
    pub(crate) partition: AttributeValue,
    sort: Option<Condition>,
}

impl KeyCondition {
    /// Parses and checks against the table's key attributes: the partition key's name and the sort key's, if any.
    pub(crate) fn parse(
        text: &str,
        bindings: &mut Bindings,
        partition_key: &str,
        sort_key: Option<&str>,
    ) -> Result<Self, Invalid> {
        let parts = match Condition::parse(Kind::KeyCondition, text, bindings)? {
            Condition::And(parts) => parts,
            one => vec![one],
        };
        let mut partition = None;
        let mut sort = None;
        for part in parts {
            let (name, part) = on_key(part)?;
            if name == partition_key {
                let Condition::Compare(Comparator::Equal, _, Operand::Value(value)) = part else {
                    return Err(Invalid::new("Query key condition not supported"));
                };
                if partition.replace(value).is_some() {
                    return Err(one_per_key());
                }
            } else if Some(name.as_str()) == sort_key {
                if sort.replace(part).is_some() {
                    return Err(one_per_key());
                }
            } else {
                let missed = if partition.is_some() {
                    sort_key.unwrap_or(partition_key)
                } else {
                    partition_key
                };
                return Err(missed_key(missed));
            }
        }
        Ok(Self {
            partition: partition.ok_or_else(|| missed_key(partition_key))?,
            sort,
        })
    }

    /// The values the sort key is compared with, for a check of their types.
    pub(crate) fn sort_values(&self) -> Vec<&AttributeValue> {
        let operands = match &self.sort {
            Some(Condition::Compare(_, _, one) | Condition::BeginsWith(_, one)) => vec![one],
            Some(Condition::Between(_, low, high)) => vec![low, high],
            _ => Vec::new(),
        };
        operands
            .into_iter()
            .filter_map(|operand| {
                if let Operand::Value(value) = operand {
                    Some(value)
                } else {
                    None
                }
            })
            .collect()
    }

    /// Whether an item of the partition is in the range.
    pub(crate) fn selects(&self, item: &Item) -> bool {
        self.sort
            .as_ref()
            .is_none_or(|condition| condition.holds(item))
    }
}

/// The key attribute a simple condition is about, and the condition with that attribute on its left side.
fn on_key(condition: Condition) -> Result<(String, Condition), Invalid> {
    let condition = match condition {
        Condition::Compare(comparator, value @ Operand::Value(_), path @ Operand::Path(_)) => {
            Condition::Compare(mirrored(comparator), path, value)
        }
        other => other,
    };
    let operator = match &condition {
        Condition::Compare(Comparator::NotEqual, ..) => "<>",
        Condition::Compare(_, Operand::Path(path), Operand::Value(_))
        | Condition::BeginsWith(Operand::Path(path), Operand::Value(_))
        | Condition::Between(Operand::Path(path), Operand::Value(_), Operand::Value(_)) => {
            if !path.steps.is_empty() {
                return Err(Invalid::new(
                    "Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes",
                ));
            }
            return Ok((path.root.clone(), condition));
        }
        Condition::Or(_) => "OR",
        Condition::Not(_) => "NOT",
        Condition::In(..) => "IN",
        Condition::Exists(_) => "attribute_exists",
        Condition::NotExists(_) => "attribute_not_exists",
        Condition::HasType(..) => "attribute_type",
        Condition::Contains(..) => "contains",
        _ => return Err(Invalid::new("Query key condition not supported")),
    };
    Err(Invalid(format!(
        "Invalid operator used in KeyConditionExpression: {operator}"
    )))
}

fn mirrored(comparator: Comparator) -> Comparator {
    match comparator {
        Comparator::Less => Comparator::Greater,
        Comparator::LessOrEqual => Comparator::GreaterOrEqual,
        Comparator::Greater => Comparator::Less,
        Comparator::GreaterOrEqual => Comparator::LessOrEqual,
        same => same,
    }
}

fn one_per_key() -> Invalid {
    Invalid::new("KeyConditionExpressions must only contain one condition per key")
}

fn missed_key(name: &str) -> Invalid {
    Invalid(format!("Query condition missed key schema element: {name}"))
}
