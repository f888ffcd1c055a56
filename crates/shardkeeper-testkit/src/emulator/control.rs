//! What a test or a demonstration may do to the account that no user of the service can.

use std::time::Duration;

use serde_json::Value;

use super::stream::sequence::Sequence;
use super::stream::shard::Shard;
use super::stream::{Nature, Stream};
use super::world::{Identity, World};
use super::{Emulator, EmulatorSettings};

/// The most children that one split makes.
const MAX_CHILDREN: usize = 1000;

/// There is no such table, it has no stream, or the stream no such open shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the emulator knows no {0}")]
pub struct UnknownTarget(String);

/// What one shard is like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardSnapshot {
    /// The shard's id.
    pub id: String,
    /// The shard that it follows; also when that one has left the stream.
    pub parent: Option<String>,
    /// Whether it still takes records.
    pub open: bool,
    /// How many records it holds.
    pub records: usize,
    /// When it was created, since the Unix epoch.
    pub created: Duration,
    /// `StartingSequenceNumber`.
    pub starting_sequence_number: String,
    /// `EndingSequenceNumber`, once it is closed.
    pub ending_sequence_number: Option<String>,
    /// The sequence number of the newest record that was trimmed.
    pub trimmed: Option<String>,
}

impl Emulator {
    /// Changes the service's constants. Shards that are open keep the time of their roll-over, and
    /// closed ones are not forgotten before the retention under which they were closed.
    pub fn change_settings(&self, change: impl FnOnce(&mut EmulatorSettings)) {
        change(&mut self.state().world.settings);
    }

    /// Streams of `table` that are enabled from now on start with this many shards.
    pub fn set_initial_shards(&self, table: &str, shards: usize) {
        let mut state = self.state();
        state
            .world
            .initial_shards
            .insert(table.to_owned(), shards.max(1));
    }

    /// Closes a shard and follows it with one child. Returns the child's id.
    ///
    /// # Errors
    /// If the newest stream of the table has no such open shard.
    pub fn roll_over(&self, table: &str, shard: &str) -> Result<String, UnknownTarget> {
        let children = self.split(table, shard, 1)?;
        children
            .into_iter()
            .next()
            .ok_or_else(|| unknown("shard", shard))
    }

    /// Closes every open shard and follows each with one child. Returns the ids of the children.
    ///
    /// # Errors
    /// If the table does not exist or has no stream.
    pub fn roll_over_all(&self, table: &str) -> Result<Vec<String>, UnknownTarget> {
        self.change(table, |stream, nature| {
            let open = stream.open_shards();
            let children = open
                .iter()
                .flat_map(|id| stream.follow(id, 1, nature.now, nature));
            Ok(children.collect())
        })
    }

    /// Closes a shard and divides its keys among `children` new ones. Returns their ids.
    ///
    /// # Errors
    /// If the newest stream of the table has no such open shard.
    pub fn split(
        &self,
        table: &str,
        shard: &str,
        children: usize,
    ) -> Result<Vec<String>, UnknownTarget> {
        self.change(table, |stream, nature| {
            let children = children.clamp(1, MAX_CHILDREN);
            match stream.follow(shard, children, nature.now, nature) {
                none if none.is_empty() => Err(unknown("open shard", shard)),
                children => Ok(children),
            }
        })
    }

    /// Removes the oldest records of a shard, up to and including `last`; all of them with `None`.
    /// Returns how many.
    ///
    /// # Errors
    /// If the newest stream of the table has no such shard, or `last` is not a sequence number.
    pub fn trim_shard(
        &self,
        table: &str,
        shard: &str,
        last: Option<&str>,
    ) -> Result<usize, UnknownTarget> {
        self.change(table, |stream, _| {
            let last = match last {
                Some(text) => {
                    Sequence::parse(text).ok_or_else(|| unknown("sequence number", text))?
                }
                None => stream.tip(),
            };
            let shard = stream
                .shards
                .get_mut(shard)
                .ok_or_else(|| unknown("shard", shard))?;
            let before = shard.len();
            shard.trim_through(last);
            Ok(before - shard.len())
        })
    }

