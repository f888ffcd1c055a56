//! One stream of one table: its shards, and how they follow each other.

pub(crate) mod key_range;
pub(crate) mod record;
pub(crate) mod sequence;
pub(crate) mod shard;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use self::key_range::KeyRange;
use self::record::{Change, Origin, StoredRecord, ViewType};
use self::sequence::{Sequence, SequenceCounter};
use self::shard::Shard;
use super::key::KeySchema;
use super::settings::EmulatorSettings;

/// The most that one request catches up with in one stream; the next one goes on.
const MAX_EVENTS_AT_ONCE: usize = 10_000;

/// Shards are not followed faster than this, whatever the settings say.
const MIN_ROLLOVER: Duration = Duration::from_millis(100);

/// A shard id is drawn again when it is taken, so often.
const MAX_ID_ATTEMPTS: usize = 1000;

/// A stream. It belongs to the account, not to the table: it outlives a disabled stream's setting and the table.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) arn: String,
    pub(crate) label: String,
    pub(crate) table: String,
    pub(crate) key_schema: KeySchema,
    pub(crate) view: ViewType,
    pub(crate) requested: Duration,
    /// ENABLING before this time.
    pub(crate) enabled_from: Duration,
    pub(crate) disabled: Option<Disabled>,
    /// In lexical order of their ids, as the service lists them.
    pub(crate) shards: BTreeMap<String, Shard>,
    /// Those that name a parent, by the parent, which may be gone.
    children: BTreeMap<String, BTreeSet<String>>,
    /// The open shards by the first position they own.
    open: BTreeMap<u64, String>,
    /// When to look at which shard: it is to be followed, or to be forgotten.
    agenda: BTreeSet<(Duration, String)>,
    counter: SequenceCounter,
}

/// When a stream was switched off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disabled {
    pub(crate) at: Duration,
    /// DISABLING before this time, DISABLED from it on.
    pub(crate) done: Duration,
}

/// What a new stream is made of.
#[derive(Clone, Debug)]
pub(crate) struct NewStream {
    pub(crate) arn: String,
    pub(crate) label: String,
    pub(crate) table: String,
    pub(crate) key_schema: KeySchema,
    pub(crate) view: ViewType,
    pub(crate) shards: usize,
}

/// What a stream needs of its world: the time, the dice, the settings.
#[derive(Debug)]
pub(crate) struct Nature<'a> {
    pub(crate) now: Duration,
    pub(crate) dice: &'a mut fastrand::Rng,
    pub(crate) settings: &'a EmulatorSettings,
}

impl Stream {
    /// A stream enabled now, with its first shards.
    pub(crate) fn new(new: NewStream, nature: &mut Nature<'_>) -> Self {
        let mut stream = Self {
            arn: new.arn,
            label: new.label,
            table: new.table,
            key_schema: new.key_schema,
            view: new.view,
            requested: nature.now,
            enabled_from: nature
                .now
                .saturating_add(nature.settings.stream_enable_delay),
            disabled: None,
            shards: BTreeMap::new(),
            children: BTreeMap::new(),
            open: BTreeMap::new(),
            agenda: BTreeSet::new(),
            counter: SequenceCounter::new(),
        };
        stream.counter.leap(nature.dice);
        for range in KeyRange::ALL.split(new.shards) {
            stream.open_shard(None, range, nature.now, nature);
        }
        stream
    }

