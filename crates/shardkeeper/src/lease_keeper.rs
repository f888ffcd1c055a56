//! Which leases are ours? Keeps one incarnation of a worker: joins, watches the others, takes what is free,
//! asks for its share, hands over what it was asked for, and leaves in order.
//!
//! What to take is decided by [`balance::plan`], who is alive by [`Watch`]; this file reads, acts and keeps
//! account of the tasks. A stale read can make it try the wrong thing, never do it: every write is conditional.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use shardkeeper_core::balance::{self, Claim, Limits, View};
use shardkeeper_core::consumer::Outcome;
use shardkeeper_core::event::{Acquired, Event};
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{Departure, Held, LEASE_ENTITY, Lease, Sighting, column};
use shardkeeper_core::lineage;
use shardkeeper_core::membership::{
    Fate, GroupRow, ReadAt, SCHEMA, Watch, WorkerRow, WorkerState, group_key, neighbours,
    worker_key,
};
use shardkeeper_core::ports::{Answer, LeaseStore, PortError};
use shardkeeper_core::row::{Row, RowKey};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::shard_consumer::{ConsumerWorld, Finished, Order, ShardConsumer};
use crate::shard_discovery::of_stream;
use crate::status::StatusBoard;

/// Takes that are under way at once.
const TAKES_AT_ONCE: usize = 16;
/// Finished consumers that wait to be noticed; a full channel makes them wait.
const FINISHED_AT_ONCE: usize = 64;
/// Workers that are buried or reaped in one round.
const BURIALS_AT_ONCE: usize = 10;

/// One incarnation at work.
pub(crate) struct LeaseKeeper {
    pub(crate) world: ConsumerWorld,
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) me: WorkerId,
    pub(crate) application: String,
    pub(crate) status: Arc<StatusBoard>,
    /// Tells discovery in which term it lists.
    pub(crate) term: watch::Sender<Option<u64>>,
    pub(crate) nudge: Arc<Notify>,

    watch: Watch,
    group: Option<GroupRow>,
    sightings: BTreeMap<RowKey, Sighting>,
    unreadable: BTreeSet<RowKey>,
    running: BTreeMap<RowKey, Running>,
    /// When leases were let go, as long as an older sweep could still show them as ours.
    let_go: BTreeMap<RowKey, Duration>,
    asked: Option<Asked>,
    swept_changes: Option<u64>,
    /// Something is left to do that no change of the table will announce.
    restless: bool,
    finished: mpsc::Receiver<Finished>,
    finish: mpsc::Sender<Finished>,
}

struct Running {
    orders: watch::Sender<Order>,
    /// Dropped with the keeper, so that a worker that is aborted leaves nothing behind.
    task: AbortOnDropHandle<()>,
}

/// A request of ours that is not answered yet.
struct Asked {
    key: RowKey,
    request_id: String,
    at: Duration,
}

/// Why an incarnation ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It handed everything over.
    Left,
    /// It gave itself up, or the grace of the shutdown was over.
    GivenUp,
    /// The table is not for us.
    Refused(String),
}

impl LeaseKeeper {
    pub(crate) fn new(
        world: ConsumerWorld,
        me: WorkerId,
        application: String,
        status: Arc<StatusBoard>,
        discovery: (watch::Sender<Option<u64>>, Arc<Notify>),
    ) -> Self {
        let (finish, finished) = mpsc::channel(FINISHED_AT_ONCE);
        let (term, nudge) = discovery;
        Self {
            store: Arc::clone(&world.writer.store),
            world,
            me,
            application,
            status,
            term,
            nudge,
            watch: Watch::default(),
            group: None,
            sightings: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            running: BTreeMap::new(),
            let_go: BTreeMap::new(),
            asked: None,
            swept_changes: None,
            restless: true,
            finished,
            finish,
        }
    }

