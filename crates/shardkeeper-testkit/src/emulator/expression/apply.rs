//! What an update makes of an item. Everything is computed from the item as it was; nothing sees another clause's work.

use std::collections::BTreeSet;

use super::path::{Container, Path, Step};
use super::update::{SetOperand, SetValue, Update};
use crate::emulator::value::{AttributeValue, Invalid, Item, Number};

impl Update {
    /// The item after the update; `key` is what a new item starts from.
    ///
    /// `None` when there was no item and the update only takes away: the service does not create an item for that.
    pub(crate) fn apply(&self, old: Option<&Item>, key: &Item) -> Result<Option<Item>, Invalid> {
        if old.is_none() && self.sets.is_empty() && self.adds.is_empty() {
            return Ok(None);
        }
        let exists = old.is_some();
        let old = old.unwrap_or(key);
        let mut new = old.clone();
        let mut writes = Vec::new();
        for (path, value) in &self.sets {
            writes.push((path, value.evaluate(old)?));
        }
        for (path, value) in &self.adds {
            writes.push((path, sum_or_union(path.resolve(old), value)?));
        }
        let mut removes = Vec::new();
        for (path, value) in &self.deletes {
            match path
                .resolve(old)
                .map(|held| difference(held, value))
                .transpose()?
            {
                Some(Some(rest)) => writes.push((path, rest)),
                Some(None) => removes.push(path),
                None => {}
            }
        }
        // In path order, so that several elements beyond a list's end are appended by their index.
        writes.sort_by_key(|(path, _)| *path);
        for (path, value) in writes {
            write(&mut new, path, value)?;
        }
        for path in &self.removes {
            // The parent must exist (in an item that exists), the element need not. Only what was there before is
            // removed: an index beyond the end must not hit an element appended just now.
            if exists {
                path.container(&mut old.clone())?;
            }
            if path.resolve(old).is_some() {
                removes.push(path);
            }
        }
        // Backwards, so that list indexes mean positions before any removal.
        removes.sort();
        for path in removes.into_iter().rev() {
            remove(&mut new, path)?;
        }
        Ok(Some(new))
    }
}

impl SetValue {
    fn evaluate(&self, item: &Item) -> Result<AttributeValue, Invalid> {
        let number = |operand: &SetOperand| match operand.evaluate(item)? {
            AttributeValue::N(number) => Ok(number),
            _ => Err(wrong_type()),
        };
        match self {
            Self::Plain(operand) => operand.evaluate(item),
            Self::Sum(left, right) => Ok(AttributeValue::N(number(left)?.add(&number(right)?)?)),
            Self::Difference(left, right) => {
                Ok(AttributeValue::N(number(left)?.subtract(&number(right)?)?))
            }
        }
    }
}

impl SetOperand {
    fn evaluate(&self, item: &Item) -> Result<AttributeValue, Invalid> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => path.resolve(item).cloned().ok_or_else(|| {
                Invalid::new("The provided expression refers to an attribute that does not exist in the item")
            }),
            Self::IfNotExists(path, otherwise) => match path.resolve(item) {
                Some(value) => Ok(value.clone()),
                None => otherwise.evaluate(item),
            },
            Self::ListAppend(first, second) => match (first.evaluate(item)?, second.evaluate(item)?) {
                (AttributeValue::L(mut list), AttributeValue::L(more)) => {
                    list.extend(more);
                    Ok(AttributeValue::L(list))
                }
                _ => Err(wrong_type()),
            },
        }
    }
}

fn sum_or_union(
    held: Option<&AttributeValue>,
    value: &AttributeValue,
) -> Result<AttributeValue, Invalid> {
    Ok(match (held, value) {
        (None, AttributeValue::N(value)) => AttributeValue::N(Number::from(0).add(value)?),
        (None, value) => value.clone(),
        (Some(AttributeValue::N(held)), AttributeValue::N(value)) => {
            AttributeValue::N(held.add(value)?)
        }
        (Some(AttributeValue::Ss(held)), AttributeValue::Ss(value)) => {
            AttributeValue::Ss(held.union(value).cloned().collect())
        }
        (Some(AttributeValue::Ns(held)), AttributeValue::Ns(value)) => {
            AttributeValue::Ns(held.union(value).cloned().collect())
        }
        (Some(AttributeValue::Bs(held)), AttributeValue::Bs(value)) => {
            AttributeValue::Bs(held.union(value).cloned().collect())
        }
        _ => return Err(wrong_type()),
    })
}

/// `None` when nothing is left: DynamoDB has no empty sets, so the attribute goes.
fn difference(
    held: &AttributeValue,
    value: &AttributeValue,
) -> Result<Option<AttributeValue>, Invalid> {
    fn rest<T: Ord + Clone>(
        held: &BTreeSet<T>,
        value: &BTreeSet<T>,
        wrap: fn(BTreeSet<T>) -> AttributeValue,
    ) -> Option<AttributeValue> {
        let rest: BTreeSet<T> = held.difference(value).cloned().collect();
        (!rest.is_empty()).then(|| wrap(rest))
    }
    match (held, value) {
        (AttributeValue::Ss(held), AttributeValue::Ss(value)) => {
            Ok(rest(held, value, AttributeValue::Ss))
        }
        (AttributeValue::Ns(held), AttributeValue::Ns(value)) => {
            Ok(rest(held, value, AttributeValue::Ns))
        }
        (AttributeValue::Bs(held), AttributeValue::Bs(value)) => {
            Ok(rest(held, value, AttributeValue::Bs))
        }
        _ => Err(wrong_type()),
    }
}

fn write(item: &mut Item, path: &Path, value: AttributeValue) -> Result<(), Invalid> {
    match path.container(item)? {
        None => {
            item.insert(path.root.clone(), value);
        }
        Some((Container::Map(map), Step::Member(name))) => {
            map.insert(name.clone(), value);
        }
        Some((Container::List(list), Step::Index(index))) => match list.get_mut(*index) {
            Some(element) => *element = value,
            None => list.push(value),
        },
        Some(_) => {}
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) -> Result<(), Invalid> {
    match path.container(item)? {
        None => {
            item.remove(&path.root);
        }
        Some((Container::Map(map), Step::Member(name))) => {
            map.remove(name);
        }
        Some((Container::List(list), Step::Index(index))) => {
            if *index < list.len() {
                list.remove(*index);
            }
        }
        Some(_) => {}
    }
    Ok(())
}

fn wrong_type() -> Invalid {
    Invalid::new("An operand in the update expression has an incorrect data type")
}