    /// `StreamStatus`.
    pub(crate) fn status(&self, now: Duration) -> &'static str {
        match self.disabled {
            Some(disabled) if disabled.done <= now => "DISABLED",
            Some(_) => "DISABLING",
            None if self.enabled_from <= now => "ENABLED",
            None => "ENABLING",
        }
    }

    /// Whether changes of the table still become records.
    pub(crate) fn takes_records(&self) -> bool {
        self.disabled.is_none()
    }

    /// A position behind every record there is, and before every record to come.
    pub(crate) fn tip(&self) -> Sequence {
        self.counter.last().after()
    }

    /// Writes a record of the change, in the open shard that owns the item's position.
    pub(crate) fn append(&mut self, change: &Change<'_>, position: u64, nature: &mut Nature<'_>) {
        let owner = self.open.range(..=position).next_back();
        let Some(shard) = owner.and_then(|(_, id)| self.shards.get_mut(id)) else {
            return;
        };
        let origin = Origin {
            region: &nature.settings.region,
            event_id: format!("{:032x}", nature.dice.u128(..)),
        };
        let sequence = self.counter.next(nature.dice);
        let record = StoredRecord::render(change, self.view, sequence, nature.now, &origin);
        shard.trim_before(nature.now.saturating_sub(nature.settings.retention));
        shard.append(record);
    }

    /// Closes an open shard; `children` new ones divide its keys. Returns their ids.
    pub(crate) fn follow(
        &mut self,
        shard: &str,
        children: usize,
        at: Duration,
        nature: &mut Nature<'_>,
    ) -> Vec<String> {
        let open = |shard: &&mut Shard| shard.closed.is_none();
        let Some(parent) = self.shards.get_mut(shard).filter(open) else {
            return Vec::new();
        };
        parent.close(at);
        let range = parent.range;
        let gone = at.saturating_add(nature.settings.retention);
        self.agenda.insert((gone, shard.to_owned()));
        self.open.remove(&range.first);
        self.counter.leap(nature.dice);
        range
            .split(children)
            .into_iter()
            .map(|part| self.open_shard(Some(shard.to_owned()), part, at, nature))
            .collect()
    }

    /// Switches the stream off: every shard is closed, what was written stays readable.
    pub(crate) fn disable(&mut self, now: Duration, settings: &EmulatorSettings) {
        if self.disabled.is_some() {
            return;
        }
        self.disabled = Some(Disabled {
            at: now,
            done: now.saturating_add(settings.stream_disable_delay),
        });
        for id in std::mem::take(&mut self.open).into_values() {
            if let Some(shard) = self.shards.get_mut(&id) {
                shard.close(now);
                self.agenda
                    .insert((now.saturating_add(settings.retention), id));
            }
        }
    }

    /// The ids of the open shards, in the order of the keys they own.
    pub(crate) fn open_shards(&self) -> Vec<String> {
        self.open.values().cloned().collect()
    }

    /// The shards behind this one, all or the children of one, in the order of the listing. An unknown one is behind
    /// everything: the service answers an empty list.
    pub(crate) fn listed<'a>(
        &'a self,
        parent: Option<&str>,
        after: Option<&str>,
    ) -> Box<dyn Iterator<Item = &'a Shard> + 'a> {
        if after.is_some_and(|after| !self.shards.contains_key(after)) {
            return Box::new(std::iter::empty());
        }
        let behind = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let Some(parent) = parent else {
            let rest = self.shards.range::<str, _>(behind);
            return Box::new(rest.map(|(_, shard)| shard));
        };
        let children = self.children.get(parent);
        let rest = children.map(|ids| ids.range::<str, _>(behind));
        Box::new(
            rest.into_iter()
                .flatten()
                .filter_map(|id| self.shards.get(id)),
        )
    }

    /// Takes a shard out of the listing.
    pub(crate) fn forget(&mut self, id: &str) {
        let parent = self.shards.remove(id).and_then(|shard| shard.parent);
        if let Some(parent) = parent
            && let Some(children) = self.children.get_mut(&parent)
        {
            children.remove(id);
            if children.is_empty() {
                self.children.remove(&parent);
            }
        }
    }

    /// Does what has become due: follows shards that are old enough, forgets closed ones that aged out.
    pub(crate) fn advance(&mut self, nature: &mut Nature<'_>) {
        let retention = nature.settings.retention;
        // Generations that would have aged out by now leave no trace, so they are not played.
        let oldest = nature.now.saturating_sub(retention);
        for _ in 0..MAX_EVENTS_AT_ONCE {
            if self.agenda.first().is_none_or(|(due, _)| *due > nature.now) {
                break;
            }
            let Some((due, id)) = self.agenda.pop_first() else {
                break;
            };
            // The entry may be older than the shard's state: it was split, or forgotten.
            let Some(shard) = self.shards.get(&id) else {
                continue;
            };
            match shard
                .closed
                .map(|closed| closed.at.saturating_add(retention))
            {
                Some(gone) if gone <= nature.now => self.forget(&id),
                Some(gone) => drop(self.agenda.insert((gone, id))),
                None => drop(self.follow(&id, 1, due.max(oldest), nature)),
            }
        }
    }

    /// When `advance` will next have something to do.
    pub(crate) fn next_due(&self, retention: Duration) -> Option<Duration> {
        let next = self.agenda.first().map(|(due, _)| *due);
        next.into_iter().chain(self.gone_from(retention)).min()
    }

    /// When the stream itself leaves the account.
    pub(crate) fn gone_from(&self, retention: Duration) -> Option<Duration> {
        self.disabled
            .map(|disabled| disabled.at.saturating_add(retention))
    }

    fn open_shard(
        &mut self,
        parent: Option<String>,
        range: KeyRange,
        at: Duration,
        nature: &mut Nature<'_>,
    ) -> String {
        // Ids of one lineage sort by age, as the service's do, also when the clock stands still.
        let after = parent.as_ref().and_then(|parent| self.shards.get(parent));
        let stamp = at
            .as_millis()
            .max(after.map_or(0, |parent| parent.stamp + 1));
        let id = self.fresh_id(stamp, nature.dice);
        let starting = self.counter.next(nature.dice);
        let mut shard = Shard::new(id.clone(), range, at, starting);
        if let Some(parent) = &parent {
            let children = self.children.entry(parent.clone()).or_default();
            children.insert(id.clone());
        }
        shard.parent = parent;
        shard.stamp = stamp;
        if let Some(after) = nature.settings.rollover_after {
            let spread = nature.settings.rollover_spread.mul_f64(nature.dice.f64());
            let due = at
                .saturating_add(after.max(MIN_ROLLOVER))
                .saturating_add(spread);
            self.agenda.insert((due, id.clone()));
        }
        self.open.insert(range.first, id.clone());
        self.shards.insert(id.clone(), shard);
        id
    }

    fn fresh_id(&self, stamp: u128, dice: &mut fastrand::Rng) -> String {
        let mut id = String::new();
        for _ in 0..MAX_ID_ATTEMPTS {
            id = format!("shardId-{stamp:020}-{:08x}", dice.u32(..));
            if !self.shards.contains_key(&id) {
                break;
            }
        }
        id
    }
}
