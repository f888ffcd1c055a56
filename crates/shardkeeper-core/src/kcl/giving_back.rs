//! Giving a lease table back to KCL: our rows and columns go, checkpoints and lineage stay.
//!
//! Done lease by lease, each in a transaction of its own that holds only for the row as it was read, so that
//! it can be broken off and begun again. The group row goes last and only if nobody joined meanwhile.

use std::collections::BTreeSet;

use crate::checkpoint::Checkpoint;
use crate::ids::SequenceNumber;
use crate::lease::{LEASE_ENTITY, Lease, TRIM_HORIZON, column};
use crate::membership::{GROUP_ENTITY, GroupRow, WorkerRow, group_key};
use crate::row::{Column, Condition, Effect, Row, RowKey, Value, Write};

use super::{is_lease, stream_name};

/// KCL's two-phase checkpoint: what it was about to store.
const PENDING: &str = "pendingCheckpoint";
const PENDING_SUB: &str = "pendingCheckpointSubSequenceNumber";
const PENDING_STATE: &str = "pendingCheckpointState";
const STREAM_NAME: &str = "streamName";
/// The adapter writes this range for every shard; KCL looks for holes in it.
const HASH_RANGE: [(&str, &str); 2] = [("startingHashKey", "0"), ("endingHashKey", "1")];

/// What we add to a lease, and the owner, who is one of us.
const OURS: [&str; 10] = [
    column::OWNER,
    column::EPOCH,
    column::WRITE_ID,
    column::STREAM_ARN,
    column::NEXT_OWNER,
    column::REQUEST_ID,
    column::START_AT,
    column::STOPPED_WHY,
    column::STOPPED_BY,
    column::STOPPED_AT,
];

/// How KCL names its leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By the shard alone: `StreamsSchedulerFactory` for one stream, and every adapter of version 1.
    SingleStream,
    /// By stream and shard: `DynamoDBStreamsMultiStreamTracker`.
    MultiStream,
}

impl Form {
    /// The form in which KCL left the table; `None` when KCL never wrote it.
    pub fn of(rows: &[Row]) -> Option<Self> {
        let leases = || {
            rows.iter()
                .filter(|row| is_lease(row) || Lease::parse(row).is_ok())
        };
        if leases().any(|row| row.columns.contains_key(STREAM_NAME)) {
            return Some(Self::MultiStream);
        }
        leases()
            .any(|row| !row.key.as_str().contains('$'))
            .then_some(Self::SingleStream)
    }
}

/// What happens to one lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The lease as it is.
    pub lease: Lease,
    /// The key that KCL will read.
    pub key: RowKey,
    /// The checkpoint that KCL will read.
    pub checkpoint: String,
    /// One transaction.
    pub writes: Vec<Write>,
}

/// Everything that giving back a table takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// The leases, by key.
    pub leases: Vec<Returned>,
    /// The rows of workers that are over.
    pub workers: Vec<(WorkerRow, Write)>,
    /// The group row, last.
    pub group: Option<Write>,
    /// Rows that stay as they are though they are ours, and why: somebody has to look.
    pub left: Vec<(RowKey, String)>,
}

/// Plans it. The caller knows that every worker is over.
pub fn plan(rows: &[Row], form: Form) -> GiveBack {
    let keys: BTreeSet<&RowKey> = rows.iter().map(|row| &row.key).collect();
    let mut plan = GiveBack {
        leases: Vec::new(),
        workers: Vec::new(),
        group: None,
        left: Vec::new(),
    };
    for row in rows {
        if row.key == group_key() {
            plan.group = Some(remove_group(row));
        } else if let Some(worker) = WorkerRow::parse(row) {
            let reap = WorkerRow::reap(&worker.id, &worker.beat_id);
            plan.workers.push((worker, reap));
        } else if row.text(column::ENTITY) == Some(LEASE_ENTITY) && !is_lease(row) {
            match Lease::parse(row) {
                Ok(lease) => match give_back(row, &lease, form, &keys) {
                    Ok(returned) => plan.leases.push(returned),
                    Err(why) => plan.left.push((row.key.clone(), why)),
                },
                Err(unreadable) => plan.left.push((unreadable.key, unreadable.why)),
            }
        }
    }
    plan
}

