//! Lease tables that AWS's KCL adapter wrote: which rows are leases, whether a Java worker still lives,
//! and the write that takes a row over in place.
//!
//! KCL has no worker rows. Whoever owns a lease moves the `leaseCounter` of its row several times in its
//! fail-over time, so a row that does not move is all that says that its owner is gone (design rule 16).
//! Giving a table back is in [`giving_back`].

pub mod giving_back;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::checkpoint::{Checkpoint, Timestamp};
use crate::ids::{SequenceNumber, ShardId, StreamArn, WorkerId};
use crate::lease::{
    AT_TIMESTAMP, LEASE_ENTITY, Lease, SHARD_END, Stop, TRIM_HORIZON, UnreadableLease, column,
    lease_key, set_checkpoint, stamp,
};
use crate::lineage::Shard;
use crate::row::{Condition, Effect, Row, RowKey, Write};

/// The least time for which rows are watched before they are taken over. KCL renews a lease three times in its
/// `failoverTimeMillis`; that is 10 s unless somebody raised it, and 60 s is what large fleets were told to use.
pub const LEAST_WATCH: Duration = Duration::from_secs(30);

/// KCL's checkpoint of a lease that was never read: the newest records at whatever moment that happens.
const LATEST: &str = "LATEST";
/// KCL 3: the owner that may still store its checkpoint while it hands over.
const CHECKPOINT_OWNER: &str = "checkpointOwner";
/// What KCL puts between the stream and the shard in its multi-stream keys: a creation time that streams of DynamoDB do
/// not have.
const BEFORE_SHARD: &str = ":1:";

/// A lease as KCL wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KclLease {
    /// The hash key: the bare shard id, or KCL's multi-stream key.
    pub key: RowKey,
    /// The stream. A single-stream row does not name it: it is the one that this application reads.
    pub stream: StreamArn,
    /// The shard.
    pub shard: ShardId,
    /// The Java worker that owns it, or owned it last: KCL leaves the name behind.
    pub owner: Option<String>,
    /// Heartbeat and version in one.
    pub counter: u64,
    /// Where it goes on; `None` when the row has no position (`LATEST`, `AT_TIMESTAMP`).
    pub position: Option<Checkpoint>,
    stored: String,
}

impl KclLease {
    /// Reads a row of a table whose application reads `ours`. `None` when the row is not a lease of KCL's: one of
    /// our own rows, or of another kind (`entityType`), which is left alone.
    pub fn parse(row: &Row, ours: &StreamArn) -> Option<Result<Self, UnreadableLease>> {
        is_lease(row).then(|| {
            read(row, ours).map_err(|why| UnreadableLease {
                key: row.key.clone(),
                why,
            })
        })
    }

    /// *Adopt*: the row becomes ours where it stands, unowned, if it is exactly as it was read. The former owner's
    /// name goes, so that no Java worker takes it up again by its name; everything else stays, the checkpoint first of
    /// all. A row without a position begins at `start`.
    pub fn adopt(&self, epoch: u64, start: &Checkpoint, write_id: &str) -> Write {
        let owner = match &self.owner {
            Some(owner) => Condition::Equals(column::OWNER.into(), owner.as_str().into()),
            None => Condition::Missing(column::OWNER.into()),
        };
        let conditions = vec![
            Condition::Equals(column::VERSION.into(), self.counter.into()),
            owner,
            Condition::Equals(column::CHECKPOINT.into(), self.stored.as_str().into()),
            Condition::Missing(column::EPOCH.into()),
        ];
        let mut effects = vec![
            Effect::Set(column::ENTITY.into(), LEASE_ENTITY.into()),
            Effect::Set(column::STREAM_ARN.into(), self.stream.as_str().into()),
            Effect::Set(column::SHARD.into(), self.shard.as_str().into()),
            Effect::Set(column::EPOCH.into(), epoch.into()),
            Effect::Remove(column::OWNER.into()),
            Effect::Remove(CHECKPOINT_OWNER.into()),
        ];
        effects.extend(stamp(write_id));
        if self.position.is_none() {
            effects.extend(set_checkpoint(start));
        }
        Write::update(self.key.clone(), conditions, effects)
    }

    /// The lease as one that nobody may take until it is adopted: so that its shard counts as covered.
    pub fn standing_still(self) -> Lease {
        Lease {
            checkpoint: self.position.unwrap_or(Checkpoint::TrimHorizon),
            key: self.key,
            stream: self.stream,
            shard: self.shard,
            owner: None,
            epoch: 0,
            version: self.counter,
            write_id: None,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            next_owner: None,
            stopped: Some("a KCL worker made this row: it is not adopted yet".to_owned()),
        }
    }
}

