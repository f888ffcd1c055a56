//! Whether a condition holds for an item. An item that does not exist is an empty one.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::condition::{Comparator, Condition, Operand};
use crate::emulator::value::{AttributeValue, Item, Number};

impl Condition {
    /// Whether this holds for `item`. Never fails: what an item lacks makes a comparison false.
    pub(crate) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.holds(item)),
            Self::Or(any) => any.iter().any(|one| one.holds(item)),
            Self::Not(inner) => !inner.holds(item),
            Self::Compare(comparator, left, right) => compare(*comparator, left, right, item),
            Self::Between(value, low, high) => {
                compare(Comparator::GreaterOrEqual, value, low, item)
                    && compare(Comparator::LessOrEqual, value, high, item)
            }
            Self::In(value, list) => list
                .iter()
                .any(|one| compare(Comparator::Equal, value, one, item)),
            Self::Exists(path) => path.resolve(item).is_some(),
            Self::NotExists(path) => path.resolve(item).is_none(),
            Self::HasType(path, name) => path
                .resolve(item)
                .is_some_and(|value| value.type_name() == name),
            Self::BeginsWith(text, prefix) => both(text, prefix, item, begins_with),
            Self::Contains(whole, part) => both(whole, part, item, contains),
        }
    }
}

impl Operand {
    fn value<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, AttributeValue>> {
        match self {
            Self::Path(path) => path.resolve(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(path) => {
                let size = size(path.resolve(item)?)?;
                Some(Cow::Owned(AttributeValue::N(Number::from(size as u64))))
            }
        }
    }
}

fn both(
    left: &Operand,
    right: &Operand,
    item: &Item,
    test: fn(&AttributeValue, &AttributeValue) -> bool,
) -> bool {
    matches!((left.value(item), right.value(item)), (Some(left), Some(right)) if test(&left, &right))
}

fn compare(comparator: Comparator, left: &Operand, right: &Operand, item: &Item) -> bool {
    let equal = || both(left, right, item, |a, b| a == b);
    let ordered = |accept: fn(Ordering) -> bool| match (left.value(item), right.value(item)) {
        (Some(left), Some(right)) => left.scalar_cmp(&right).is_some_and(accept),
        _ => false,
    };
    match comparator {
        Comparator::Equal => equal(),
        // What is missing is unequal to everything: the service's rule, and what `#o <> :me` relies on.
        Comparator::NotEqual => !equal(),
        Comparator::Less => ordered(Ordering::is_lt),
        Comparator::LessOrEqual => ordered(Ordering::is_le),
        Comparator::Greater => ordered(Ordering::is_gt),
        Comparator::GreaterOrEqual => ordered(Ordering::is_ge),
    }
}

fn begins_with(text: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (text, prefix) {
        (AttributeValue::S(text), AttributeValue::S(prefix)) => text.starts_with(prefix.as_str()),
        (AttributeValue::B(bytes), AttributeValue::B(prefix)) => bytes.starts_with(prefix),
        _ => false,
    }
}

fn contains(whole: &AttributeValue, part: &AttributeValue) -> bool {
    match (whole, part) {
        (AttributeValue::S(text), AttributeValue::S(part)) => text.contains(part.as_str()),
        (AttributeValue::B(bytes), AttributeValue::B(part)) => {
            part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
        }
        (AttributeValue::Ss(set), AttributeValue::S(element)) => set.contains(element),
        (AttributeValue::Ns(set), AttributeValue::N(element)) => set.contains(element),
        (AttributeValue::Bs(set), AttributeValue::B(element)) => set.contains(element),
        (AttributeValue::L(list), element) => list.contains(element),
        _ => false,
    }
}

/// What `size` answers; numbers, truth values and null have none.
fn size(value: &AttributeValue) -> Option<usize> {
    match value {
        AttributeValue::S(text) => Some(text.len()),
        AttributeValue::B(bytes) => Some(bytes.len()),
        AttributeValue::Ss(set) => Some(set.len()),
        AttributeValue::Ns(set) => Some(set.len()),
        AttributeValue::Bs(set) => Some(set.len()),
        AttributeValue::M(map) => Some(map.len()),
        AttributeValue::L(list) => Some(list.len()),
        AttributeValue::N(_) | AttributeValue::Null | AttributeValue::Bool(_) => None,
    }
}
