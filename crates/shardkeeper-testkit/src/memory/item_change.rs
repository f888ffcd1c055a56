//! Changes of items, as records tell of them.

use std::fmt;

use serde_json::{Value, json};
use shardkeeper_core::ids::SequenceNumber;

/// What happened to an item, with keys and images as DynamoDB JSON: `{"id": {"S": "a"}}`.
#[derive(Clone, PartialEq)]
pub struct ItemChange {
    keys: Value,
    old: Option<Value>,
    new: Option<Value>,
    /// In seconds, as the service tells it.
    at: Option<u64>,
}

impl ItemChange {
    /// The item is new.
    #[must_use]
    pub fn insert(keys: Value, new: Value) -> Self {
        Self {
            keys,
            old: None,
            new: Some(new),
            at: None,
        }
    }

    /// The item was changed.
    #[must_use]
    pub fn modify(keys: Value, old: Value, new: Value) -> Self {
        Self {
            keys,
            old: Some(old),
            new: Some(new),
            at: None,
        }
    }

    /// The item was deleted.
    #[must_use]
    pub fn remove(keys: Value, old: Value) -> Self {
        Self {
            keys,
            old: Some(old),
            new: None,
            at: None,
        }
    }

    /// When it was made, in seconds since 1970: the service tells no fractions.
    #[must_use]
    pub fn at(mut self, seconds: u64) -> Self {
        self.at = Some(seconds);
        self
    }

    /// The item's key, as text.
    pub(crate) fn key(&self) -> String {
        self.keys.to_string()
    }

    fn name(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        }
    }

    pub(super) fn wire(&self, sequence_number: SequenceNumber) -> Value {
        let mut change = json!({
            "Keys": self.keys, "SequenceNumber": sequence_number.as_str(),
            "SizeBytes": self.keys.to_string().len(), "StreamViewType": "NEW_AND_OLD_IMAGES",
        });
        if let Some(at) = self.at {
            change["ApproximateCreationDateTime"] = at.into();
        }
        for (member, image) in [("OldImage", &self.old), ("NewImage", &self.new)] {
            if let Some(image) = image {
                change[member] = image.clone();
            }
        }
        json!({
            "eventID": format!("memory-{sequence_number}"), "eventName": self.name(),
            "eventSource": "aws:dynamodb", "eventVersion": "1.1", "dynamodb": change,
        })
    }
}

impl fmt::Debug for ItemChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ItemChange").field(&self.name()).finish()
    }
}