/// True for a lease that KCL wrote and nobody adopted.
pub fn is_lease(row: &Row) -> bool {
    let has = |name: &str| row.columns.contains_key(name);
    let ours = [column::EPOCH, column::STREAM_ARN, column::WRITE_ID];
    if ours.into_iter().any(has) {
        return false;
    }
    match row.text(column::ENTITY) {
        Some(LEASE_ENTITY) => true,
        // KCL 3.5 and later keep rows of other kinds in the same table; so do we.
        Some(_) => false,
        None => has(column::VERSION) || has(column::CHECKPOINT),
    }
}

fn read(row: &Row, ours: &StreamArn) -> Result<KclLease, String> {
    let (stream, shard) = subject(row, ours)?;
    let stored = row
        .text(column::CHECKPOINT)
        .ok_or("it has no checkpoint")?
        .to_owned();
    // A part of a record was acknowledged: Kinesis has such records, DynamoDB Streams has not.
    if row
        .number(column::CHECKPOINT_SUB)
        .is_some_and(|part| part > 0)
    {
        return Err(
            "its checkpointSubSequenceNumber is not 0: it is no lease of DynamoDB Streams"
                .to_owned(),
        );
    }
    let position = match stored.as_str() {
        LATEST | AT_TIMESTAMP => None,
        TRIM_HORIZON => Some(Checkpoint::TrimHorizon),
        SHARD_END => Some(Checkpoint::ShardEnd),
        digits => Some(
            SequenceNumber::from_service(digits)
                .map(Checkpoint::After)
                .map_err(|e| format!("its checkpoint is unknown: {e}"))?,
        ),
    };
    Ok(KclLease {
        key: row.key.clone(),
        stream,
        shard,
        owner: row.text(column::OWNER).map(str::to_owned),
        counter: row
            .number(column::VERSION)
            .ok_or("it has no leaseCounter")?,
        position,
        stored,
    })
}

/// The stream and the shard of a row.
fn subject(row: &Row, ours: &StreamArn) -> Result<(StreamArn, ShardId), String> {
    let key = row.key.as_str();
    let Some((account, rest)) = key.split_once('$') else {
        return Ok((ours.clone(), ShardId::from_service(key)));
    };
    let named =
        named(rest).ok_or("its key is neither a shard id nor a key of KCL's multi-stream mode")?;
    let shard = ShardId::from_service(named.shard);
    let same_place = account == format!("{}:{}", ours.account(), ours.region());
    if !same_place || named.table != ours.table() {
        return Err(format!(
            "it is of a stream of table {} ({account}), and this application reads table {}; a worker reads one table: give each a lease table of its own",
            named.table,
            ours.table()
        ));
    }
    // Another stream of the same table, before it was switched off and on again.
    let arn = ours.as_str().strip_suffix(ours.label()).unwrap_or_default();
    let stream = StreamArn::parse(&format!("{arn}{}", named.label.replace('_', ":")));
    let stream = stream.map_err(|e| format!("its key names no stream: {e}"))?;
    Ok((stream, shard))
}

struct Named<'a> {
    table: &'a str,
    label: &'a str,
    shard: &'a str,
}

/// What stands behind the first `$` of a multi-stream key: `account$table$label:1:shard`.
fn named(rest: &str) -> Option<Named<'_>> {
    let (_account, rest) = rest.split_once('$')?;
    let (table, rest) = rest.split_once('$')?;
    let (label, shard) = rest.split_once(BEFORE_SHARD)?;
    (!shard.is_empty()).then_some(Named {
        table,
        label,
        shard,
    })
}

/// The serialized stream that KCL stores beside a multi-stream key.
pub(crate) fn stream_name(stream: &StreamArn, shard: &ShardId) -> String {
    let key = lease_key(stream, shard);
    let end = format!(":{shard}");
    key.as_str()
        .strip_suffix(&end)
        .unwrap_or_default()
        .to_owned()
}

/// Why a Java worker is believed to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOfLife {
    /// The row that showed it.
    pub key: RowKey,
    /// The worker that it names.
    pub owner: Option<String>,
    what: &'static str,
}