    /// Works until the incarnation is over or `leave` is cancelled.
    pub(crate) async fn run(mut self, leave: &tokio_util::sync::CancellationToken) -> Ended {
        let mut inbox = self.world.standing.inbox();
        let mut next_look = Duration::ZERO;
        let mut next_sweep = Duration::ZERO;
        loop {
            self.world.standing.tick();
            self.world.standing.set_leases(self.running.len());
            let now = self.world.env.now();
            if now >= next_look {
                next_look = now + self.world.settings.watch_interval();
                match self.look().await {
                    Ok(None) => {}
                    Ok(Some(refused)) => return self.give_up(Ended::Refused(refused)).await,
                    Err(error) => self.told(&error),
                }
                if self.restless || self.changed() {
                    next_sweep = now;
                }
            }
            if now >= next_sweep {
                next_sweep = now + self.world.settings.sweep_interval;
                if let Err(error) = self.sweep().await {
                    self.told(&error);
                    next_sweep = now + self.world.settings.watch_interval();
                }
            }
            let env = self.world.env.clone();
            let standing = Arc::clone(&self.world.standing);
            let wait = next_look.min(next_sweep).saturating_sub(env.now());
            tokio::select! {
                biased;
                () = standing.over().cancelled() => return self.give_up(Ended::GivenUp).await,
                () = leave.cancelled() => return self.leave().await,
                Some(finished) = self.finished.recv() => self.take_note(finished).await,
                Ok(()) = inbox.changed() => next_sweep = Duration::ZERO,
                () = env.sleep(wait) => {}
            }
        }
    }

    fn emit(&self, event: &Event) {
        self.world.observers.emit(event);
    }

    fn told(&self, error: &PortError) {
        self.world.listing.told(error);
    }

    fn changed(&self) -> bool {
        self.group
            .as_ref()
            .is_some_and(|group| Some(group.changes) != self.swept_changes)
    }

    // --- watching the others -------------------------------------------------------------------

    /// Reads the group row and the rows of the neighbours. `Some` says why the table is not for us.
    async fn look(&mut self) -> Result<Option<String>, PortError> {
        let members = self
            .group
            .as_ref()
            .map(|group| group.members.clone())
            .unwrap_or_default();
        let leading = self.term.borrow().is_some();
        let watched = neighbours(&members, &self.me, leading);
        let keys: Vec<RowKey> = std::iter::once(group_key())
            .chain(watched.iter().take(99).map(worker_key))
            .collect();
        let sent = self.world.env.now();
        let rows = self.store.read(&keys).await?;
        let read = ReadAt {
            sent,
            received: self.world.env.now(),
        };
        if let Some(group) = rows.get(&group_key()).and_then(GroupRow::parse) {
            if let Some(refused) = refuse(&group, &self.application) {
                return Ok(Some(refused));
            }
            self.group = Some(group);
        }
        for id in watched.iter().take(99) {
            self.observe(
                id,
                rows.get(&worker_key(id))
                    .and_then(WorkerRow::parse)
                    .as_ref(),
                read,
            );
        }
        self.bury_the_dead().await;
        self.lead_if_nobody_does().await?;
        Ok(None)
    }

    fn observe(&mut self, id: &WorkerId, row: Option<&WorkerRow>, read: ReadAt) {
        let before = self.watch.fate(id);
        let fate = self
            .watch
            .observe(id, row, read, self.world.settings.lease_duration);
        if fate == Fate::Dead && before != Fate::Dead {
            self.emit(&Event::WorkerFoundDead { worker: id.clone() });
        }
        self.restless |= fate.is_over() && !before.is_over();
    }