/// Whoever joined since the row was read has moved `changes`.
fn remove_group(row: &Row) -> Write {
    let mut conditions = vec![Condition::Equals(
        column::ENTITY.into(),
        GROUP_ENTITY.into(),
    )];
    conditions.extend(GroupRow::parse(row).map(|group| group.unchanged()));
    Write::delete(row.key.clone(), conditions)
}

fn give_back(
    row: &Row,
    lease: &Lease,
    form: Form,
    keys: &BTreeSet<&RowKey>,
) -> Result<Returned, String> {
    let bare = RowKey::new(lease.shard.as_str());
    let moves = form == Form::SingleStream && lease.key != bare;
    if moves && keys.contains(&bare) {
        return Err(format!(
            "KCL has a row of its own for shard {bare}: decide which checkpoint counts and delete the other row"
        ));
    }
    let checkpoint = match &lease.checkpoint {
        // KCL has no time to begin at for DynamoDB Streams: earlier is repeated, later would be lost.
        Checkpoint::At(_) => TRIM_HORIZON.to_owned(),
        other => other.to_string(),
    };
    let mut gone: BTreeSet<&str> = OURS.into();
    gone.insert(column::ENTITY);
    let mut kept = vec![(
        Column::from(column::CHECKPOINT),
        Value::from(checkpoint.clone()),
    )];
    match form {
        Form::SingleStream => {
            gone.insert(column::SHARD);
        }
        Form::MultiStream => {
            let name = stream_name(&lease.stream, &lease.shard);
            kept.push((STREAM_NAME.into(), name.into()));
        }
    }
    if !pending_counts(row, &lease.checkpoint) {
        gone.extend([PENDING, PENDING_SUB, PENDING_STATE]);
    }
    let absent = |name: &str| !row.columns.contains_key(name);
    let range = HASH_RANGE.iter().filter(|(name, _)| absent(name));
    kept.extend(range.map(|(name, value)| ((*name).into(), (*value).into())));
    let writes = if moves {
        let others = row.columns.iter().filter(|(name, _)| {
            !gone.contains(name.as_ref()) && !kept.iter().any(|(kept, _)| kept == *name)
        });
        let others: Vec<_> = others
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let effects = kept.into_iter().chain(others).map(set).collect();
        vec![
            Write::update(bare.clone(), vec![Condition::RowAbsent], effects),
            Write::delete(lease.key.clone(), as_read(lease)),
        ]
    } else {
        let removed = gone
            .iter()
            .map(|name| Effect::Remove(Column::from((*name).to_owned())));
        let effects = kept.into_iter().map(set).chain(removed).collect();
        vec![Write::update(lease.key.clone(), as_read(lease), effects)]
    };
    Ok(Returned {
        key: if moves { bare } else { lease.key.clone() },
        lease: lease.clone(),
        checkpoint,
        writes,
    })
}

fn set((name, value): (Column, Value)) -> Effect {
    Effect::Set(name, value)
}

fn as_read(lease: &Lease) -> Vec<Condition> {
    vec![
        Condition::Equals(column::EPOCH.into(), lease.epoch.into()),
        Condition::Equals(column::VERSION.into(), lease.version.into()),
    ]
}

/// A checkpoint that KCL prepared and never stored is still to be stored while ours is before it.
fn pending_counts(row: &Row, checkpoint: &Checkpoint) -> bool {
    row.text(PENDING).is_some_and(|pending| {
        SequenceNumber::from_service(pending)
            .is_ok_and(|pending| Checkpoint::After(pending) > *checkpoint)
            || (pending == "SHARD_END" && *checkpoint != Checkpoint::ShardEnd)
    })
}
