//! `ProjectionExpression`: the parts of an item that an answer holds. `UPDATED_OLD` and `UPDATED_NEW` cut the same way.

use std::collections::BTreeMap;

use super::parser::Parser;
use super::path::{Path, Step, check_disjoint};
use super::{Bindings, Kind};
use crate::emulator::value::{AttributeValue, Invalid, Item};

/// The paths to keep, merged into one tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Projection {
    attributes: BTreeMap<String, Kept>,
}

/// How much of a value is kept.
#[derive(Clone, Debug, PartialEq)]
enum Kept {
    All,
    Members(BTreeMap<String, Kept>),
    Elements(BTreeMap<usize, Kept>),
}

impl Projection {
    /// Parses a `ProjectionExpression`.
    pub(crate) fn parse(text: &str, bindings: &mut Bindings) -> Result<Self, Invalid> {
        let mut parser = Parser::new(Kind::Projection, text, bindings)?;
        let mut paths = vec![parser.path()?];
        while parser.accept_symbol(",") {
            paths.push(parser.path()?);
        }
        parser.end()?;
        let paths: Vec<&Path> = paths.iter().collect();
        check_disjoint(Kind::Projection.member(), &paths)?;
        Ok(Self::of(&paths))
    }

    /// Keeps exactly `paths`, which must not overlap or conflict.
    pub(crate) fn of(paths: &[&Path]) -> Self {
        let mut attributes = BTreeMap::new();
        for path in paths {
            let seen = attributes.remove(&path.root);
            attributes.insert(path.root.clone(), merged(seen, &path.steps));
        }
        Self { attributes }
    }

    /// The kept parts of `item`; a document of which nothing is found is left out.
    pub(crate) fn apply(&self, item: &Item) -> Item {
        self.attributes
            .iter()
            .filter_map(|(name, kept)| Some((name.clone(), cut(item.get(name)?, kept)?)))
            .collect()
    }
}

fn merged(seen: Option<Kept>, steps: &[Step]) -> Kept {
    match (steps.split_first(), seen) {
        (None, _) => Kept::All,
        (Some((Step::Member(name), rest)), seen) => {
            let mut members = if let Some(Kept::Members(members)) = seen {
                members
            } else {
                BTreeMap::new()
            };
            let inner = members.remove(name);
            members.insert(name.clone(), merged(inner, rest));
            Kept::Members(members)
        }
        (Some((Step::Index(index), rest)), seen) => {
            let mut elements = if let Some(Kept::Elements(elements)) = seen {
                elements
            } else {
                BTreeMap::new()
            };
            let inner = elements.remove(index);
            elements.insert(*index, merged(inner, rest));
            Kept::Elements(elements)
        }
    }
}

fn cut(value: &AttributeValue, kept: &Kept) -> Option<AttributeValue> {
    match (kept, value) {
        (Kept::All, value) => Some(value.clone()),
        (Kept::Members(members), AttributeValue::M(map)) => {
            let cut: Item = members
                .iter()
                .filter_map(|(name, kept)| Some((name.clone(), cut(map.get(name)?, kept)?)))
                .collect();
            (!cut.is_empty()).then_some(AttributeValue::M(cut))
        }
        (Kept::Elements(elements), AttributeValue::L(list)) => {
            let cut: Vec<_> = elements
                .iter()
                .filter_map(|(index, kept)| cut(list.get(*index)?, kept))
                .collect();
            (!cut.is_empty()).then_some(AttributeValue::L(cut))
        }
        _ => None,
    }
}