    /// Takes a closed shard out of the stream, as its age will do.
    ///
    /// # Errors
    /// If the newest stream of the table has no such closed shard.
    pub fn forget_shard(&self, table: &str, shard: &str) -> Result<(), UnknownTarget> {
        self.change(table, |stream, _| {
            let closed = stream
                .shards
                .get(shard)
                .is_some_and(|shard| shard.closed.is_some());
            if !closed {
                return Err(unknown("closed shard", shard));
            }
            stream.forget(shard);
            Ok(())
        })
    }

    /// Makes every iterator that was handed out so far an expired one.
    pub fn expire_iterators(&self) {
        let mut state = self.state();
        state.world.iterator_generation = state.world.iterator_generation.saturating_add(1);
    }

    /// Deletes the items of `table` whose time to live has passed, as the service does within days.
    /// Returns how many.
    ///
    /// # Errors
    /// If the table does not exist or has no time to live.
    pub fn expire_ttl(&self, table: &str) -> Result<usize, UnknownTarget> {
        let mut state = self.state();
        let world: &mut World = &mut state.world;
        let expired = world
            .expired_items(table)
            .ok_or_else(|| unknown("time to live of", table))?;
        let count = expired.len();
        for key in expired {
            world.commit(table, key, None, Some(Identity::TimeToLive));
        }
        Ok(count)
    }

    /// Switches the newest stream of `table` off, as `UpdateTable` does.
    ///
    /// # Errors
    /// If the table does not exist or has no stream.
    pub fn disable_stream(&self, table: &str) -> Result<(), UnknownTarget> {
        self.change(table, |stream, nature| {
            stream.disable(nature.now, nature.settings);
            Ok(())
        })
    }

    /// The ARN of the newest stream of `table`.
    #[must_use]
    pub fn stream_arn(&self, table: &str) -> Option<String> {
        self.state().world.tables.get(table)?.latest_stream.clone()
    }

    /// The shards of the newest stream of `table`, in the order of their ids, however they are listed.
    ///
    /// # Errors
    /// If the table does not exist or has no stream.
    pub fn shards(&self, table: &str) -> Result<Vec<ShardSnapshot>, UnknownTarget> {
        self.change(table, |stream, nature| {
            let horizon = nature.now.saturating_sub(nature.settings.retention);
            let shards = stream.shards.values_mut().map(|shard| {
                shard.trim_before(horizon);
                snapshot(shard)
            });
            Ok(shards.collect())
        })
    }

    /// One of the operations of the service, as JSON; for setting a scene without a client.
    ///
    /// # Errors
    /// The answer's status and body, if the service refuses.
    pub fn request(&self, operation: &str, body: &Value) -> Result<Value, (u16, Value)> {
        let target = format!("{}.{operation}", super::operations::service_of(operation));
        let response = self.handle(&target, body.to_string().as_bytes());
        let answer = serde_json::from_slice(&response.body).unwrap_or_default();
        match response.status {
            200 => Ok(answer),
            status => Err((status, answer)),
        }
    }

    fn change<T>(
        &self,
        table: &str,
        change: impl FnOnce(&mut Stream, &mut Nature<'_>) -> Result<T, UnknownTarget>,
    ) -> Result<T, UnknownTarget> {
        let mut state = self.state();
        let world = &mut state.world;
        let stream = world
            .tables
            .get(table)
            .and_then(|table| table.latest_stream.as_ref())
            .and_then(|arn| world.streams.get_mut(arn))
            .ok_or_else(|| unknown("stream of table", table))?;
        let mut nature = Nature {
            now: world.now,
            dice: &mut world.dice,
            settings: &world.settings,
        };
        let changed = change(stream, &mut nature);
        world.reschedule();
        changed
    }
}

fn unknown(kind: &str, name: &str) -> UnknownTarget {
    UnknownTarget(format!("{kind} {name}"))
}

fn snapshot(shard: &Shard) -> ShardSnapshot {
    ShardSnapshot {
        id: shard.id.clone(),
        parent: shard.parent.clone(),
        open: shard.closed.is_none(),
        records: shard.len(),
        created: shard.created,
        starting_sequence_number: shard.starting.to_string(),
        ending_sequence_number: shard.closed.map(|closed| closed.ending.to_string()),
        trimmed: shard.trimmed.map(|sequence| sequence.to_string()),
    }
}