impl fmt::Display for SignOfLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, owner, what } = self;
        match owner {
            Some(owner) => write!(f, "KCL worker {owner:?} is alive: {what} of row {key}"),
            None => write!(f, "a KCL worker is alive: {what} of row {key}"),
        }
    }
}

/// What moved between two strongly consistent reads; `None` when every row stood still. A row that was adopted
/// in between, by another worker of ours, has not moved.
pub fn sign_of_life(before: &[KclLease], after: &[KclLease], rows: &[Row]) -> Option<SignOfLife> {
    let known: BTreeMap<&RowKey, &KclLease> =
        before.iter().map(|lease| (&lease.key, lease)).collect();
    let moved = after.iter().find_map(|now| {
        let what = match known.get(&now.key) {
            None => "it made a lease",
            Some(then) if then.owner != now.owner => "leaseOwner changed",
            Some(then) if then.counter != now.counter => "leaseCounter moved",
            Some(then) if then.stored != now.stored => "the checkpoint moved",
            Some(_) => return None,
        };
        Some(SignOfLife {
            key: now.key.clone(),
            owner: now.owner.clone(),
            what,
        })
    });
    let there: BTreeSet<&RowKey> = rows.iter().map(|row| &row.key).collect();
    moved.or_else(|| {
        let gone = before.iter().find(|lease| !there.contains(&lease.key))?;
        Some(SignOfLife {
            key: gone.key.clone(),
            owner: None,
            what: "it deleted the lease",
        })
    })
}

/// The listed shards that KCL is done with though they have no lease: it deletes the leases of finished shards long
/// before the shards leave the listing, and never had any for what was closed when it began with the latest records.
/// They are the ancestors of a leased shard that continue no leased one.
pub fn done_before<'a>(
    listed: &'a BTreeMap<ShardId, Shard>,
    leased: &BTreeSet<ShardId>,
) -> Vec<&'a Shard> {
    let parent = |shard: &Shard| shard.parent.as_ref().and_then(|parent| listed.get(parent));
    // No lineage is longer than the listing, unless it is a ring.
    let lineage = |shard: &'a Shard| {
        std::iter::successors(parent(shard), |shard| parent(shard)).take(listed.len())
    };
    let mut done = BTreeSet::new();
    for id in leased {
        let Some(shard) = listed.get(id) else {
            continue;
        };
        done.extend(
            lineage(shard)
                .filter(|above| !leased.contains(&above.id))
                .filter(|above| !lineage(above).any(|older| leased.contains(&older.id)))
                .map(|above| &above.id),
        );
    }
    done.into_iter().filter_map(|id| listed.get(id)).collect()
}

/// True when somebody who does not know this protocol wrote the lease between the two reads: the counter moved, and
/// every write of ours that moves it leaves a new `writeId`. Two KCL workers differ so, a person with a console
/// does not.
pub fn foreign_write(before: &Lease, after: &Lease) -> bool {
    before.write_id == after.write_id
        && before.epoch == after.epoch
        && before.version != after.version
}

/// *Stop* a lease that a foreign writer uses, as it was read. Its next write of the row fails on the counter.
pub fn stop_foreign(
    lease: &Lease,
    me: &WorkerId,
    at: Option<Timestamp>,
    write_id: &str,
) -> (Write, String) {
    let writer = lease.owner.as_ref().map_or("nobody", WorkerId::as_str);
    let why = format!(
        "a foreign writer moved leaseCounter of this lease (leaseOwner is {writer}): a KCL worker uses the table of this application; stop it, then clear stoppedWhy"
    );
    let owner = match &lease.owner {
        Some(owner) => Condition::Equals(column::OWNER.into(), owner.as_str().into()),
        None => Condition::Missing(column::OWNER.into()),
    };
    let conditions = vec![
        owner,
        Condition::Equals(column::EPOCH.into(), lease.epoch.into()),
        Condition::Equals(column::VERSION.into(), lease.version.into()),
        Condition::Missing(column::STOPPED_WHY.into()),
    ];
    let stop = Stop {
        why: why.clone(),
        by: me.clone(),
        at,
    };
    let mut effects = vec![
        Effect::Remove(column::OWNER.into()),
        Effect::Remove(column::NEXT_OWNER.into()),
        Effect::Remove(column::REQUEST_ID.into()),
    ];
    effects.extend(stamp(write_id));
    effects.extend(stop.effects());
    (Write::update(lease.key.clone(), conditions, effects), why)
}

#[cfg(test)]
mod tests;
