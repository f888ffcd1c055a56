//! Document paths: `a.b[3].c`.

use std::fmt;

use crate::emulator::value::{AttributeValue, Invalid, Item};

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// `.name`
    Member(String),
    /// `[index]`
    Index(usize),
}

/// A path from an item's attribute inwards. Ordered so that sibling list elements sort by index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(super) root: String,
    pub(super) steps: Vec<Step>,
}

impl Path {
    /// The attribute of the item this path starts from.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The value the path leads to, if the item has it.
    pub(super) fn resolve<'a>(&self, item: &'a Item) -> Option<&'a AttributeValue> {
        self.steps
            .iter()
            .try_fold(item.get(&self.root)?, |value, step| match (value, step) {
                (AttributeValue::M(map), Step::Member(name)) => map.get(name),
                (AttributeValue::L(list), Step::Index(index)) => list.get(*index),
                _ => None,
            })
    }

    /// Where in `item` the path's last step would be taken: the innermost container, which must exist and be of the
    /// kind the step asks for. `None` for a top-level path.
    pub(super) fn container<'a>(
        &self,
        item: &'a mut Item,
    ) -> Result<Option<(Container<'a>, &Step)>, Invalid> {
        let Some((last, parents)) = self.steps.split_last() else {
            return Ok(None);
        };
        let mut value = item.get_mut(&self.root).ok_or_else(not_updatable)?;
        for step in parents {
            value = match (value, step) {
                (AttributeValue::M(map), Step::Member(name)) => map.get_mut(name),
                (AttributeValue::L(list), Step::Index(index)) => list.get_mut(*index),
                _ => None,
            }
            .ok_or_else(not_updatable)?;
        }
        match (value, last) {
            (AttributeValue::M(map), Step::Member(_)) => Ok(Some((Container::Map(map), last))),
            (AttributeValue::L(list), Step::Index(_)) => Ok(Some((Container::List(list), last))),
            _ => Err(not_updatable()),
        }
    }
}

/// What a path's last step goes into.
pub(super) enum Container<'a> {
    Map(&'a mut Item),
    List(&'a mut Vec<AttributeValue>),
}

/// As DynamoDB prints paths: `[a, b, [3]]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.root)?;
        for step in &self.steps {
            match step {
                Step::Member(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// Refuses two paths of which one contains the other, or which disagree whether a parent is a map or a list.
pub(super) fn check_disjoint(member: &str, paths: &[&Path]) -> Result<(), Invalid> {
    for (index, one) in paths.iter().enumerate() {
        for two in &paths[..index] {
            if let Some(clash) = clash(two, one) {
                return Err(Invalid(format!(
                    "Invalid {member}: Two document paths {clash} with each other; must remove or rewrite one of these \
                     paths; path one: {two}, path two: {one}"
                )));
            }
        }
    }
    Ok(())
}

fn clash(one: &Path, two: &Path) -> Option<&'static str> {
    if one.root != two.root {
        return None;
    }
    match one.steps.iter().zip(&two.steps).find(|(a, b)| a != b) {
        None => Some("overlap"),
        Some((Step::Member(_), Step::Member(_)) | (Step::Index(_), Step::Index(_))) => None,
        Some(_) => Some("conflict"),
    }
}

fn not_updatable() -> Invalid {
    Invalid::new("The document path provided in the update expression is invalid for update")
}
