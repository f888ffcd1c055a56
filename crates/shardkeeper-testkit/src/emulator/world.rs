//! Everything the emulated account contains, and the one door through which items change.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::ServiceError;
use super::item::client_tokens::ClientTokens;
use super::key::PrimaryKey;
use super::meter::Meter;
use super::request::Request;
use super::settings::EmulatorSettings;
use super::stream::record::Change;
use super::stream::{Nature, Stream};
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
    /// The transactions done lately, so that one sent twice is done once.
    pub(crate) client_tokens: ClientTokens,
    /// All streams by ARN, also the disabled ones and those of deleted tables, until they age out.
    pub(crate) streams: BTreeMap<String, Stream>,
    /// How many shards a stream of a table starts with, where it is not what the settings say.
    pub(crate) initial_shards: BTreeMap<String, usize>,
    /// Iterators of an earlier generation have expired.
    pub(crate) iterator_generation: u64,
    pub(crate) describe_stream_calls: Meter,
    pub(crate) list_streams_calls: Meter,
    /// Before this time `advance` has nothing to do.
    next_due: Duration,
}

impl World {
    /// An empty account.
    pub(crate) fn new(settings: EmulatorSettings, seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            dice: fastrand::Rng::with_seed(seed),
            settings,
            tables: BTreeMap::new(),
            client_tokens: ClientTokens::default(),
            streams: BTreeMap::new(),
            initial_shards: BTreeMap::new(),
            iterator_generation: 0,
            describe_stream_calls: Meter::default(),
            list_streams_calls: Meter::default(),
            next_due: Duration::ZERO,
        }
    }

    /// Moves on to `now`, and does what has become due: shards roll over, old shards and streams leave.
    ///
    /// Every request begins with this; nothing happens in between, since nobody could see it.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        if self.now < self.next_due {
            return;
        }
        let retention = self.settings.retention;
        let mut nature = Nature {
            now: self.now,
            dice: &mut self.dice,
            settings: &self.settings,
        };
        for stream in self.streams.values_mut() {
            stream.advance(&mut nature);
        }
        self.streams.retain(|_, stream| {
            stream
                .gone_from(retention)
                .is_none_or(|gone| gone > self.now)
        });
        for table in self.tables.values_mut() {
            let known = |arn: &String| self.streams.contains_key(arn);
            table.latest_stream = table.latest_stream.take().filter(known);
        }
        let due = self
            .streams
            .values()
            .filter_map(|stream| stream.next_due(retention));
        self.next_due = due.min().unwrap_or(Duration::MAX);
    }

    /// Streams or shards changed outside `advance`: it has to look again when something is due.
    pub(crate) fn reschedule(&mut self) {
        self.next_due = Duration::ZERO;
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

    /// The table that the request's `TableName` names, whatever its status.
    pub(crate) fn any_table(&self, request: &Request) -> Result<&Table, ServiceError> {
        let name = table_name(request.string("TableName")?)?;
        self.tables.get(name).ok_or_else(|| {
            ServiceError::resource_not_found(format!(
                "Requested resource not found: Table: {name} not found"
            ))
        })
    }

    /// Replaces the item at `key`, or deletes it, and returns what was there.
    ///
    /// A stream record is written if, and only if, the item is not what it was before.
    pub(crate) fn commit(
        &mut self,
        table: &str,
        key: PrimaryKey,
        new: Option<Item>,
        identity: Option<Identity>,
    ) -> Option<Item> {
        let table = self.tables.get_mut(table)?;
        let stream = table
            .latest_stream
            .as_ref()
            .and_then(|arn| self.streams.get_mut(arn))
            .filter(|stream| stream.takes_records());
        let Some(stream) = stream else {
            return match new {
                Some(item) => table.items.insert(key, item),
                None => table.items.remove(&key),
            };
        };
        let old = table.items.remove(&key);
        if old != new {
            let mut nature = Nature {
                now: self.now,
                dice: &mut self.dice,
                settings: &self.settings,
            };
            let change = Change {
                keys: &stream.key_schema.to_item(&key),
                old: old.as_ref(),
                new: new.as_ref(),
                identity,
            };
            stream.append(&change, key.position(), &mut nature);
        }
        if let Some(item) = new {
            table.items.insert(key, item);
        }
        old
    }
}
