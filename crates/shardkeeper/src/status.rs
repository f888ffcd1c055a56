//! What a worker would show you now. Made from its sweeps and its events; asking never waits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::event::Event;
use shardkeeper_core::headroom::RETENTION;
use shardkeeper_core::ids::{ShardId, StreamArn, WorkerId};
use shardkeeper_core::lease::{Lease, Sighting};
use shardkeeper_core::membership::GroupRow;
use shardkeeper_core::row::RowKey;

use crate::observer::Observer;

/// A worker and the group as it sees it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// The incarnation at work; `None` before it joined and after it left.
    pub worker: Option<WorkerId>,
    /// The stream that is read.
    pub stream: Option<StreamArn>,
    /// The members of the group.
    pub members: Vec<WorkerId>,
    /// True while this worker lists the stream.
    pub discoverer: bool,
    /// Every lease that is not finished, as of the latest sweep, with what this worker knows better of
    /// its own.
    pub shards: Vec<ShardStatus>,
    /// Failed calls since the last call of the same action that worked or ten seconds, newest last.
    pub troubles: Vec<String>,
}

/// One shard.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShardStatus {
    /// Its stream.
    pub stream: StreamArn,
    /// The shard.
    pub shard: ShardId,
    /// Who owns its lease.
    pub owner: Option<WorkerId>,
    /// The fencing token.
    pub epoch: u64,
    /// The stored checkpoint, or the acknowledged one where this worker reads the shard.
    pub checkpoint: Checkpoint,
    /// True when this worker reads it.
    pub ours: bool,
    /// Records acknowledged by this worker since it has the lease.
    pub records: u64,
    /// How old the last acknowledged record was, where that is known.
    pub iterator_age: Option<Duration>,
    /// Why nobody reads it.
    pub stopped: Option<String>,
    /// For how long a call of its processor had not returned when the watchdog last looked; `None` when that is
    /// not long.
    pub pending: Option<Duration>,
}

/// Is the worker well?
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It is a member of its group and at work.
    Well,
    /// It is on its way: joining, or leaving.
    Starting,
    /// It works, but something needs a look.
    Troubled(String),
    /// It has ended.
    Ended,
}

/// The troubles that are remembered.
const MAX_TROUBLES: usize = 8;

/// Where the status is put together.
#[derive(Debug, Default)]
pub(crate) struct StatusBoard(Mutex<Board>);

#[derive(Debug, Default)]
struct Board {
    status: WorkerStatus,
    /// A stream's shards stand together. Streams of local servers may share the ids of their shards.
    shards: BTreeMap<(StreamArn, ShardId), ShardStatus>,
    failing: u32,
}

impl Board {
    fn insert(&mut self, status: ShardStatus) {
        let of = (status.stream.clone(), status.shard.clone());
        self.shards.insert(of, status);
    }

    /// The shard that the event is about, if this worker reads it.
    fn ours(&mut self, event: &Event) -> Option<&mut ShardStatus> {
        let (stream, shard) = event.shard()?;
        let known = self.shards.get_mut(&(stream.clone(), shard.clone()))?;
        known.ours.then_some(known)
    }
}

impl StatusBoard {
    pub(crate) fn read(&self) -> WorkerStatus {
        let board = self.lock();
        WorkerStatus {
            shards: board.shards.values().cloned().collect(),
            ..board.status.clone()
        }
    }

    pub(crate) fn health(&self, ended: bool) -> Health {
        let board = self.lock();
        if ended {
            return Health::Ended;
        }
        let stopped = board
            .shards
            .values()
            .find_map(|shard| shard.stopped.as_ref());
        let pending = board.shards.values().find_map(|shard| {
            let pending = shard.pending?;
            let shard = &shard.shard;
            Some(format!(
                "the processor of {shard} has not returned for {pending:?}"
            ))
        });
        match (&board.status.worker, stopped) {
            (None, _) => Health::Starting,
            (_, Some(why)) => Health::Troubled(why.clone()),
            _ if pending.is_some() => Health::Troubled(pending.unwrap_or_default()),
            _ if board.failing >= 5 => {
                Health::Troubled(board.status.troubles.last().cloned().unwrap_or_default())
            }
            _ => Health::Well,
        }
    }

