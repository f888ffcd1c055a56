//! Reads every row, and acts on what it sees: requests, losses, late takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shardkeeper_core::custody::{Moments, asker, is_lost, is_to_adopt};
use shardkeeper_core::event::{Acquired, Event};
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::kcl;
use shardkeeper_core::lease::{Departure, LEASE_ENTITY, Lease, Sighting, column};
use shardkeeper_core::membership::{Fate, GroupRow, ReadAt, WorkerRow, WorkerState, group_key};
use shardkeeper_core::planted;
use shardkeeper_core::ports::PortError;
use shardkeeper_core::row::{Row, RowKey};

use super::foreign::by_stranger;
use super::{Answered, LeaseKeeper, REST_OF_SWEEPS, Reading};
use crate::env::in_parts;
use crate::shard_consumer::Order;

/// Rows of workers that left, removed after one sweep.
const REAPED_AT_ONCE: usize = 10;

/// The answer to a sweep.
pub(super) struct Swept {
    changes: Option<u64>,
    read: ReadAt,
    rows: Result<Vec<Row>, PortError>,
}

impl LeaseKeeper {
    /// Reads every row.
    pub(super) fn sweep(&self) -> Reading {
        let (store, env) = (Arc::clone(&self.store), self.world.env.clone());
        // A sweep is no snapshot: a change that is announced while it runs may have been missed by it.
        let changes = self.group.as_ref().map(|group| group.changes);
        Box::pin(async move {
            let sent = env.now();
            let rows = store.sweep().await;
            let read = ReadAt {
                sent,
                received: env.now(),
            };
            Answered::Sweep(Swept {
                changes,
                read,
                rows,
            })
        })
    }

    /// Acts on a sweep.
    pub(super) async fn swept(&mut self, swept: Swept) -> Result<(), PortError> {
        let Swept {
            changes,
            read,
            rows,
        } = swept;
        let rest = read.received.saturating_sub(read.sent) * REST_OF_SWEEPS;
        self.rested_at = read.received + rest.min(self.world.settings.lease_duration / 2);
        let rows = rows?;
        // What ended while the sweep was under way must not look like a late take of ours.
        while let Ok(finished) = self.finished.try_recv() {
            self.take_note(finished).await;
        }
        self.swept_changes = changes;
        let (rows, foreign) = self.sight_all(rows, read).await;
        let group = rows.iter().find(|row| row.key == group_key());
        if let Some(group) = group.and_then(GroupRow::parse) {
            self.compare_groups(&group);
        }
        if self.set_back.is_some() {
            // Whatever is taken now would be taken with a token that was used.
            return Ok(());
        }
        self.judge(&rows, read);
        self.leave_alone().await;
        self.serve_requests();
        self.notice_losses(read.sent);
        self.adopt(read.sent);
        self.touched.retain(|_, at| *at >= read.sent);
        self.stop_foreign(foreign).await;
        self.lapse().await;
        self.claim().await;
        self.reap(&rows, read.received).await;
        self.status
            .swept(&self.me, &self.sightings, self.group.as_ref());
        Ok(())
    }

    /// The discoverer removes the rows of workers that left long ago, because everybody has seen them by then, and
    /// of those that died before they became members: nobody buries what is no member.
    async fn reap(&mut self, rows: &[Row], now: Duration) {
        let leading = self.term.borrow().is_some();
        let left = |row: &WorkerRow| row.state == WorkerState::Left;
        let workers = || rows.iter().filter_map(WorkerRow::parse);
        let left: BTreeMap<WorkerId, WorkerRow> = workers()
            .filter(left)
            .map(|row| (row.id.clone(), row))
            .collect();
        self.tombstones.retain(|id, _| left.contains_key(id));
        for id in left.keys() {
            self.tombstones.entry(id.clone()).or_insert(now);
        }
        if !leading {
            return;
        }
        let age = |since: &Duration| now.saturating_sub(*since);
        let old = |row: &&WorkerRow| {
            self.tombstones
                .get(&row.id)
                .is_some_and(|since| age(since) >= row.lease_duration * 2)
        };
        let members = self.group.as_ref().map(|group| &group.members);
        let stillborn = |row: &WorkerRow| {
            // One that was buried has just been struck off, and the others have yet to see that it is over.
            let fate = self.watch.fate(&row.id);
            let is_dead = row.state != WorkerState::Left && fate == Fate::Dead;
            members.is_some_and(|members| !members.contains(&row.id))
                && (is_dead || (planted!(ReapsTheBuried) && fate.is_over()))
        };
        let old = left.values().filter(old).cloned();
        let gone: Vec<WorkerRow> = old
            .chain(workers().filter(stillborn))
            .take(REAPED_AT_ONCE)
            .collect();
        for row in gone {
            if let Err(error) = self
                .store
                .write(&[WorkerRow::reap(&row.id, &row.beat_id)])
                .await
            {
                return self.told(&error);
            }
        }
    }

