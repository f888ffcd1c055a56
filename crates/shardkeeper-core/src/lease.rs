//! Leases: who may read a shard, and how far it has been processed.
//!
//! Three kinds of truth have three types. [`Lease`] is exactly the row. [`Sighting`] is what this
//! worker believes of it, on its own clock. [`Held`] is the proof of ownership that every write of an
//! owner demands.
//!
//! The functions here build the protocol's conditional writes (docs/PROTOCOL.md). `epoch` answers
//! "whose is it?" and is the fencing token; `version` (KCL's `leaseCounter`) grows with every write of
//! an owner or taker; `writeId` names one attempt, so that an unanswered write can be recognised.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::checkpoint::{Checkpoint, Timestamp};
use crate::ids::{SequenceNumber, ShardId, StreamArn, WorkerId};
use crate::planted;
use crate::row::{Condition, Effect, Row, RowKey, Value, Write};

/// Column names. The first block is KCL's, with KCL's meanings.
pub mod column {
    #![allow(missing_docs, reason = "each constant is the name it spells")]
    pub const OWNER: &str = "leaseOwner";
    pub const VERSION: &str = "leaseCounter";
    pub const CHECKPOINT: &str = "checkpoint";
    pub const CHECKPOINT_SUB: &str = "checkpointSubSequenceNumber";
    pub const SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
    pub const PARENTS: &str = "parentShardId";
    pub const CHILDREN: &str = "childShardIds";
    pub const SHARD: &str = "shardId";
    pub const ENTITY: &str = "entityType";

    pub const STREAM_ARN: &str = "streamArn";
    pub const EPOCH: &str = "epoch";
    pub const WRITE_ID: &str = "writeId";
    pub const NEXT_OWNER: &str = "nextOwner";
    pub const REQUEST_ID: &str = "requestId";
    pub const START_AT: &str = "startAtMillis";
    pub const STOPPED_WHY: &str = "stoppedWhy";
    pub const STOPPED_BY: &str = "stoppedBy";
    pub const STOPPED_AT: &str = "stoppedAtMillis";
}

/// `entityType` of a lease row; KCL writes the same.
pub const LEASE_ENTITY: &str = "LEASE";

/// The longest reason that a stopped lease stores, in characters.
const MAX_REASON: usize = 500;

/// A lease row, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The hash key of the row.
    pub key: RowKey,
    /// The stream that the shard belongs to.
    pub stream: StreamArn,
    /// The shard.
    pub shard: ShardId,
    /// The incarnation that owns the lease, if any.
    pub owner: Option<WorkerId>,
    /// The fencing token: +1 at every change of ownership.
    pub epoch: u64,
    /// Grows with every write by an owner or a taker.
    pub version: u64,
    /// The attempt that wrote the row last.
    pub write_id: Option<String>,
    /// How far the shard has been processed.
    pub checkpoint: Checkpoint,
    /// The shards that this one continues; at most one on the service (F19).
    pub parents: BTreeSet<ShardId>,
    /// The shards that continue this one; known when it has ended.
    pub children: BTreeSet<ShardId>,
    /// The incarnation that has asked for the lease.
    pub next_owner: Option<WorkerId>,
    /// Why nobody reads this shard until somebody decides (design rule 15).
    pub stopped: Option<String>,
}

/// Why a row that should be a lease is not readable. It is isolated, and said so; others go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("lease row {key} cannot be read: {why}")]
pub struct UnreadableLease {
    /// The row.
    pub key: RowKey,
    /// What is wrong with it.
    pub why: String,
}

/// The key of a lease row: KCL's multi-stream key, byte for byte.
pub fn lease_key(stream: &StreamArn, shard: &ShardId) -> RowKey {
    let (account, region, table) = (stream.account(), stream.region(), stream.table());
    let label = stream.label().replace(':', "_");
    RowKey::new(format!(
        "{account}:{region}${account}${table}${label}:1:{shard}"
    ))
}

/// The keys under which a shard may have its lease: ours, and the one that KCL gives it in a table for one stream. An
/// adopted row keeps its key.
pub fn lease_keys(stream: &StreamArn, shard: &ShardId) -> [RowKey; 2] {
    [lease_key(stream, shard), RowKey::new(shard.as_str())]
}

