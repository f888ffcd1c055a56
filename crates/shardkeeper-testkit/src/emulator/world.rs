//! Everything the emulated account contains, and the one door through which items change.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::ServiceError;
use super::key::PrimaryKey;
use super::request::Request;
use super::settings::EmulatorSettings;
use super::table::{Table, table_name};
use super::value::Item;

/// Who made a change, when it was not a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The service deleted an item whose time to live had passed.
    TimeToLive,
}

/// The state of the account at `now`.
#[derive(Debug)]
pub(crate) struct World {
    /// Time since the Unix epoch; never goes back, whatever the clock does.
    pub(crate) now: Duration,
    pub(crate) dice: fastrand::Rng,
    pub(crate) settings: EmulatorSettings,
    pub(crate) tables: BTreeMap<String, Table>,
}

impl World {
    /// An empty account.
    pub(crate) fn new(settings: EmulatorSettings, seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            dice: fastrand::Rng::with_seed(seed),
            settings,
            tables: BTreeMap::new(),
        }
    }

    /// The table that the request's `TableName` names, if items of it may be used.
    pub(crate) fn active_table(&self, request: &Request) -> Result<&Table, ServiceError> {
        self.active_table_named(request.string("TableName")?)
    }

    /// The table of this name or ARN, if items of it may be used.
    pub(crate) fn active_table_named(&self, given: &str) -> Result<&Table, ServiceError> {
        self.tables
            .get(table_name(given)?)
            .filter(|table| table.definition.is_active(self.now))
            .ok_or_else(|| ServiceError::resource_not_found("Requested resource not found"))
    }

    /// Replaces the item at `key`, or deletes it, and returns what was there.
    ///
    /// A stream record is written if, and only if, the item is not what it was before.
    pub(crate) fn commit(
        &mut self,
        table: &str,
        key: PrimaryKey,
        new: Option<Item>,
        _identity: Option<Identity>,
    ) -> Option<Item> {
        let table = self.tables.get_mut(table)?;
        match new {
            Some(item) => table.items.insert(key, item),
            None => table.items.remove(&key),
        }
    }
}
