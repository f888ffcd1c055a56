//! DynamoDB's expression languages: conditions, filters, key conditions, updates and projections.
//!
//! Text becomes tokens (`token`), tokens become a checked tree with names and values already put in (`parser`,
//! `condition`, `update`, ...), and the tree meets an item (`evaluate`, `apply`). Everything that can be refused
//! without looking at an item is refused by the parser, so that evaluation of a condition cannot fail.

mod apply;
mod bindings;
mod condition;
mod evaluate;
mod key_condition;
mod parser;
mod path;
mod projection;
mod reserved;
mod token;
mod update;

pub(crate) use self::bindings::Bindings;
pub(crate) use self::condition::Condition;
pub(crate) use self::key_condition::KeyCondition;
pub(crate) use self::projection::Projection;
pub(crate) use self::update::Update;

/// Which member of the request an expression came from: every message names it, and each has its own grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `ConditionExpression`
    Condition,
    /// `FilterExpression`
    Filter,
    /// `KeyConditionExpression`
    KeyCondition,
    /// `ProjectionExpression`
    Projection,
    /// `UpdateExpression`
    Update,
}

impl Kind {
    /// The request member's name.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
        }
    }
}

#[cfg(test)]
mod tests;
