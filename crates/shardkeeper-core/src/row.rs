//! The lease table as values: rows, conditional writes, and what a write does to a row.
//!
//! A [`Write`] says in one value what DynamoDB is asked: which row, under which conditions, with which
//! effects. [`Write::apply`] is its meaning. The AWS adapter translates a write to expressions, the
//! in-memory store applies it, and the contract suite holds both to the same answers; so the protocol
//! (in [`crate::lease`] and [`crate::membership`]) is written down once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The hash key of a row: the attribute `leaseKey`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey(Arc<str>);

impl RowKey {
    /// Names a row.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a column of the lease table.
pub type Column = Cow<'static, str>;

/// The value of a column, of the types that the protocol uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text (`S`).
    Text(Arc<str>),
    /// A whole number (`N`).
    Number(u64),
    /// A set of texts (`SS`); never empty in a row.
    Texts(BTreeSet<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// The columns of a row, by name. Clones share them until one of them is changed: a table is read far more often than it
/// is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns(Arc<BTreeMap<Column, Value>>);

impl Deref for Columns {
    type Target = BTreeMap<Column, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Columns {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl From<BTreeMap<Column, Value>> for Columns {
    fn from(columns: BTreeMap<Column, Value>) -> Self {
        Self(Arc::new(columns))
    }
}

/// One row as it was read. Columns of types that the protocol does not use are not shown here, and
/// are left alone by every write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The hash key.
    pub key: RowKey,
    /// Every other column.
    pub columns: Columns,
}

impl Row {
    /// A row without columns.
    pub fn empty(key: RowKey) -> Self {
        Self {
            key,
            columns: Columns::default(),
        }
    }

    /// The text of a column.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.shared_text(column).map(AsRef::as_ref)
    }

    /// The same, for whoever keeps it.
    pub(crate) fn shared_text(&self, column: &str) -> Option<&Arc<str>> {
        match self.columns.get(column)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of a column.
    pub fn number(&self, column: &str) -> Option<u64> {
        match self.columns.get(column)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The set of a column; an absent column is an empty set.
    pub fn texts(&self, column: &str) -> &BTreeSet<String> {
        set_of(self.columns.get(column))
    }
}

/// What must hold for a write to be applied. All conditions of a write must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The row does not exist.
    RowAbsent,
    /// The row exists.
    RowExists,
    /// The column has exactly this value.
    Equals(Column, Value),
    /// The column is not there.
    Missing(Column),
    /// The column is there and has another value, or is not there.
    Differs(Column, Value),
}

impl Condition {
    fn value(&self) -> Option<&Value> {
        match self {
            Self::Equals(_, value) | Self::Differs(_, value) => Some(value),
            Self::RowAbsent | Self::RowExists | Self::Missing(_) => None,
        }
    }

    /// True when the condition holds of `row`.
    pub fn holds(&self, row: Option<&Row>) -> bool {
        let column = |name: &Column| row.and_then(|row| row.columns.get(name));
        match self {
            Self::RowAbsent => row.is_none(),
            Self::RowExists => row.is_some(),
            Self::Equals(name, value) => column(name) == Some(value),
            Self::Missing(name) => column(name).is_none(),
            Self::Differs(name, value) => column(name) != Some(value),
        }
    }
}

/// What a write does to its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Sets a column.
    Set(Column, Value),
    /// Removes a column.
    Remove(Column),
    /// Adds to a number; an absent column counts as 0.
    Add(Column, u64),
    /// Adds a text to a set.
    Include(Column, String),
    /// Removes a text from a set; the empty set is an absent column.
    Exclude(Column, String),
}

/// What kind of write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Changes or creates the row by its effects.
    Update,
    /// Deletes the row.
    Delete,
    /// Writes nothing, but its conditions must hold for the others of the same transaction.
    Check,
}

/// One conditional write of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The row.
    pub key: RowKey,
    /// Update, delete or check.
    pub verb: Verb,
    /// All must hold; a write without a condition does not exist in the protocol.
    pub conditions: Vec<Condition>,
    /// Empty unless the verb is [`Verb::Update`]. No two effects name one column.
    pub effects: Vec<Effect>,
}

impl Write {
    /// An update.
    pub fn update(key: RowKey, conditions: Vec<Condition>, effects: Vec<Effect>) -> Self {
        Self {
            key,
            verb: Verb::Update,
            conditions,
            effects,
        }
    }

