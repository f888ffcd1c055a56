//! One conditional change of one item: what `PutItem`, `UpdateItem`, `DeleteItem` and a transaction's actions have in common.

use serde_json::Value;

use super::members::returns_old_on_failure;
use crate::emulator::error::ServiceError;
use crate::emulator::expression::{Bindings, Condition, Kind, Projection, Update};
use crate::emulator::key::PrimaryKey;
use crate::emulator::request::Request;
use crate::emulator::value::{Invalid, Item, check_item, item_from_json, item_size, item_to_json};
use crate::emulator::world::World;

/// A change as asked for, checked as far as it can be without looking at the item.
#[derive(Clone, Debug)]
pub(crate) struct Mutation {
    /// The table's plain name.
    pub(crate) table: String,
    /// The item's key.
    pub(crate) key: PrimaryKey,
    action: Action,
    condition: Option<Condition>,
    return_old_on_failure: bool,
}

#[derive(Clone, Debug)]
enum Action {
    Put(Item),
    Update { key: Item, update: Option<Update> },
    Delete,
    Check,
}

/// The item before and after. Nothing is written until [`Change::commit`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) old: Option<Item>,
    pub(crate) new: Option<Item>,
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// The condition does not hold. The item, if the request wants it on failure and there is one.
    ConditionFailed(Option<Value>),
    /// The change does not fit the item.
    Invalid(Invalid),
}

impl Mutation {
    /// `Item` replaces whatever is there.
    pub(crate) fn put(world: &World, request: &Request) -> Result<Self, ServiceError> {
        let item = item_from_json(
            request
                .get("Item")
                .ok_or_else(|| ServiceError::missing("item"))?,
        )?;
        check_item(&item)?;
        let condition = Expressions::read(request, false)?.condition;
        let table = world.active_table(request)?;
        let key = table.definition.key_schema.key_of(&item)?;
        Self::build(
            table.definition.name.clone(),
            key,
            Action::Put(item),
            condition,
            request,
        )
    }

    /// `UpdateExpression` is applied to the item at `Key`; without one, the item is only made sure to exist.
    pub(crate) fn update(world: &World, request: &Request) -> Result<Self, ServiceError> {
        let given = key_item(request)?;
        let Expressions { condition, update } = Expressions::read(request, true)?;
        let table = world.active_table(request)?;
        let schema = &table.definition.key_schema;
        let key = schema.key_from(&given)?;
        for path in update.iter().flat_map(Update::paths) {
            if schema.contains(path.root()) {
                return Err(ServiceError::validation(format!(
                    "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
                    path.root()
                )));
            }
        }
        Self::build(
            table.definition.name.clone(),
            key,
            Action::Update { key: given, update },
            condition,
            request,
        )
    }

    /// The item at `Key` goes.
    pub(crate) fn delete(world: &World, request: &Request) -> Result<Self, ServiceError> {
        Self::by_key(world, request, Action::Delete)
    }

    /// Nothing changes; only the condition counts, so there must be one.
    pub(crate) fn check(world: &World, request: &Request) -> Result<Self, ServiceError> {
        request.string("ConditionExpression")?;
        Self::by_key(world, request, Action::Check)
    }

    fn by_key(world: &World, request: &Request, action: Action) -> Result<Self, ServiceError> {
        let given = key_item(request)?;
        let condition = Expressions::read(request, false)?.condition;
        let table = world.active_table(request)?;
        let key = table.definition.key_schema.key_from(&given)?;
        Self::build(
            table.definition.name.clone(),
            key,
            action,
            condition,
            request,
        )
    }

    fn build(
        table: String,
        key: PrimaryKey,
        action: Action,
        condition: Option<Condition>,
        request: &Request,
    ) -> Result<Self, ServiceError> {
        Ok(Self {
            table,
            key,
            action,
            condition,
            return_old_on_failure: returns_old_on_failure(request)?,
        })
    }

    /// Holds the change against the item as it is now.
    pub(crate) fn plan(&self, world: &World) -> Result<Change, Refusal> {
        let old = world
            .tables
            .get(&self.table)
            .and_then(|table| table.items.get(&self.key));
        let absent = Item::new();
        if let Some(condition) = &self.condition
            && !condition.holds(old.unwrap_or(&absent))
        {
            let returned = if self.return_old_on_failure {
                old.map(item_to_json)
            } else {
                None
            };
            return Err(Refusal::ConditionFailed(returned));
        }
        let new = match &self.action {
            Action::Put(item) => Some(item.clone()),
            Action::Update { key, update: None } => Some(old.unwrap_or(key).clone()),
            Action::Update {
                key,
                update: Some(update),
            } => {
                let new = update.apply(old, key).map_err(Refusal::Invalid)?;
                if new.as_ref().is_some_and(|item| check_item(item).is_err()) {
                    return Err(Refusal::Invalid(Invalid::new(
                        "Item size to update has exceeded the maximum allowed size",
                    )));
                }
                new
            }
            Action::Delete => None,
            Action::Check => old.cloned(),
        };
        Ok(Change {
            old: old.cloned(),
            new,
        })
    }

    /// Plans and commits: the whole of a single-item write.
    pub(crate) fn perform(self, world: &mut World) -> Result<Change, ServiceError> {
        let change = self.plan(world)?;
        self.commit(world, &change);
        Ok(change)
    }

    /// Makes a planned change. A condition check changes nothing.
    pub(crate) fn commit(self, world: &mut World, change: &Change) {
        if !matches!(self.action, Action::Check) {
            world.commit(&self.table, self.key, change.new.clone(), None);
        }
    }

    /// The parts of `item` that an update touches: `UPDATED_OLD` and `UPDATED_NEW`.
    pub(crate) fn updated_parts(&self, item: &Item) -> Item {
        match &self.action {
            Action::Update {
                update: Some(update),
                ..
            } => Projection::of(&update.paths()).apply(item),
            _ => Item::new(),
        }
    }
}

impl Change {
    /// The larger of both sizes: what a write is charged for.
    pub(crate) fn size(&self) -> usize {
        let size = |item: &Option<Item>| item.as_ref().map_or(0, item_size);
        size(&self.old).max(size(&self.new))
    }
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ConditionFailed(item) => Self::conditional_check_failed(item),
            Refusal::Invalid(invalid) => invalid.into(),
        }
    }
}

/// The member `Key` as attributes.
pub(crate) fn key_item(request: &Request) -> Result<Item, ServiceError> {
    Ok(item_from_json(
        request
            .get("Key")
            .ok_or_else(|| ServiceError::missing("key"))?,
    )?)
}

struct Expressions {
    condition: Option<Condition>,
    update: Option<Update>,
}

impl Expressions {
    fn read(request: &Request, updates: bool) -> Result<Self, ServiceError> {
        let mut bindings = Bindings::from_json(
            request.get("ExpressionAttributeNames"),
            request.get("ExpressionAttributeValues"),
        )?;
        let mut known = Vec::new();
        let mut update = None;
        if updates {
            let text = request.optional_string("UpdateExpression")?;
            known.push((Kind::Update, text.is_some()));
            update = text
                .map(|text| Update::parse(text, &mut bindings))
                .transpose()?;
        }
        let text = request.optional_string("ConditionExpression")?;
        known.push((Kind::Condition, text.is_some()));
        let condition = text
            .map(|text| Condition::parse(Kind::Condition, text, &mut bindings))
            .transpose()?;
        bindings.finish(&known)?;
        Ok(Self { condition, update })
    }
}
