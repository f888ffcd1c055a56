//! Which items have outlived themselves.

use super::key::PrimaryKey;
use super::value::{AttributeValue, Item, Number};
use super::world::World;

/// In seconds, without leap days.
const FIVE_YEARS: u64 = 5 * 365 * 24 * 3600;

impl World {
    /// The keys of the items of a table whose time to live has passed; `None` if it has none enabled.
    pub(crate) fn expired_items(&self, table: &str) -> Option<Vec<PrimaryKey>> {
        let table = self.tables.get(table)?;
        let attribute = table.definition.ttl_attribute.as_ref()?;
        let now = Number::from(self.now.as_secs());
        // The service leaves items alone whose time lies more than five years back.
        let ancient = Number::from(self.now.as_secs().saturating_sub(FIVE_YEARS));
        let expired = |item: &Item| match item.get(attribute) {
            Some(AttributeValue::N(time)) => *time < now && *time > ancient,
            _ => false,
        };
        let keys = table.items.iter().filter(|(_, item)| expired(item));
        Some(keys.map(|(key, _)| key.clone()).collect())
    }
}