impl Lease {
    /// Reads a lease row.
    pub fn parse(row: &Row) -> Result<Self, UnreadableLease> {
        let unreadable = |why: &str| UnreadableLease {
            key: row.key.clone(),
            why: why.to_owned(),
        };
        let stream = row
            .shared_text(column::STREAM_ARN)
            .ok_or_else(|| unreadable("it has no streamArn"))?;
        let stream = StreamArn::parse_shared(stream).map_err(|e| unreadable(&e.to_string()))?;
        let shard = row
            .shared_text(column::SHARD)
            .ok_or_else(|| unreadable("it has no shardId"))?;
        let shards = |name| row.texts(name).iter().map(ShardId::from_service).collect();
        Ok(Self {
            stream,
            shard: ShardId::from_shared(shard),
            owner: row.shared_text(column::OWNER).map(WorkerId::from_shared),
            epoch: row
                .number(column::EPOCH)
                .ok_or_else(|| unreadable("it has no epoch"))?,
            version: row
                .number(column::VERSION)
                .ok_or_else(|| unreadable("it has no leaseCounter"))?,
            write_id: row.text(column::WRITE_ID).map(str::to_owned),
            checkpoint: checkpoint_of(row).map_err(|why| unreadable(&why))?,
            parents: shards(column::PARENTS),
            children: shards(column::CHILDREN),
            next_owner: row
                .shared_text(column::NEXT_OWNER)
                .map(WorkerId::from_shared),
            stopped: row.text(column::STOPPED_WHY).map(str::to_owned),
            key: row.key.clone(),
        })
    }

    /// True when the shard has ended and everything in it is acknowledged.
    pub fn is_finished(&self) -> bool {
        self.checkpoint == Checkpoint::ShardEnd
    }

    /// True when somebody should be reading it: neither finished nor stopped.
    pub fn is_active(&self) -> bool {
        (!self.is_finished() || planted!(FinishedReopened)) && self.stopped.is_none()
    }

    /// The proof of ownership, when the row names `me`. The caller must know that no other task of
    /// this worker holds the same lease.
    pub fn held_by(&self, me: &WorkerId) -> Option<Held> {
        (self.owner.as_ref() == Some(me)).then(|| Held {
            key: self.key.clone(),
            owner: me.clone(),
            epoch: self.epoch,
            version: self.version,
        })
    }

    /// *Take*: from nobody, or from an owner that the caller knows to be dead or to have left. The
    /// start position is the checkpoint of the answer, never the one in `self`.
    pub fn take(&self, me: &WorkerId, write_id: &str) -> Write {
        let mut conditions = self.as_read();
        conditions.push(Condition::Missing(column::STOPPED_WHY.into()));
        let mut effects = stamp(write_id);
        effects.extend(new_owner(me, self.epoch));
        Write::update(self.key.clone(), conditions, effects)
    }

    /// *Request*: asks the living owner for the lease. Touches neither version nor writeId, so that
    /// the owner's own writes go on.
    pub fn request(&self, me: &WorkerId, request_id: &str) -> Write {
        let mut conditions = self.as_read();
        conditions.push(match &self.next_owner {
            // The caller has judged this earlier asker to be dead.
            Some(gone) => Condition::Equals(column::NEXT_OWNER.into(), gone.as_str().into()),
            None => Condition::Missing(column::NEXT_OWNER.into()),
        });
        let effects = vec![
            Effect::Set(column::NEXT_OWNER.into(), me.as_str().into()),
            Effect::Set(column::REQUEST_ID.into(), request_id.into()),
        ];
        Write::update(self.key.clone(), conditions, effects)
    }

    /// *Withdraw*: takes a request back that was not answered in time; one that we do not remember has no id.
    pub fn withdraw(key: RowKey, me: &WorkerId, request_id: Option<&str>) -> Write {
        let asked = Condition::Equals(column::NEXT_OWNER.into(), me.as_str().into());
        let same = request_id.map(|id| Condition::Equals(column::REQUEST_ID.into(), id.into()));
        let conditions = std::iter::once(asked).chain(same).collect();
        Write::update(key, conditions, no_request().to_vec())
    }