    /// Takes in every row, a part at a time. What is left: the rows that are no leases, and the leases that strangers wrote.
    async fn sight_all(&mut self, rows: Vec<Row>, read: ReadAt) -> (Vec<Row>, Vec<Lease>) {
        let mut before = std::mem::take(&mut self.sightings);
        let (mut others, mut foreign) = (Vec::new(), Vec::new());
        let look = |row: Row| {
            if row.text(column::ENTITY) == Some(LEASE_ENTITY) {
                foreign.extend(self.sight(&row, &mut before, read));
            } else {
                others.push(row);
            }
        };
        in_parts(rows, look).await;
        self.before.epochs.clear();
        (others, foreign)
    }

    /// What a row of a lease says, and since when. The lease, if a stranger wrote it since it was seen last.
    fn sight(
        &mut self,
        row: &Row,
        before: &mut BTreeMap<RowKey, Sighting>,
        read: ReadAt,
    ) -> Option<Lease> {
        // What KCL wrote is discovery's to tell and to adopt.
        if kcl::is_lease(row) {
            return None;
        }
        let lease = match Lease::parse(row) {
            Ok(lease) => lease,
            Err(error) => {
                if self.unreadable.insert(row.key.clone()) {
                    let (key, why) = (error.key.to_string(), error.why);
                    self.emit(&Event::LeaseUnreadable { key, why });
                }
                return None;
            }
        };
        let known = before.remove(&row.key);
        // What we took up after the sweep was sent may not be in it yet.
        let stale = self
            .touched
            .get(&row.key)
            .is_some_and(|at| *at >= read.sent);
        let epoch = known.as_ref().map(|seen| seen.lease.epoch);
        let epoch = epoch.or_else(|| self.before.epochs.get(&row.key).copied());
        self.compare(&lease, epoch.filter(|_| !stale));
        let foreign = known
            .as_ref()
            .and_then(|seen| by_stranger(&seen.lease, &lease));
        let same = known
            .filter(|seen| (&seen.lease.owner, seen.lease.epoch) == (&lease.owner, lease.epoch));
        let first_seen = same.map_or(read.received, |seen| seen.first_seen);
        self.unreadable.remove(&row.key);
        let sighting = Sighting { lease, first_seen };
        self.sightings.insert(row.key.clone(), sighting);
        foreign
    }

    /// Who of all that are named anywhere is alive?
    pub(super) fn judge(&mut self, rows: &[Row], read: ReadAt) {
        let workers: BTreeMap<WorkerId, WorkerRow> = rows
            .iter()
            .filter_map(WorkerRow::parse)
            .map(|row| (row.id.clone(), row))
            .collect();
        let leases = self.sightings.values().map(|seen| &seen.lease);
        let named = leases
            .flat_map(|lease| lease.owner.iter().chain(&lease.next_owner))
            .cloned();
        let members = self
            .group
            .iter()
            .flat_map(|group| group.members.iter().cloned());
        let all: BTreeSet<WorkerId> = workers
            .keys()
            .cloned()
            .chain(named)
            .chain(members)
            .collect();
        let me = self.me.clone();
        for id in all.iter().filter(|id| **id != me) {
            self.observe(id, workers.get(id), read);
        }
        self.watch.keep_only(&all);
    }

    /// Hands over what living workers asked for.
    pub(super) fn serve_requests(&self) {
        for (key, running) in &self.running {
            let seen = self.sightings.get(key);
            let fate = |id: &WorkerId| self.watch.fate(id);
            if let Some(next) = seen.and_then(|seen| asker(&seen.lease, &self.me, fate)) {
                let order = Order::Leave(Departure::To(next.clone()));
                running.orders.send_if_modified(|now| {
                    let fresh = *now == Order::Stay;
                    if fresh {
                        *now = order;
                    }
                    fresh
                });
            }
        }
    }

    /// Rows that name somebody else, or are gone, though we hold them: an idle shard would not notice.
    pub(super) fn notice_losses(&self, sent: Duration) {
        for (key, running) in &self.running {
            let row = self.sightings.get(key).map(|seen| &seen.lease);
            if is_lost(row, &self.me, self.moments(key, sent)) {
                running.orders.send_replace(Order::Lost);
            }
        }
    }

    /// Rows that name us and that nobody here reads: handed over, or a take whose answer was lost.
    pub(super) fn adopt(&mut self, sent: Duration) {
        let ours: Vec<Lease> = self
            .sightings
            .iter()
            .filter(|(key, _)| !self.running.contains_key(*key) && !self.blocked.contains_key(*key))
            .filter(|(_, seen)| self.world.sources.read(&seen.lease.stream))
            .filter(|(key, seen)| is_to_adopt(&seen.lease, &self.me, self.moments(key, sent)))
            .map(|(_, seen)| seen.lease.clone())
            .collect();
        for lease in ours {
            self.start(lease, &Acquired::HandedOver);
        }
    }

    fn moments(&self, key: &RowKey, sent: Duration) -> Moments {
        let touched = self.touched.get(key).copied();
        Moments { touched, sent }
    }
}
