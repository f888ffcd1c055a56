//! Takes what is free and asks for our share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use shardkeeper_core::balance::{self, Claim, Limits, View};
use shardkeeper_core::event::{Acquired, Event};
use shardkeeper_core::ids::{ShardId, StreamArn, WorkerId};
use shardkeeper_core::lease::{Lease, Sighting};
use shardkeeper_core::lineage;
use shardkeeper_core::membership::{Fate, WorkerRow};
use shardkeeper_core::planted;
use shardkeeper_core::ports::Answer;
use shardkeeper_core::row::RowKey;

use super::{Asked, LeaseKeeper};

/// Takes that are under way at once.
const TAKES_AT_ONCE: usize = 16;

impl LeaseKeeper {
    /// Takes a request back that was not answered in time; forgets one that was.
    pub(super) async fn lapse(&mut self) {
        self.asked = self.asked.take().or_else(|| self.asked_by_nobody());
        let Some(asked) = &self.asked else { return };
        let open = self
            .sightings
            .get(&asked.key)
            .is_some_and(|seen| seen.lease.next_owner.as_ref() == Some(&self.me));
        if open && self.world.env.now() < self.lapses_at(asked) {
            return;
        }
        if open {
            let id = asked.request_id.as_deref();
            let withdraw = Lease::withdraw(asked.key.clone(), &self.me, id);
            if let Err(error) = self.store.write(&[withdraw]).await {
                return self.told(&error);
            }
        }
        self.asked = None;
    }

    /// When a request has had its time.
    pub(super) fn lapses_at(&self, asked: &Asked) -> Duration {
        asked.at + self.world.settings.hand_off_timeout
    }

    /// A request in our name that we do not remember: its answer said that it was refused, it landed after we had taken it
    /// back, or we are a copy of the machine that made it. It counts as made now.
    fn asked_by_nobody(&self) -> Option<Asked> {
        let ours = |seen: &&Sighting| seen.lease.next_owner.as_ref() == Some(&self.me);
        let found = self.sightings.values().find(ours)?;
        Some(Asked {
            key: found.lease.key.clone(),
            request_id: None,
            at: self.world.env.now(),
        })
    }

    pub(super) async fn claim(&mut self) {
        let claims = self.plan();
        let mut takes = Vec::new();
        for claim in claims {
            match claim {
                Claim::Take(key) => {
                    takes.extend(self.sightings.get(&key).map(|seen| seen.lease.clone()))
                }
                Claim::Request { key, owner } => self.request(&key, &owner).await,
            }
        }
        let taken: Vec<(Lease, Acquired)> = futures_util::stream::iter(takes)
            .map(|lease| self.take(lease))
            .buffer_unordered(TAKES_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        for (lease, how) in taken {
            self.start(lease, &how);
        }
    }

    pub(super) fn plan(&mut self) -> Vec<Claim> {
        let settings = &self.world.settings;
        // A parent that is finished holds nobody back, no more than one without a lease.
        let all = self.sightings.values().map(|seen| &seen.lease);
        let by_shard: BTreeMap<(&StreamArn, &ShardId), &Lease> = all
            .filter(|lease| !lease.is_finished())
            .map(|lease| ((&lease.stream, &lease.shard), lease))
            .collect();
        let startable = |lease: &Lease| {
            let find = |parent: &ShardId| by_shard.get(&(&lease.stream, parent)).copied();
            lease.is_active()
                && self.world.sources.read(&lease.stream)
                && !self.blocked.contains_key(&lease.key)
                && lineage::may_start_among(lease, find)
        };
        let leases: Vec<Sighting> = self
            .sightings
            .values()
            .filter(|seen| startable(&seen.lease))
            .cloned()
            .collect();
        let members = self.group.iter().flat_map(|group| &group.members);
        let mut living: BTreeSet<WorkerId> = members
            .filter(|id| self.watch.fate(id) == Fate::Alive)
            .cloned()
            .collect();
        living.insert(self.me.clone());
        let living: Vec<WorkerId> = living.into_iter().collect();
        let named = leases
            .iter()
            .flat_map(|seen| seen.lease.owner.iter().chain(&seen.lease.next_owner));
        let over: BTreeSet<WorkerId> = named
            .filter(|id| self.watch.fate(id).is_over())
            .cloned()
            .collect();
        let view = View {
            me: &self.me,
            living: &living,
            leases: &leases,
            over: &over,
            now: self.world.env.now(),
        };
        let limits = Limits {
            max_leases: usize::try_from(settings.max_leases).unwrap_or(usize::MAX),
            residency: settings.lease_duration / 2,
            overdue: settings.lease_duration * 2,
            request_pending: self.asked.is_some(),
        };
        self.restless = self.unsettled(&leases, &living);
        let left = balance::left_over(&view, &limits);
        if std::mem::replace(&mut self.left_over, left) != left {
            let max_leases = limits.max_leases;
            self.emit(&Event::CapacityShort { left, max_leases });
        }
        let env = self.world.env.clone();
        balance::plan(&view, &limits, &mut move || env.roll())
    }

    /// True while leases are unowned, owned by somebody who is no member, or spread unevenly.
    pub(super) fn unsettled(&self, leases: &[Sighting], living: &[WorkerId]) -> bool {
        let owned_by = |id: &WorkerId| {
            leases
                .iter()
                .filter(|seen| seen.lease.owner.as_ref() == Some(id))
                .count()
        };
        let counts: Vec<usize> = living.iter().map(owned_by).collect();
        let all_owned = counts.iter().sum::<usize>() == leases.len();
        let (least, most) = (
            counts.iter().min().unwrap_or(&0),
            counts.iter().max().unwrap_or(&0),
        );
        !all_owned || most - least >= 2
    }

    pub(super) async fn request(&mut self, key: &RowKey, owner: &WorkerId) {
        let Some(seen) = self.sightings.get(key) else {
            return;
        };
        let request_id = self.world.env.fresh_id();
        let writes = [
            seen.lease.request(&self.me, &request_id),
            WorkerRow::bump(owner),
        ];
        let asked = Asked {
            key: key.clone(),
            request_id: Some(request_id),
            at: self.world.env.now(),
        };
        match self.store.write(&writes).await {
            Ok(Answer::Applied(_)) => {
                self.emit(&Event::LeaseRequested {
                    lease: key.to_string(),
                    owner: owner.clone(),
                });
                self.asked = Some(asked);
            }
            Ok(Answer::Refused(_) | Answer::Conflict) => {}
            Err(error) => {
                self.told(&error);
                // It may have been applied: remember it, so that it lapses.
                self.asked = error.is_ambiguous().then_some(asked);
            }
        }
    }

    /// One attempt to take a lease. A take whose answer is lost is found by a later sweep and adopted.
    pub(super) async fn take(&self, lease: Lease) -> Option<(Lease, Acquired)> {
        let how = lease.owner.clone().map_or(Acquired::Free, Acquired::From);
        let write = lease.take(&self.me, &self.world.env.fresh_id());
        match self.store.write(std::slice::from_ref(&write)).await {
            Ok(Answer::Applied(rows)) => {
                let row = rows.into_iter().next().flatten()?;
                let taken = Lease::parse(&row).ok()?;
                let taken = Lease {
                    checkpoint: if planted!(StartFromRead) {
                        lease.checkpoint
                    } else {
                        taken.checkpoint
                    },
                    ..taken
                };
                (taken.owner.as_ref() == Some(&self.me)).then_some((taken, how))
            }
            Ok(_) => None,
            Err(error) => {
                self.told(&error);
                None
            }
        }
    }
}