    /// A delete.
    pub fn delete(key: RowKey, conditions: Vec<Condition>) -> Self {
        Self {
            key,
            verb: Verb::Delete,
            conditions,
            effects: Vec::new(),
        }
    }

    /// A condition on a row that a transaction does not write.
    pub fn check(key: RowKey, conditions: Vec<Condition>) -> Self {
        Self {
            key,
            verb: Verb::Check,
            conditions,
            effects: Vec::new(),
        }
    }

    /// Why a store must refuse these writes before it looks at a row; `None` for writes that are well
    /// formed. One place for what DynamoDB would refuse, so that every store refuses the same.
    pub fn why_refused(writes: &[Write]) -> Option<&'static str> {
        if writes.is_empty() || writes.len() > 100 {
            return Some("a write is of 1 to 100 rows");
        }
        let keys: BTreeSet<&RowKey> = writes.iter().map(|write| &write.key).collect();
        if keys.len() != writes.len() {
            return Some("two writes of one transaction name the same row");
        }
        writes.iter().find_map(Write::malformed)
    }

    fn malformed(&self) -> Option<&'static str> {
        let columns: BTreeSet<&Column> = self.effects.iter().map(Effect::column).collect();
        if self.conditions.is_empty() {
            Some("a write without a condition")
        } else if self.effects.is_empty() == (self.verb == Verb::Update) {
            Some("an update needs effects, and nothing else has any")
        } else if columns.len() != self.effects.len() {
            Some("two effects name one column")
        } else if columns.iter().any(|column| column.as_ref() == "leaseKey") {
            Some("the key of a row cannot be changed")
        } else {
            let set = self.effects.iter().filter_map(Effect::value);
            let compared = self.conditions.iter().filter_map(Condition::value);
            let empty = |value: &Value| matches!(value, Value::Texts(texts) if texts.is_empty());
            set.chain(compared)
                .any(empty)
                .then_some("an empty set is an absent column")
        }
    }

    /// True when every condition holds of `row`.
    pub fn allowed(&self, row: Option<&Row>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(row))
    }

    /// The row after this write; `None` when the write deletes it. The caller has checked
    /// [`Write::allowed`].
    pub fn apply(&self, row: Option<&Row>) -> Option<Row> {
        let mut after = row.cloned().unwrap_or_else(|| Row::empty(self.key.clone()));
        match self.verb {
            Verb::Delete => return None,
            Verb::Check => return row.cloned(),
            Verb::Update => {}
        }
        for effect in &self.effects {
            effect.apply(&mut after.columns);
        }
        Some(after)
    }
}

impl Effect {
    fn column(&self) -> &Column {
        match self {
            Self::Set(column, _)
            | Self::Remove(column)
            | Self::Add(column, _)
            | Self::Include(column, _)
            | Self::Exclude(column, _) => column,
        }
    }

    fn value(&self) -> Option<&Value> {
        match self {
            Self::Set(_, value) => Some(value),
            _ => None,
        }
    }

    fn apply(&self, columns: &mut BTreeMap<Column, Value>) {
        match self {
            Self::Set(name, value) => {
                columns.insert(name.clone(), value.clone());
            }
            Self::Remove(name) => {
                columns.remove(name);
            }
            Self::Add(name, by) => {
                let now = match columns.get(name) {
                    Some(Value::Number(number)) => *number,
                    _ => 0,
                };
                columns.insert(name.clone(), Value::Number(now.saturating_add(*by)));
            }
            Self::Include(name, text) => {
                let mut texts = set_of(columns.get(name)).clone();
                texts.insert(text.clone());
                columns.insert(name.clone(), Value::Texts(texts));
            }
            Self::Exclude(name, text) => {
                let mut texts = set_of(columns.get(name)).clone();
                texts.remove(text);
                if texts.is_empty() {
                    columns.remove(name);
                } else {
                    columns.insert(name.clone(), Value::Texts(texts));
                }
            }
        }
    }
}

fn set_of(value: Option<&Value>) -> &BTreeSet<String> {
    static EMPTY: BTreeSet<String> = BTreeSet::new();
    match value {
        Some(Value::Texts(texts)) => texts,
        _ => &EMPTY,
    }
}
