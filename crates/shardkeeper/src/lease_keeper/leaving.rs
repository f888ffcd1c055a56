//! How an incarnation ends: in order, by a deadline (G10, L5), or given up.

use std::sync::Arc;
use std::time::Duration;

use shardkeeper_core::event::Event;
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{Departure, Lease};
use shardkeeper_core::membership::{
    Fate, GroupRow, ReadAt, WorkerRow, WorkerState, group_key, worker_key,
};
use shardkeeper_core::planted;
use shardkeeper_core::ports::PortError;
use shardkeeper_core::row::RowKey;

use super::at_work::still_at_work;
use super::watching::READ_AT_ONCE;
use super::{Ended, LeaseKeeper};
use crate::retry::Retry;
use crate::shard_consumer::Order;

impl LeaseKeeper {
    /// The incarnation no longer believes in itself: its tasks end, and nothing durable is done.
    pub(super) async fn give_up(mut self, ended: Ended) -> Ended {
        self.world.standing.end("the incarnation was given up");
        let bound = self.world.settings.margin * 3;
        let env = self.world.env.clone();
        let _ = env.within(bound, self.drain()).await;
        self.abort();
        let reached = self.reached();
        self.memory.keep(reached);
        ended
    }

    pub(super) async fn drain(&mut self) {
        while !self.running.is_empty() {
            let Some(finished) = self.finished.recv().await else {
                return;
            };
            self.running.remove(&finished.lease.key);
        }
    }

    pub(super) fn abort(&mut self) -> usize {
        let left = std::mem::take(&mut self.running);
        for running in left.values() {
            running.task.abort();
        }
        left.len()
    }

    /// Leaves because nothing will ever come.
    pub(super) async fn end(self) -> Ended {
        self.leave().await;
        Ended::Over
    }

    /// Leaves in order: finishes what is in hand, checkpoints, hands every lease to the least loaded living
    /// worker, and says so.
    pub(super) async fn leave(mut self) -> Ended {
        self.world.standing.say(WorkerState::Leaving);
        let env = self.world.env.clone();
        let grace = if planted!(ShutdownWaitsForEver) {
            Duration::from_secs(24 * 60 * 60)
        } else {
            self.world.settings.shutdown_grace
        };
        let standing = Arc::clone(&self.world.standing);
        let in_time = tokio::select! {
            biased;
            () = standing.over().cancelled() => None,
            () = still_at_work(&env, &standing) => None,
            done = env.within(grace, self.hand_everything_over()) => done,
        };
        let abandoned = self.abort();
        if in_time.is_none() || abandoned > 0 {
            // What is still being processed keeps its row until it expires: nobody may start it early.
            self.emit(&Event::WorkerLeft {
                worker: self.me.clone(),
                abandoned,
            });
            self.world
                .standing
                .end("the worker was shut down before everything was handed over");
            return Ended::GivenUp;
        }
        self.world.standing.say(WorkerState::Left);
        let _ = env
            .within(
                self.world.settings.call_timeout,
                standing.over().cancelled(),
            )
            .await;
        self.world.standing.end("the worker has left");
        if let Err(error) = self.store.write(&[GroupRow::strike(&self.me)]).await {
            self.told(&error);
        }
        self.emit(&Event::WorkerLeft {
            worker: self.me.clone(),
            abandoned: 0,
        });
        Ended::Left
    }

    /// Who is there to take over? The latest look may be a watch interval old, and a deploy starts the next worker
    /// moments before it ends this one.
    async fn look_around(&mut self) -> Result<(), PortError> {
        let group = self.store.read(&[group_key()]).await?;
        let Some(group) = group.values().next().and_then(GroupRow::parse) else {
            return Ok(());
        };
        let keys: Vec<RowKey> = group.members.iter().map(worker_key).collect();
        for keys in keys.chunks(READ_AT_ONCE) {
            let sent = self.world.env.now();
            let rows = self.store.read(keys).await?;
            let received = self.world.env.now();
            for worker in rows.values().filter_map(WorkerRow::parse) {
                self.observe(&worker.id, Some(&worker), ReadAt { sent, received });
            }
        }
        self.group = Some(group);
        Ok(())
    }

    pub(super) async fn hand_everything_over(&mut self) {
        let (env, bound) = (self.world.env.clone(), self.world.settings.beat_timeout());
        if let Some(Err(error)) = env.within(bound, self.look_around()).await {
            self.told(&error);
        }
        let mut targets = Targets::new(self);
        for running in self.running.values() {
            running.orders.send_replace(Order::Leave(targets.next()));
        }
        let mut freed = false;
        loop {
            while !self.running.is_empty() {
                let Some(finished) = self.finished.recv().await else {
                    return;
                };
                self.running.remove(&finished.lease.key);
                freed |= finished.departure == Some(Departure::Free);
                self.touched
                    .insert(finished.lease.key.clone(), self.world.env.now());
                for child in finished.born {
                    self.depart(child, targets.next()).await;
                }
            }
            let ours = self.rows_that_name_us().await;
            if ours.is_empty() {
                break;
            }
            for lease in ours {
                let departure = targets.next();
                freed |= departure == Departure::Free;
                self.depart(lease, departure).await;
            }
        }
        if freed {
            self.announce().await;
        }
    }

    pub(super) async fn depart(&self, lease: Lease, departure: Departure) {
        if let Some(held) = lease.held_by(&self.me) {
            let _ = self
                .world
                .writer
                .depart(held, &lease.checkpoint, departure)
                .await;
        }
    }

    pub(super) async fn rows_that_name_us(&self) -> Vec<Lease> {
        let mut retry = Retry::new(&self.world.env);
        loop {
            match self.store.sweep().await {
                Ok(rows) => {
                    let leases = rows.iter().filter_map(|row| Lease::parse(row).ok());
                    return leases
                        .filter(|lease| lease.owner.as_ref() == Some(&self.me))
                        .collect();
                }
                Err(error) => {
                    self.told(&error);
                    retry.pause().await;
                }
            }
        }
    }
}

/// Whom to give leases when leaving: always the least loaded living worker.
struct Targets(Vec<(u64, WorkerId)>);

impl Targets {
    fn new(keeper: &LeaseKeeper) -> Self {
        let members = keeper.group.iter().flat_map(|group| &group.members);
        let others = members.filter(|id| **id != keeper.me && keeper.watch.fate(id) == Fate::Alive);
        Self(
            others
                .map(|id| (keeper.watch.leases(id), id.clone()))
                .collect(),
        )
    }

    fn next(&mut self) -> Departure {
        match self.0.iter_mut().min() {
            Some((load, id)) => {
                *load += 1;
                Departure::To(id.clone())
            }
            None => Departure::Free,
        }
    }
}
