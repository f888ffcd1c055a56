//! What happens to the items of the table, in order.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::memory::ItemChange;

/// Changes of items, as a table with a stream of new and old images tells of them.
///
/// ```
/// use shardkeeper_testkit::world::Changes;
///
/// #[derive(serde::Serialize)]
/// struct Order<'a> {
///     id: &'a str,
///     total: u64,
/// }
///
/// let changes = Changes::keyed_by("id")
///     .put(&Order { id: "a", total: 5 })?
///     .put(&Order { id: "a", total: 7 })? // the same id: the order was changed
///     .delete(&"a")?;
/// assert_eq!(changes.len(), 3);
/// # Ok::<(), shardkeeper_testkit::world::NoItem>(())
/// ```
#[derive(Debug, Clone)]
pub struct Changes {
    key: String,
    changes: Vec<ItemChange>,
    /// The table as it is after them: images by key.
    table: BTreeMap<String, Value>,
}

/// This is no item: it cannot be encoded, or lacks the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no item of the table: {0}")]
pub struct NoItem(String);

impl Changes {
    /// No changes yet, of items whose key is this attribute.
    pub fn keyed_by(attribute: impl Into<String>) -> Self {
        Self {
            key: attribute.into(),
            changes: Vec::new(),
            table: BTreeMap::new(),
        }
    }

    /// So many changes of so many items in turn, `{"id": "item-3", "version": 5}`. Each seventh deletes.
    pub fn of_items(changes: usize, items: usize) -> Self {
        let mut all = Self::keyed_by("id");
        for number in 0..changes {
            let id = format!("item-{}", number % items.max(1));
            let key = json!({"id": {"S": id}});
            if number % 7 == 6 {
                all.remove(key);
            } else {
                let version = number.to_string();
                all.set(key, json!({"id": {"S": id}, "version": {"N": version}}));
            }
        }
        all
    }

    /// Writes an item: anything that serde can make an item of. It is new, or changed when its key was written before.
    ///
    /// # Errors
    /// When it is no item or lacks the key.
    pub fn put(mut self, item: &impl Serialize) -> Result<Self, NoItem> {
        let no_item = |why: String| NoItem(why);
        let item: serde_dynamo::Item =
            serde_dynamo::to_item(item).map_err(|why| no_item(why.to_string()))?;
        let image = serde_json::to_value(item).map_err(|why| no_item(why.to_string()))?;
        let value = image.get(&self.key).cloned();
        let value = value.ok_or_else(|| no_item(format!("there is no {}", self.key)))?;
        let key = json!({ self.key.clone(): value });
        self.set(key, image);
        Ok(self)
    }

    /// Deletes the item with this value of the key. Nothing happens when there is none, as in DynamoDB.
    ///
    /// # Errors
    /// When the value cannot be encoded.
    pub fn delete(mut self, key: &impl Serialize) -> Result<Self, NoItem> {
        let value: serde_dynamo::AttributeValue =
            serde_dynamo::to_attribute_value(key).map_err(|why| NoItem(why.to_string()))?;
        let value = serde_json::to_value(value).map_err(|why| NoItem(why.to_string()))?;
        self.remove(json!({ self.key.clone(): value }));
        Ok(self)
    }

    /// Adds changes that were made by hand, whatever the table has.
    #[must_use]
    pub fn with(mut self, changes: impl IntoIterator<Item = ItemChange>) -> Self {
        self.changes.extend(changes);
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<ItemChange> {
        self.changes
    }

    fn set(&mut self, key: Value, image: Value) {
        let change = match self.table.insert(key.to_string(), image.clone()) {
            // DynamoDB writes no record when nothing has changed.
            Some(old) if old == image => return,
            Some(old) => ItemChange::modify(key, old, image),
            None => ItemChange::insert(key, image),
        };
        self.changes.push(change);
    }

    fn remove(&mut self, key: Value) {
        if let Some(old) = self.table.remove(&key.to_string()) {
            self.changes.push(ItemChange::remove(key, old));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_without_the_key_is_no_item() {
        let why = Changes::keyed_by("id").put(&BTreeMap::from([("total", 5)]));
        assert!(why.unwrap_err().to_string().contains("there is no id"));
    }

    #[test]
    fn what_changes_nothing_is_no_change() {
        let item = BTreeMap::from([("id", "a")]);
        let changes = Changes::keyed_by("id").put(&item).unwrap();
        let changes = changes.put(&item).unwrap().delete(&"b").unwrap();
        assert_eq!(changes.len(), 1);
    }
}
