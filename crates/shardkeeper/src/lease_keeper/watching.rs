//! Who of the others is alive, and who lists the stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardkeeper_core::event::Event;
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::membership::{
    Fate, GroupRow, ReadAt, SCHEMA, WorkerRow, group_key, neighbours, worker_key,
};
use shardkeeper_core::planted;
use shardkeeper_core::ports::{Answer, PortError};
use shardkeeper_core::row::{Row, RowKey};

use super::{Answered, LeaseKeeper, Reading};

/// Workers that are buried in one round.
const BURIALS_AT_ONCE: usize = 10;
/// Rows that one read may name.
pub(super) const READ_AT_ONCE: usize = 100;

/// The answer to a look.
pub(super) struct Looked {
    watched: Vec<WorkerId>,
    read: ReadAt,
    rows: Result<BTreeMap<RowKey, Row>, PortError>,
}

impl LeaseKeeper {
    /// Reads the group row and the rows of the neighbours.
    pub(super) fn look(&self) -> Reading {
        let members = self
            .group
            .iter()
            .flat_map(|group| group.members.iter().cloned())
            .collect();
        let leading = self.term.borrow().is_some();
        let watched = neighbours(&members, &self.me, leading);
        let keys: Vec<RowKey> = std::iter::once(group_key())
            .chain(watched.iter().map(worker_key))
            .collect();
        let (store, env) = (Arc::clone(&self.store), self.world.env.clone());
        Box::pin(async move {
            let sent = env.now();
            let mut rows = Ok(BTreeMap::new());
            for chunk in keys.chunks(READ_AT_ONCE) {
                let more = store.read(chunk).await;
                rows = rows.and_then(|mut rows: BTreeMap<RowKey, Row>| {
                    rows.extend(more?);
                    Ok(rows)
                });
            }
            let read = ReadAt {
                sent,
                received: env.now(),
            };
            Answered::Look(Looked {
                watched,
                read,
                rows,
            })
        })
    }

    /// Acts on a look. `Some` says why the table is not for us.
    pub(super) async fn looked(&mut self, looked: Looked) -> Result<Option<String>, PortError> {
        let Looked {
            watched,
            read,
            rows,
        } = looked;
        let rows = rows?;
        if let Some(group) = rows.get(&group_key()).and_then(GroupRow::parse) {
            if let Some(refused) = refuse(&group, &self.application) {
                self.raise_stopped_floor(&group).await;
                return Ok(Some(refused));
            }
            self.compare_groups(&group);
            if self.set_back.is_some() {
                return Ok(None);
            }
            self.enrol_again(&group).await;
            self.world.listing.turns.shared_by(group.members.len());
            self.group = Some(group);
        }
        for id in &watched {
            let row = rows.get(&worker_key(id)).and_then(WorkerRow::parse);
            self.observe(id, row.as_ref(), read);
        }
        if let Some(due) = self.watch.verdict_due(&watched, read) {
            self.look_at = self.look_at.min(due);
        }
        self.give_up_blocked().await;
        self.bury_the_dead().await;
        self.lead_if_nobody_does().await?;
        Ok(None)
    }

    /// The group may not show us: the answer to joining proved nothing, or we were struck off like whoever had our
    /// name before. Nobody would watch us, or give us anything.
    async fn enrol_again(&self, group: &GroupRow) {
        if group.members.contains(&self.me) || planted!(StruckOffUnnoticed) {
            return;
        }
        let enrol = [GroupRow::enrol(&self.me), WorkerRow::check_living(&self.me)];
        if let Err(error) = self.store.write(&enrol).await {
            self.told(&error);
        }
    }

    pub(super) fn observe(&mut self, id: &WorkerId, row: Option<&WorkerRow>, read: ReadAt) {
        let before = self.watch.fate(id);
        let fate = self
            .watch
            .observe(id, row, read, self.world.settings.lease_duration);
        if fate == Fate::Dead && before != Fate::Dead {
            self.emit(&Event::WorkerFoundDead { worker: id.clone() });
        }
        if fate.is_over() && !before.is_over() {
            self.hurry();
        }
    }

    /// Tells the group of members that are over, so that nobody waits for them a second time.
    pub(super) async fn bury_the_dead(&mut self) {
        let Some(group) = &self.group else { return };
        let over: Vec<WorkerId> = group
            .members
            .iter()
            .filter(|id| **id != self.me && self.watch.fate(id).is_over())
            .take(BURIALS_AT_ONCE)
            .cloned()
            .collect();
        for id in over {
            let over = match (self.watch.fate(&id), self.watch.last_beat(&id)) {
                (Fate::Dead, Some(judged)) => WorkerRow::bury(&id, judged, &self.me),
                _ => WorkerRow::check_gone(&id),
            };
            if let Err(error) = self.store.write(&[GroupRow::strike(&id), over]).await {
                // The next look goes on with the others.
                return self.told(&error);
            }
        }
    }

    /// Becomes the discoverer when there is none, or when it is over.
    pub(super) async fn lead_if_nobody_does(&mut self) -> Result<(), PortError> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        let vacant = match &group.discoverer {
            None => true,
            Some(id) if *id == self.me => {
                let term = Some(group.term);
                self.term
                    .send_if_modified(|now| std::mem::replace(now, term) != term);
                return Ok(());
            }
            Some(_) => group.is_leaderless(|id| self.watch.fate(id)),
        };
        self.term.send_if_modified(|now| now.take().is_some());
        if vacant && let Answer::Applied(rows) = self.store.write(&[group.lead(&self.me)]).await? {
            let group = rows
                .into_iter()
                .next()
                .flatten()
                .and_then(|row| GroupRow::parse(&row));
            if let Some(group) = group.filter(|group| group.discoverer.as_ref() == Some(&self.me)) {
                self.emit(&Event::DiscoveryTaken { term: group.term });
                self.term.send_replace(Some(group.term));
                self.group = Some(group);
            }
        }
        Ok(())
    }
}

/// Why a group is not ours.
pub(crate) fn refuse(group: &GroupRow, application: &str) -> Option<String> {
    if group.application != application {
        return Some(format!(
            "the lease table belongs to the application {:?}, not to {application:?}; give every application a table of its own",
            group.application
        ));
    }
    if let Some(why) = &group.stopped {
        return Some(why.clone());
    }
    (group.schema > SCHEMA).then(|| {
        format!(
            "the lease table has format {}, this version knows {SCHEMA}; upgrade this worker",
            group.schema
        )
    })
}