    /// Tells the group of members that are over, so that nobody waits for them a second time.
    async fn bury_the_dead(&mut self) {
        let Some(group) = &self.group else { return };
        let over: Vec<WorkerId> = group
            .members
            .iter()
            .filter(|id| **id != self.me && self.watch.fate(id).is_over())
            .take(BURIALS_AT_ONCE)
            .cloned()
            .collect();
        for id in over {
            let mut writes = vec![GroupRow::strike(&id)];
            if let (Fate::Dead, Some(judged)) = (self.watch.fate(&id), self.watch.last_beat(&id)) {
                writes.push(WorkerRow::bury(&id, judged, &self.me));
            }
            if let Err(error) = self.store.write(&writes).await {
                self.told(&error);
            }
        }
    }

    /// Becomes the discoverer when there is none, or when it is over.
    async fn lead_if_nobody_does(&mut self) -> Result<(), PortError> {
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
            Some(id) => {
                self.watch.fate(id).is_over()
                    || self.watch.fate(id) == Fate::Leaving
                    || !group.members.contains(id)
            }
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

    // --- reading every lease -------------------------------------------------------------------

    async fn sweep(&mut self) -> Result<(), PortError> {
        let sent = self.world.env.now();
        let rows = self.store.sweep().await?;
        let read = ReadAt {
            sent,
            received: self.world.env.now(),
        };
        // What ended while the sweep was under way must not look like a late take of ours.
        while let Ok(finished) = self.finished.try_recv() {
            self.take_note(finished).await;
        }
        if let Some(group) = rows
            .iter()
            .find(|row| row.key == group_key())
            .and_then(GroupRow::parse)
        {
            self.swept_changes = Some(group.changes);
            self.group = Some(group);
        }
        self.sight(&rows, read.received);
        self.judge(&rows, read);
        self.serve_requests();
        self.notice_losses(read.sent);
        self.adopt(read.sent);
        self.let_go.retain(|_, at| *at >= read.sent);
        self.lapse().await;
        self.claim().await;
        self.status
            .swept(&self.me, &self.sightings, self.group.as_ref());
        Ok(())
    }

    /// What the rows say, and since when.
    fn sight(&mut self, rows: &[Row], now: Duration) {
        let mut before = std::mem::take(&mut self.sightings);
        for row in rows {
            let is_lease = row.text(column::ENTITY) == Some(LEASE_ENTITY);
            if !is_lease {
                continue;
            }
            match Lease::parse(row) {
                Ok(lease) => {
                    let same = before.remove(&row.key).filter(|seen| {
                        (&seen.lease.owner, seen.lease.epoch) == (&lease.owner, lease.epoch)
                    });
                    let first_seen = same.map_or(now, |seen| seen.first_seen);
                    self.unreadable.remove(&row.key);
                    self.sightings
                        .insert(row.key.clone(), Sighting { lease, first_seen });
                }
                Err(error) => {
                    if self.unreadable.insert(row.key.clone()) {
                        let (key, why) = (error.key.to_string(), error.why);
                        self.emit(&Event::LeaseUnreadable { key, why });
                    }
                }
            }
        }
    }

    /// Who of all that are named anywhere is alive?
    fn judge(&mut self, rows: &[Row], read: ReadAt) {
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
    fn serve_requests(&self) {
        for (key, running) in &self.running {
            let next = self
                .sightings
                .get(key)
                .and_then(|seen| seen.lease.next_owner.clone());
            if let Some(next) =
                next.filter(|next| self.watch.fate(next) == Fate::Alive && *next != self.me)
            {
                let order = Order::Leave(Departure::To(next));
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
    fn notice_losses(&self, sent: Duration) {
        for (key, running) in &self.running {
            let seen = self.sightings.get(key);
            let ours = seen.is_some_and(|seen| seen.lease.owner.as_ref() == Some(&self.me));
            // A lease that we took after the sweep was sent may not be in it yet.
            let stale = self.let_go.get(key).is_some_and(|at| *at >= sent);
            if !ours && !stale {
                running.orders.send_replace(Order::Lost);
            }
        }
    }

    /// Rows that name us and that nobody here reads: handed over, or a take whose answer was lost.
    fn adopt(&mut self, sent: Duration) {
        let ours: Vec<Lease> = self
            .sightings
            .iter()
            .filter(|(key, _)| !self.running.contains_key(*key))
            .filter(|(key, _)| self.let_go.get(*key).is_none_or(|at| *at < sent))
            .filter(|(_, seen)| {
                seen.lease.owner.as_ref() == Some(&self.me) && seen.lease.is_active()
            })
            .map(|(_, seen)| seen.lease.clone())
            .collect();
        for lease in ours {
            self.start(lease, &Acquired::HandedOver);
        }
    }

    // --- claiming ------------------------------------------------------------------------------

    /// Takes a request back that was not answered in time; forgets one that was.
    async fn lapse(&mut self) {
        let Some(asked) = &self.asked else { return };
        let open = self
            .sightings
            .get(&asked.key)
            .is_some_and(|seen| seen.lease.next_owner.as_ref() == Some(&self.me));
        let in_time = self.world.env.now() < asked.at + self.world.settings.hand_off_timeout;
        if open && in_time {
            return;
        }
        if open {
            let withdraw = Lease::withdraw(asked.key.clone(), &self.me, &asked.request_id);
            if let Err(error) = self.store.write(&[withdraw]).await {
                return self.told(&error);
            }
        }
        self.asked = None;
    }

    async fn claim(&mut self) {
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

    fn plan(&mut self) -> Vec<Claim> {
        let settings = &self.world.settings;
        let mut by_stream = BTreeMap::new();
        for seen in self.sightings.values() {
            by_stream
                .entry(seen.lease.stream.clone())
                .or_insert_with(Vec::new)
                .push(seen.lease.clone());
        }
        let trees: BTreeMap<_, _> = by_stream
            .into_iter()
            .map(|(stream, leases)| (stream.clone(), of_stream(leases, &stream)))
            .collect();
        let startable = |lease: &Lease| {
            lease.is_active()
                && trees
                    .get(&lease.stream)
                    .is_some_and(|tree| lineage::may_start(lease, tree))
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
        let env = self.world.env.clone();
        balance::plan(&view, &limits, &mut move || env.roll())
    }

    /// True while leases are unowned, owned by somebody who is no member, or spread unevenly.
    fn unsettled(&self, leases: &[Sighting], living: &[WorkerId]) -> bool {
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

    async fn request(&mut self, key: &RowKey, owner: &WorkerId) {
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
            request_id,
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
    async fn take(&self, lease: Lease) -> Option<(Lease, Acquired)> {
        let how = lease.owner.clone().map_or(Acquired::Free, Acquired::From);
        let write = lease.take(&self.me, &self.world.env.fresh_id());
        match self.store.write(std::slice::from_ref(&write)).await {
            Ok(Answer::Applied(rows)) => {
                let row = rows.into_iter().next().flatten()?;
                let taken = Lease::parse(&row).ok()?;
                (taken.owner.as_ref() == Some(&self.me)).then_some((taken, how))
            }
            Ok(_) => None,
            Err(error) => {
                self.told(&error);
                None
            }
        }
    }

    // --- the tasks -----------------------------------------------------------------------------

    fn start(&mut self, lease: Lease, how: &Acquired) {
        let Some(held) = lease.held_by(&self.me) else {
            return;
        };
        if self.running.contains_key(&lease.key) || !lease.is_active() {
            return;
        }
        let (shard, epoch, from) = (lease.shard.clone(), held.epoch(), lease.checkpoint);
        self.emit(&Event::LeaseAcquired {
            shard,
            epoch,
            from,
            how: how.clone(),
        });
        let key = lease.key.clone();
        let first_seen = self.world.env.now();
        self.sightings.insert(
            key.clone(),
            Sighting {
                lease: lease.clone(),
                first_seen,
            },
        );
        self.let_go.insert(key.clone(), first_seen);
        let task = self.spawn(held, lease, how);
        self.running.insert(key, task);
        self.world.standing.set_leases(self.running.len());
    }

    fn spawn(&self, held: Held, lease: Lease, how: &Acquired) -> Running {
        let (orders, obeyed) = watch::channel(Order::Stay);
        let consumer = ShardConsumer::new(self.world.clone(), held, lease, explain(how));
        let finish = self.finish.clone();
        let task = self.world.env.spawn(async move {
            let finished = consumer.run(obeyed).await;
            // Nobody listens any more when the incarnation is over.
            let _ = finish.send(finished).await;
        });
        Running {
            orders,
            task: AbortOnDropHandle::new(task),
        }
    }

    async fn take_note(&mut self, finished: Finished) {
        let Finished {
            lease,
            how,
            departure,
            born,
        } = finished;
        self.running.remove(&lease.key);
        self.let_go.insert(lease.key.clone(), self.world.env.now());
        match how {
            Outcome::Ended => {
                // Late children are discovery's to find.
                self.nudge.notify_one();
                for child in born {
                    self.start(child, &Acquired::Born);
                }
            }
            Outcome::Departed if departure == Some(Departure::Free) => self.announce().await,
            Outcome::Departed => {}
            Outcome::Lost => self.restless = true,
        }
        self.world.standing.set_leases(self.running.len());
    }

    async fn announce(&self) {
        if let Err(error) = self.store.write(&[GroupRow::announce()]).await {
            self.told(&error);
        }
    }

    // --- the end -------------------------------------------------------------------------------

    /// The incarnation no longer believes in itself: its tasks end, and nothing durable is done.
    async fn give_up(mut self, ended: Ended) -> Ended {
        self.world.standing.end("the incarnation was given up");
        let bound = self.world.settings.margin * 3;
        let env = self.world.env.clone();
        let _ = env.within(bound, self.drain()).await;
        self.abort();
        ended
    }

    async fn drain(&mut self) {
        while !self.running.is_empty() {
            let Some(finished) = self.finished.recv().await else {
                return;
            };
            self.running.remove(&finished.lease.key);
        }
    }

    fn abort(&mut self) -> usize {
        let left = std::mem::take(&mut self.running);
        for running in left.values() {
            running.task.abort();
        }
        left.len()
    }

    /// Leaves in order: finishes what is in hand, checkpoints, hands every lease to the least loaded living
    /// worker, and says so.
    async fn leave(mut self) -> Ended {
        self.world.standing.say(WorkerState::Leaving);
        let env = self.world.env.clone();
        let grace = self.world.settings.shutdown_grace;
        let standing = Arc::clone(&self.world.standing);
        let in_time = tokio::select! {
            biased;
            () = standing.over().cancelled() => None,
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

    async fn hand_everything_over(&mut self) {
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
                self.let_go
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

    async fn depart(&self, lease: Lease, departure: Departure) {
        if let Some(held) = lease.held_by(&self.me) {
            let _ = self
                .world
                .writer
                .depart(held, &lease.checkpoint, departure)
                .await;
        }
    }

    async fn rows_that_name_us(&self) -> Vec<Lease> {
        let mut retry = crate::retry::Retry::new(&self.world.env);
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

fn explain(how: &Acquired) -> &'static str {
    match how {
        Acquired::Free => "nobody owned the lease, so its stored checkpoint is where it goes on",
        Acquired::From(_) => {
            "its owner was dead or had left, so it goes on behind the last stored checkpoint"
        }
        Acquired::HandedOver => {
            "its owner finished its batch, stored its checkpoint and handed the lease over"
        }
        Acquired::Born => "its parent ended here and was acknowledged to its end",
        _ => "the lease came to this worker",
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
    (group.schema > SCHEMA).then(|| {
        format!(
            "the lease table has format {}, this version knows {SCHEMA}; upgrade this worker",
            group.schema
        )
    })
}