    /// *Give up*: lets go of a lease of ours whose task does not run any more, without the task's
    /// [`Held`]: its own next write is refused, because the owner is another.
    pub fn give_up(&self, write_id: &str) -> Write {
        let mut effects = stamp(write_id);
        effects.extend(no_owner());
        Write::update(self.key.clone(), self.as_read(), effects)
    }

    /// *Raise*: frees the lease above every fencing token that was ever given out. For a person's tool, after the
    /// table was set back in time and every worker was stopped.
    pub fn raise(&self, floor: u64, write_id: &str) -> Write {
        let epoch = self.epoch.max(floor).saturating_add(1);
        let mut effects = stamp(write_id);
        effects.push(Effect::Set(column::EPOCH.into(), epoch.into()));
        effects.extend(no_owner());
        Write::update(self.key.clone(), self.as_read(), effects)
    }

    /// *Forget*: deletes a finished lease that nobody needs any more (S9).
    pub fn forget(&self) -> Write {
        let mut conditions = self.as_read();
        conditions.push(Condition::Equals(
            column::CHECKPOINT.into(),
            SHARD_END.into(),
        ));
        Write::delete(self.key.clone(), conditions)
    }

    /// Owner and epoch are as they were read.
    fn as_read(&self) -> Vec<Condition> {
        let owner = match &self.owner {
            Some(owner) => Condition::Equals(column::OWNER.into(), owner.as_str().into()),
            None => Condition::Missing(column::OWNER.into()),
        };
        vec![
            Condition::RowExists,
            owner,
            Condition::Equals(column::EPOCH.into(), self.epoch.into()),
        ]
    }
}

/// A lease that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLease {
    /// The stream that the shard belongs to.
    pub stream: StreamArn,
    /// The shard.
    pub shard: ShardId,
    /// The shard it continues.
    pub parent: Option<ShardId>,
    /// Where to begin.
    pub checkpoint: Checkpoint,
    /// Its first epoch: above the group's floor, so that no fencing token is ever used twice.
    pub epoch: u64,
    /// Set when nobody may read it until somebody decides: what came before it is lost.
    pub stopped: Option<Stop>,
}

/// Why nobody reads a shard until somebody decides (design rule 15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Why, in words that tell a person how to go on. Never item data.
    pub why: String,
    /// The incarnation that stopped it.
    pub by: WorkerId,
    /// When, on the service's clock.
    pub at: Option<Timestamp>,
}

impl Stop {
    pub(crate) fn effects(&self) -> Vec<Effect> {
        let why: String = self.why.chars().take(MAX_REASON).collect();
        let at = |at: Timestamp| Effect::Set(column::STOPPED_AT.into(), at.millis().into());
        let mut effects = vec![
            Effect::Set(column::STOPPED_WHY.into(), why.into()),
            Effect::Set(column::STOPPED_BY.into(), self.by.as_str().into()),
        ];
        effects.extend(self.at.map(at));
        effects
    }
}

impl NewLease {
    /// The keys under which the shard may have a lease already.
    pub fn keys(&self) -> [RowKey; 2] {
        lease_keys(&self.stream, &self.shard)
    }

    /// *Create*: only where there is no row. `owner` makes it born owned.
    pub fn create(&self, owner: Option<&WorkerId>, write_id: &str) -> Write {
        let mut effects = vec![
            Effect::Set(column::ENTITY.into(), LEASE_ENTITY.into()),
            Effect::Set(column::STREAM_ARN.into(), self.stream.as_str().into()),
            Effect::Set(column::SHARD.into(), self.shard.as_str().into()),
            Effect::Set(column::EPOCH.into(), self.epoch.into()),
            Effect::Set(column::SWITCHES.into(), 0.into()),
        ];
        effects.extend(stamp(write_id));
        effects.extend(set_checkpoint(&self.checkpoint));
        effects.extend(self.parent.iter().map(|parent| {
            Effect::Set(
                column::PARENTS.into(),
                Value::Texts([parent.to_string()].into()),
            )
        }));
        effects.extend(owner.map(|owner| Effect::Set(column::OWNER.into(), owner.as_str().into())));
        effects.extend(self.stopped.iter().flat_map(Stop::effects));
        let condition = if planted!(CreateOverwrites) {
            Condition::Missing(column::STOPPED_BY.into())
        } else {
            Condition::RowAbsent
        };
        Write::update(
            lease_key(&self.stream, &self.shard),
            vec![condition],
            effects,
        )
    }
}