    /// Takes in a sweep of the lease table.
    pub(crate) fn swept(
        &self,
        me: &WorkerId,
        sightings: &BTreeMap<RowKey, Sighting>,
        group: Option<&GroupRow>,
    ) {
        let mut board = self.lock();
        board.failing = 0;
        if let Some(group) = group {
            board.status.members = group.members.iter().cloned().collect();
            board.status.discoverer = group.discoverer.as_ref() == Some(me);
        }
        // Only the discoverer hears of a change of stream, the others see it by the leases. An older stream is
        // drained before the next is begun.
        let active = sightings.values().map(|seen| &seen.lease);
        let active = active.filter(|lease| lease.is_active());
        if let Some(stream) = active.map(|lease| &lease.stream).min() {
            board.status.stream = Some(stream.clone());
        }
        let mut before = std::mem::take(&mut board.shards);
        for Sighting { lease, .. } in sightings.values().filter(|seen| !seen.lease.is_finished()) {
            let ours = lease.owner.as_ref() == Some(me);
            let known = before.remove(&(lease.stream.clone(), lease.shard.clone()));
            let known = known.filter(|known| ours && known.ours);
            let (records, iterator_age, pending) = known
                .as_ref()
                .map_or((0, None, None), |k| (k.records, k.iterator_age, k.pending));
            let checkpoint = known.map_or(lease.checkpoint, |known| {
                known.checkpoint.max(lease.checkpoint)
            });
            let (owner, stopped) = (lease.owner.clone(), lease.stopped.clone());
            let (shard, epoch) = (lease.shard.clone(), lease.epoch);
            let status = ShardStatus {
                stream: lease.stream.clone(),
                shard,
                owner,
                epoch,
                checkpoint,
                ours,
                records,
                iterator_age,
                stopped,
                pending,
            };
            board.insert(status);
        }
    }

    /// A lease is ours.
    pub(crate) fn acquired(&self, lease: &Lease) {
        let status = ShardStatus {
            stream: lease.stream.clone(),
            shard: lease.shard.clone(),
            owner: lease.owner.clone(),
            epoch: lease.epoch,
            checkpoint: lease.checkpoint,
            ours: true,
            records: 0,
            iterator_age: None,
            stopped: None,
            pending: None,
        };
        self.lock().insert(status);
    }

    /// The worker was stopped in the middle of everything.
    pub(crate) fn abandon(&self) {
        let mut board = self.lock();
        board.status.worker = None;
        board.shards.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for StatusBoard {
    fn observe(&self, event: &Event) {
        let mut board = self.lock();
        let board = &mut *board;
        match event {
            Event::WorkerJoined { worker } => board.status.worker = Some(worker.clone()),
            Event::WorkerDemoted { .. } | Event::WorkerLeft { .. } => {
                board.status.worker = None;
                board.shards.clear();
            }
            Event::StreamChanged { stream } => board.status.stream = Some(stream.clone()),
            Event::LeaseLost { .. }
            | Event::ShardBlocked { .. }
            | Event::LeaseReleased { .. }
            | Event::ShardEnded { .. } => {
                if let Some(known) = board.ours(event) {
                    let of = (known.stream.clone(), known.shard.clone());
                    board.shards.remove(&of);
                }
            }
            Event::ShardStopped { .. }
            | Event::CheckpointStored { .. }
            | Event::BatchProcessed { .. }
            | Event::BatchFailed { .. }
            | Event::RetentionShort { .. }
            | Event::ProcessorPending { .. } => {
                if let Some(known) = board.ours(event) {
                    known.observe(event);
                }
            }
            Event::CallFailed {
                message, action, ..
            } => {
                board.failing = board.failing.saturating_add(1);
                board.status.troubles.push(format!("{action}: {message}"));
                let excess = board.status.troubles.len().saturating_sub(MAX_TROUBLES);
                board.status.troubles.drain(..excess);
            }
            _ => {}
        }
    }
}

impl ShardStatus {
    /// How long what follows the last acknowledged record is still kept by the service, at least; `None` where the age
    /// of that record is not known. It does not say that there is anything: a shard that became idle keeps what it had.
    #[must_use]
    pub fn retention_headroom(&self) -> Option<Duration> {
        Some(RETENTION.saturating_sub(self.iterator_age?))
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::ShardStopped { why, .. } => self.stopped = Some(why.clone()),
            Event::CheckpointStored { checkpoint, .. } => self.checkpoint = *checkpoint,
            Event::BatchProcessed {
                records,
                iterator_age,
                ..
            } => {
                self.records += u64::try_from(*records).unwrap_or(0);
                self.iterator_age = *iterator_age;
                self.pending = None;
            }
            Event::BatchFailed { .. } => self.pending = None,
            Event::RetentionShort { headroom, .. } => {
                self.iterator_age = Some(RETENTION.saturating_sub(*headroom));
            }
            Event::ProcessorPending { pending, .. } => self.pending = Some(*pending),
            _ => {}
        }
    }
}