/// What happens to a lease when its owner lets it go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// Another incarnation becomes the owner in the same write.
    To(WorkerId),
    /// Nobody owns it; anybody may take it at once.
    Free,
    /// Nobody may take it until somebody decides.
    Stopped {
        /// Why, in words that tell a person how to go on. Never item data.
        why: String,
        /// When, on the service's clock.
        at: Option<Timestamp>,
    },
}

/// The proof that this worker owns a lease: demanded by every write of an owner (G8, S5).
///
/// Neither `Clone` nor shared: the task that reads the shard owns it and does all its writes, one in
/// flight at a time.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    key: RowKey,
    owner: WorkerId,
    epoch: u64,
    version: u64,
}

impl Held {
    /// The lease row.
    pub fn key(&self) -> &RowKey {
        &self.key
    }

    /// The incarnation that holds it.
    pub fn owner(&self) -> &WorkerId {
        &self.owner
    }

    /// The fencing token.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The row's version after the latest write of ours that we know of.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// *Checkpoint*: stores how far the shard has been processed.
    pub fn checkpoint(&self, checkpoint: &Checkpoint, write_id: &str) -> Write {
        let mut effects = stamp(write_id);
        effects.extend(set_checkpoint(checkpoint));
        effects.push(Effect::Set(column::SWITCHES.into(), 0.into()));
        Write::update(self.key.clone(), self.as_held(), effects)
    }

    /// *Depart*: stores the checkpoint and lets the lease go, in one write (G6, L6).
    pub fn depart(&self, checkpoint: &Checkpoint, departure: &Departure, write_id: &str) -> Write {
        let mut effects = stamp(write_id);
        effects.extend(set_checkpoint(checkpoint));
        match departure {
            Departure::To(next) => effects.extend(new_owner(next, self.epoch)),
            Departure::Free => effects.extend(no_owner()),
            Departure::Stopped { why, at } => {
                let (why, by, at) = (why.clone(), self.owner.clone(), *at);
                effects.extend(no_owner());
                effects.extend(Stop { why, by, at }.effects());
            }
        }
        Write::update(self.key.clone(), self.as_held(), effects)
    }

    /// *End*: the shard is finished and its children are leased, in one transaction (G3, S8). Children that
    /// are absent are born owned by the parent's owner; children that exist are only checked.
    pub fn end(
        &self,
        absent: &[NewLease],
        existing: &[RowKey],
        children: &[ShardId],
        write_id: &str,
    ) -> Vec<Write> {
        let mut effects = stamp(write_id);
        effects.extend(set_checkpoint(&Checkpoint::ShardEnd));
        effects.extend(no_owner());
        if !children.is_empty() {
            let names = children.iter().map(ToString::to_string).collect();
            effects.push(Effect::Set(column::CHILDREN.into(), Value::Texts(names)));
        }
        let parent = Write::update(self.key.clone(), self.as_held(), effects);
        let born = absent
            .iter()
            .map(|child| child.create(Some(&self.owner), write_id));
        let kept = existing
            .iter()
            .map(|key| Write::check(key.clone(), vec![Condition::RowExists]));
        std::iter::once(parent).chain(born).chain(kept).collect()
    }

    /// Takes over the version of the row as it is now, after an applied or a resolved write.
    pub fn refresh(&mut self, row: &Lease) {
        debug_assert!(
            row.key == self.key && row.epoch == self.epoch,
            "refreshed from another lease"
        );
        self.version = row.version;
    }

    /// What a row, read consistently after unanswered or refused attempts, says about them
    /// (design rule 6): ownership is (owner, epoch); a write id only says whether *this* write applied.
    pub fn resolve(&self, attempts: &[String], row: Option<&Lease>) -> Resolved {
        let Some(row) = row else {
            return Resolved::Lost;
        };
        if row
            .write_id
            .as_ref()
            .is_some_and(|id| attempts.contains(id))
        {
            return Resolved::Applied;
        }
        if row.owner.as_ref() == Some(&self.owner) && row.epoch == self.epoch {
            return Resolved::NotApplied;
        }
        Resolved::Lost
    }

    /// Owner, epoch and version are as held.
    fn as_held(&self) -> Vec<Condition> {
        if planted!(UnfencedWrites) {
            return vec![Condition::RowExists];
        }
        if planted!(WritesByNameAlone) {
            return vec![Condition::Equals(
                column::OWNER.into(),
                self.owner.as_str().into(),
            )];
        }
        vec![
            Condition::Equals(column::OWNER.into(), self.owner.as_str().into()),
            Condition::Equals(column::EPOCH.into(), self.epoch.into()),
            Condition::Equals(column::VERSION.into(), self.version.into()),
        ]
    }
}

/// What became of a write whose answer was lost or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// It was applied.
    Applied,
    /// It was not applied (yet), and the lease is still ours: refresh and write again.
    NotApplied,
    /// The lease is no longer ours.
    Lost,
}

/// A lease as this worker believes it to be, and since when it has looked like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The row.
    pub lease: Lease,
    /// On this worker's own clock: when this owner and epoch were first seen.
    pub first_seen: Duration,
}

pub(crate) const TRIM_HORIZON: &str = "TRIM_HORIZON";
pub(crate) const AT_TIMESTAMP: &str = "AT_TIMESTAMP";
pub(crate) const SHARD_END: &str = "SHARD_END";

fn checkpoint_of(row: &Row) -> Result<Checkpoint, String> {
    match row.text(column::CHECKPOINT).ok_or("it has no checkpoint")? {
        TRIM_HORIZON => Ok(Checkpoint::TrimHorizon),
        SHARD_END => Ok(Checkpoint::ShardEnd),
        AT_TIMESTAMP => row
            .number(column::START_AT)
            .map(|millis| Checkpoint::At(Timestamp::from_millis(millis)))
            .ok_or_else(|| "its checkpoint is AT_TIMESTAMP but it has no startAtMillis".to_owned()),
        digits => SequenceNumber::from_service(digits)
            .map(Checkpoint::After)
            .map_err(|e| format!("its checkpoint is unknown: {e}")),
    }
}

pub(crate) fn set_checkpoint(checkpoint: &Checkpoint) -> Vec<Effect> {
    let (text, start_at) = match checkpoint {
        Checkpoint::TrimHorizon => (TRIM_HORIZON.to_owned(), None),
        Checkpoint::At(time) => (AT_TIMESTAMP.to_owned(), Some(time.millis())),
        Checkpoint::After(sequence_number) => (sequence_number.to_string(), None),
        Checkpoint::ShardEnd => (SHARD_END.to_owned(), None),
    };
    let start_at = match start_at {
        Some(millis) => Effect::Set(column::START_AT.into(), millis.into()),
        None => Effect::Remove(column::START_AT.into()),
    };
    vec![
        Effect::Set(column::CHECKPOINT.into(), text.into()),
        Effect::Set(column::CHECKPOINT_SUB.into(), 0.into()),
        start_at,
    ]
}

/// Every write of an owner or taker moves the version and names its attempt.
pub(crate) fn stamp(write_id: &str) -> Vec<Effect> {
    vec![
        Effect::Add(column::VERSION.into(), 1),
        Effect::Set(column::WRITE_ID.into(), write_id.into()),
    ]
}

fn no_request() -> [Effect; 2] {
    [
        Effect::Remove(column::NEXT_OWNER.into()),
        Effect::Remove(column::REQUEST_ID.into()),
    ]
}

fn new_owner(owner: &WorkerId, epoch: u64) -> Vec<Effect> {
    let next = u64::from(!planted!(TakeWithoutEpoch));
    let mut effects = vec![
        Effect::Set(column::OWNER.into(), owner.as_str().into()),
        Effect::Set(column::EPOCH.into(), epoch.saturating_add(next).into()),
        Effect::Add(column::SWITCHES.into(), 1),
    ];
    effects.extend(no_request());
    effects
}

fn no_owner() -> Vec<Effect> {
    let mut effects = vec![Effect::Remove(column::OWNER.into())];
    effects.extend(no_request());
    effects
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> StreamArn {
        StreamArn::parse(
            "arn:aws:dynamodb:us-west-2:111122223333:table/Forum/stream/2015-05-20T20:51:10.252",
        )
        .unwrap()
    }

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name, 1)
    }

    fn new_lease() -> NewLease {
        NewLease {
            stream: stream(),
            shard: ShardId::from_service("shardId-1"),
            parent: Some(ShardId::from_service("shardId-0")),
            checkpoint: Checkpoint::TrimHorizon,
            epoch: 4,
            stopped: None,
        }
    }

    fn applied(write: &Write, row: Option<&Row>) -> Row {
        assert!(write.allowed(row), "refused: {write:?}\non {row:?}");
        write.apply(row).unwrap()
    }

    fn read(row: &Row) -> Lease {
        Lease::parse(row).unwrap()
    }

    fn after(text: &str) -> Checkpoint {
        Checkpoint::After(SequenceNumber::from_service(text).unwrap())
    }

    /// A row owned by `a`, with what proves it.
    fn owned() -> (Row, Held) {
        let row = applied(&new_lease().create(None, "w0"), None);
        let row = applied(&read(&row).take(&worker("a"), "w1"), Some(&row));
        let held = read(&row).held_by(&worker("a")).unwrap();
        (row, held)
    }

    #[test]
    fn the_key_is_kcls_multi_stream_key_byte_for_byte() {
        let key = lease_key(&stream(), &ShardId::from_service("shardId-1"));
        let kcl = "111122223333:us-west-2$111122223333$Forum$2015-05-20T20_51_10.252:1:shardId-1";
        assert_eq!(key.as_str(), kcl);
    }

    #[test]
    fn s5_a_take_raises_the_epoch_and_a_second_take_of_the_same_sighting_is_refused() {
        let free = applied(&new_lease().create(None, "w0"), None);
        let (a, b) = (
            read(&free).take(&worker("a"), "w1"),
            read(&free).take(&worker("b"), "w2"),
        );
        let taken = applied(&a, Some(&free));
        assert_eq!(
            (read(&taken).epoch, read(&taken).owner),
            (5, Some(worker("a")))
        );
        assert!(!b.allowed(Some(&taken)));
    }

    #[test]
    fn s5_b14_a_former_owner_can_write_nothing() {
        let (row, held) = owned();
        let stolen = applied(&read(&row).take(&worker("b"), "w2"), Some(&row));
        let departure = Departure::Free;
        assert!(!held.checkpoint(&after("9"), "w3").allowed(Some(&stolen)));
        assert!(
            !held
                .depart(&after("9"), &departure, "w3")
                .allowed(Some(&stolen))
        );
        assert!(!held.end(&[], &[], &[], "w3")[0].allowed(Some(&stolen)));
    }

    #[test]
    fn hole_9_a_request_does_not_disturb_the_owners_writes() {
        let (row, held) = owned();
        let asked = applied(&read(&row).request(&worker("b"), "r1"), Some(&row));
        assert_eq!(read(&asked).next_owner, Some(worker("b")));
        assert!(held.checkpoint(&after("9"), "w2").allowed(Some(&asked)));
        assert!(
            !read(&row).request(&worker("c"), "r2").allowed(Some(&asked)),
            "one asker at a time"
        );
    }

    #[test]
    fn hole_12_every_change_of_owner_removes_the_request() {
        let (row, held) = owned();
        let asked = applied(&read(&row).request(&worker("b"), "r1"), Some(&row));
        for departure in [Departure::To(worker("b")), Departure::Free] {
            let gone = applied(&held.depart(&after("9"), &departure, "w2"), Some(&asked));
            assert_eq!(read(&gone).next_owner, None);
            assert_eq!(gone.text(column::REQUEST_ID), None);
        }
        let taken = applied(&read(&asked).take(&worker("c"), "w2"), Some(&asked));
        assert_eq!(read(&taken).next_owner, None);
    }

    #[test]
    fn a_transfer_carries_the_checkpoint_and_raises_the_epoch() {
        let (row, held) = owned();
        let moved = read(&applied(
            &held.depart(&after("9"), &Departure::To(worker("b")), "w2"),
            Some(&row),
        ));
        assert_eq!(
            (moved.owner, moved.epoch),
            (Some(worker("b")), held.epoch() + 1)
        );
        assert_eq!(moved.checkpoint, after("9"));
    }

    #[test]
    fn a_stopped_lease_is_never_taken_until_somebody_decides() {
        let (row, held) = owned();
        let departure = Departure::Stopped {
            why: "trimmed".into(),
            at: Some(Timestamp::from_millis(7)),
        };
        let stopped = applied(&held.depart(&after("9"), &departure, "w2"), Some(&row));
        assert!(!read(&stopped).is_active());
        assert!(
            !read(&stopped)
                .take(&worker("b"), "w3")
                .allowed(Some(&stopped))
        );
    }

    #[test]
    fn s5_a_lease_that_was_given_up_or_raised_refuses_whoever_held_it() {
        let (row, held) = owned();
        for write in [read(&row).give_up("w2"), read(&row).raise(40, "w2")] {
            let after = applied(&write, Some(&row));
            assert_eq!(read(&after).owner, None);
            assert!(
                !held
                    .checkpoint(&self::after("9"), "w3")
                    .allowed(Some(&after))
            );
            let taken = applied(&read(&after).take(&worker("b"), "w4"), Some(&after));
            assert!(read(&taken).epoch > held.epoch());
        }
        let raised = applied(&read(&row).raise(40, "w2"), Some(&row));
        assert_eq!(
            read(&raised).epoch,
            41,
            "above every token that was given out"
        );
    }

    #[test]
    fn hole_10_a_child_that_exists_does_not_cancel_the_end() {
        let (row, held) = owned();
        let child = NewLease {
            shard: ShardId::from_service("shardId-2"),
            ..new_lease()
        };
        let key = lease_key(&child.stream, &child.shard);
        let existing = applied(&child.create(None, "w0"), None);
        let writes = held.end(&[], &[key], &[child.shard], "w2");
        assert!(writes[0].allowed(Some(&row)) && writes[1].allowed(Some(&existing)));
        let ended = read(&applied(&writes[0], Some(&row)));
        assert!(ended.is_finished() && ended.owner.is_none());
    }

    #[test]
    fn children_are_born_owned_by_the_parents_owner() {
        let (_, held) = owned();
        let child = NewLease {
            shard: ShardId::from_service("shardId-2"),
            ..new_lease()
        };
        let writes = held.end(
            std::slice::from_ref(&child),
            &[],
            std::slice::from_ref(&child.shard),
            "w2",
        );
        let born = read(&applied(&writes[1], None));
        assert_eq!(born.owner, Some(worker("a")));
        assert_eq!(born.checkpoint, Checkpoint::TrimHorizon);
    }

    #[test]
    fn s12_an_unanswered_write_is_resolved_by_what_the_row_says() {
        let (row, held) = owned();
        let attempts = vec!["w2".to_owned()];
        assert_eq!(
            held.resolve(&attempts, Some(&read(&row))),
            Resolved::NotApplied
        );
        let stored = applied(&held.checkpoint(&after("9"), "w2"), Some(&row));
        assert_eq!(
            held.resolve(&attempts, Some(&read(&stored))),
            Resolved::Applied
        );
        let stolen = applied(&read(&stored).take(&worker("b"), "w9"), Some(&stored));
        assert_eq!(
            held.resolve(&attempts, Some(&read(&stolen))),
            Resolved::Lost
        );
        assert_eq!(held.resolve(&attempts, None), Resolved::Lost);
    }

    #[test]
    fn every_checkpoint_survives_the_row() {
        let (row, held) = owned();
        let all = [
            Checkpoint::TrimHorizon,
            Checkpoint::At(Timestamp::from_millis(7)),
            after("0042"),
            Checkpoint::ShardEnd,
        ];
        for checkpoint in all {
            let stored = applied(&held.checkpoint(&checkpoint, "w"), Some(&row));
            assert_eq!(read(&stored).checkpoint, checkpoint);
        }
    }

    #[test]
    fn a_row_edited_by_hand_is_isolated_with_a_reason() {
        let (mut row, _) = owned();
        row.columns.insert(column::CHECKPOINT.into(), "soon".into());
        assert!(
            Lease::parse(&row)
                .unwrap_err()
                .to_string()
                .contains("checkpoint")
        );
    }
}
