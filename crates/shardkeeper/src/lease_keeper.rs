//! Which leases are ours? Keeps one incarnation of a worker: joins, watches the others, takes what is free,
//! asks for its share, hands over what it was asked for, and leaves in order.
//!
//! What to take is decided by [`balance::plan`], who is alive by [`Watch`]; this file reads, acts and keeps
//! account of the tasks. A stale read can make it try the wrong thing, never do it: every write is conditional.

mod at_work;
mod blocked;
mod claiming;
mod foreign;
mod leaving;
mod others;
mod restored;
mod sweeping;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use shardkeeper_core::consumer::Outcome;
use shardkeeper_core::event::{Acquired, Event};
use shardkeeper_core::ids::{ShardId, StreamArn, WorkerId};
use shardkeeper_core::lease::{Departure, Held, Lease, Sighting};
use shardkeeper_core::membership::{GroupRow, Watch};
use shardkeeper_core::planted;
use shardkeeper_core::ports::{FailureKind, LeaseStore, PortError};
use shardkeeper_core::reached::Reached;
use shardkeeper_core::row::RowKey;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::at_work::AtWork;
use self::sweeping::Swept;
use self::watching::Looked;
pub(crate) use self::watching::refuse;
use crate::memory::Memory;
use crate::pulse::Pulse;
use crate::shard_consumer::{ConsumerWorld, Finished, Order, ShardConsumer, under_way};
use crate::status::StatusBoard;

/// After a sweep for which the table was read so long, the next one waits so many times as long: a large table takes
/// seconds, and is not read without a pause, least of all while it cannot be read to its end.
const REST_OF_SWEEPS: u32 = 3;

/// Finished consumers that wait to be noticed; a full channel makes them wait.
const FINISHED_AT_ONCE: usize = 64;

/// One incarnation at work.
pub(crate) struct LeaseKeeper {
    pub(crate) world: ConsumerWorld,
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) me: WorkerId,
    pub(crate) application: String,
    pub(crate) status: Arc<StatusBoard>,
    /// Tells discovery in which term it lists.
    pub(crate) term: watch::Sender<Option<u64>>,
    nudges: Vec<Arc<Notify>>,
    /// Tables whose leases are left alone, as they were told.
    left_alone: BTreeSet<String>,
    /// Discovery made leases that anybody may take.
    found: Arc<Notify>,

    watch: Watch,
    group: Option<GroupRow>,
    sightings: BTreeMap<RowKey, Sighting>,
    unreadable: BTreeSet<RowKey>,
    running: BTreeMap<RowKey, Running>,
    /// Tasks that were not polled for long: their leases were let go, and are not ours again before they end.
    blocked: BTreeMap<RowKey, Running>,
    /// When leases were taken up or let go, as long as an older sweep could still show them otherwise.
    touched: BTreeMap<RowKey, Duration>,
    /// Workers that have left, and since when their rows were seen to say so.
    tombstones: BTreeMap<WorkerId, Duration>,
    asked: Option<Asked>,
    /// Leases that nobody takes and we must not, as they were last told.
    left_over: usize,
    /// What the process knows of the table beyond this incarnation.
    memory: Arc<Memory>,
    /// What it knew before this incarnation read the same itself.
    before: Reached,
    /// The table was set back in time: why this worker thinks so.
    set_back: Option<String>,
    /// The group's count of changes before the latest sweep.
    swept_changes: Option<u64>,
    look_at: Duration,
    /// The latest read was a look.
    looked_last: bool,
    sweep_at: Duration,
    /// A sweep that a change of the table asks for waits until then.
    rested_at: Duration,
    /// Something is left to do that no change of the table will announce.
    restless: bool,
    finished: mpsc::Receiver<Finished>,
    finish: mpsc::Sender<Finished>,
}

/// How an incarnation's keeper and its discovery talk to each other.
pub(crate) struct DiscoveryLine {
    /// In which term discovery lists; `None` while another worker does.
    pub(crate) term: watch::Sender<Option<u64>>,
    /// To discovery, one for each table: look now.
    pub(crate) nudges: Vec<Arc<Notify>>,
    /// To the keeper: leases were made.
    pub(crate) found: Arc<Notify>,
    /// What the process knows of the table: no new lease begins at or below an epoch that it has seen.
    pub(crate) memory: Arc<Memory>,
}

struct Running {
    epoch: u64,
    stream: StreamArn,
    shard: ShardId,
    pulse: Pulse,
    orders: watch::Sender<Order>,
    /// Dropped with the keeper, so that a worker that is aborted leaves nothing behind.
    task: AbortOnDropHandle<()>,
}

/// A request of ours that is not answered yet.
struct Asked {
    key: RowKey,
    /// `None`: we do not remember it.
    request_id: Option<String>,
    at: Duration,
}

/// A read of the table, under way.
type Reading = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// A read of the table that was answered.
enum Answered {
    Look(Looked),
    Sweep(Swept),
}

/// Why an incarnation ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It handed everything over.
    Left,
    /// It gave itself up, or the grace of the shutdown was over.
    GivenUp,
    /// Nothing will ever come of what the worker reads.
    Over,
    /// The table is not for us.
    Refused(String),
}

impl LeaseKeeper {
    pub(crate) fn new(
        world: ConsumerWorld,
        me: WorkerId,
        application: String,
        status: Arc<StatusBoard>,
        discovery: DiscoveryLine,
    ) -> Self {
        let (finish, finished) = mpsc::channel(FINISHED_AT_ONCE);
        let DiscoveryLine {
            term,
            nudges,
            found,
            memory,
        } = discovery;
        let store = Arc::new(AtWork {
            store: Arc::clone(&world.writer.store),
            env: world.env.clone(),
            standing: Arc::clone(&world.standing),
            patience: world.settings.patience(),
        });
        Self {
            store,
            world,
            me,
            application,
            status,
            term,
            nudges,
            left_alone: BTreeSet::new(),
            found,
            watch: Watch::default(),
            group: None,
            sightings: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            running: BTreeMap::new(),
            blocked: BTreeMap::new(),
            left_over: 0,
            before: memory.take(),
            memory,
            set_back: None,
            touched: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            look_at: Duration::ZERO,
            looked_last: false,
            sweep_at: Duration::ZERO,
            rested_at: Duration::ZERO,
            asked: None,
            swept_changes: None,
            restless: true,
            finished,
            finish,
        }
    }

    /// Works until the incarnation is over or `leave` is cancelled.
    ///
    /// At most one read of the table is under way at a time; what consumers report is taken note of
    /// meanwhile, so that a child starts at once however long a sweep takes.
    pub(crate) async fn run(mut self, leave: &CancellationToken) -> Ended {
        let mut inbox = self.world.standing.inbox();
        let mut reading: Option<Reading> = None;
        let (env, standing) = (self.world.env.clone(), Arc::clone(&self.world.standing));
        let found = Arc::clone(&self.found);
        loop {
            standing.tick();
            if reading.is_none() {
                reading = self.next_reading();
            }
            let wait = self.look_at.min(self.sweep_at).saturating_sub(env.now());
            tokio::select! {
                biased;
                () = standing.over().cancelled() => {
                    self.heed_the_beats();
                    let ended = self.stop_the_group().await.map_or(Ended::GivenUp, Ended::Refused);
                    return self.give_up(ended).await;
                }
                () = leave.cancelled() => return self.leave().await,
                Some(finished) = self.finished.recv() => self.take_note(finished).await,
                Ok(()) = inbox.changed() => self.sweep_at = Duration::ZERO,
                () = found.notified() => self.sweep_when_rested(),
                answered = under_way(&mut reading) => {
                    if let Some(refused) = self.answered(answered).await {
                        return self.give_up(Ended::Refused(refused)).await;
                    }
                    if self.is_over() {
                        return self.end().await;
                    }
                }
                () = env.sleep(wait), if reading.is_none() => {}
            }
        }
    }

    /// The read that is due, if one is. When both are they take turns: on a slow table a look is due again as soon
    /// as one was answered.
    fn next_reading(&mut self) -> Option<Reading> {
        let now = self.world.env.now();
        let (look, sweep) = (now >= self.look_at, now >= self.sweep_at);
        if look && (planted!(LooksBeforeSweeps) || !(sweep && self.looked_last)) {
            self.looked_last = true;
            self.look_at = now + self.world.settings.watch_interval();
            return Some(self.look());
        }
        self.looked_last = false;
        if !sweep {
            return None;
        }
        self.sweep_at = now + self.world.settings.sweep_interval;
        Some(self.sweep())
    }

    /// Acts on what was read. `Some` says why the table is not for us.
    async fn answered(&mut self, answered: Answered) -> Option<String> {
        match answered {
            Answered::Look(looked) => match self.looked(looked).await {
                Ok(None) if self.set_back.is_some() => return self.stop_the_group().await,
                Ok(None) if self.restless || self.changed() => self.sweep_when_rested(),
                Ok(refused) => return refused,
                Err(error) => self.failed(&error),
            },
            Answered::Sweep(swept) => {
                let swept = self.swept(swept).await;
                if self.set_back.is_some() {
                    return self.stop_the_group().await;
                }
                let again = self.world.env.now() + self.world.settings.watch_interval();
                let again = again.max(self.rested_at);
                if let Err(error) = swept {
                    self.failed(&error);
                    self.sweep_at = self.sweep_at.min(again);
                } else if let Some(asked) = &self.asked {
                    self.sweep_at = self.sweep_at.min(self.lapses_at(asked).max(again));
                }
            }
        }
        None
    }

    /// Leases are free that nobody else may have heard of: the next sweep waits for nothing.
    fn hurry(&mut self) {
        self.restless = true;
        self.rested_at = Duration::ZERO;
    }

    /// The table changed. A large one takes long to read, and while its leases are made or spread it changes all the time.
    fn sweep_when_rested(&mut self) {
        self.sweep_at = self.sweep_at.min(self.rested_at);
    }

    fn emit(&self, event: &Event) {
        self.world.observers.emit(event);
    }

    /// A look or a sweep came to nothing.
    fn failed(&mut self, error: &PortError) {
        if error.kind == FailureKind::NotFound {
            self.watch.table_was_away();
        }
        self.told(error);
    }

    fn told(&self, error: &PortError) {
        self.world.listing.told(error);
    }

    /// True when the group says that nothing will ever come of what this worker reads.
    fn is_over(&self) -> bool {
        let group = self.group.as_ref();
        group.is_some_and(|group| self.world.sources.are_over(group))
    }

    fn changed(&self) -> bool {
        self.group
            .as_ref()
            .is_some_and(|group| Some(group.changes) != self.swept_changes)
    }

    fn start(&mut self, lease: Lease, how: &Acquired) {
        let Some(held) = lease.held_by(&self.me) else {
            return;
        };
        if self.running.contains_key(&lease.key) || !lease.is_active() {
            return;
        }
        let (shard, epoch, from) = (lease.shard.clone(), held.epoch(), lease.checkpoint);
        self.status.acquired(&lease);
        self.emit(&Event::LeaseAcquired {
            stream: lease.stream.clone(),
            shard,
            epoch,
            from,
            how: how.clone(),
        });
        let key = lease.key.clone();
        self.memory.saw_epoch(epoch);
        let first_seen = self.world.env.now();
        self.sightings.insert(
            key.clone(),
            Sighting {
                lease: lease.clone(),
                first_seen,
            },
        );
        self.touched.insert(key.clone(), first_seen);
        let task = self.spawn(held, lease, how);
        self.running.insert(key, task);
        self.world.standing.set_leases(self.running.len());
    }

    fn spawn(&self, held: Held, lease: Lease, how: &Acquired) -> Running {
        let (orders, obeyed) = watch::channel(Order::Stay);
        let (epoch, stream, shard) = (held.epoch(), lease.stream.clone(), lease.shard.clone());
        let pulse = Pulse::new(&self.world.env);
        let (taken, interval) = (pulse.clone(), self.world.settings.lease_duration / 2);
        let ours = (held, lease.clone());
        let why = self.explain(&lease, how);
        let consumer = ShardConsumer::new(self.world.clone(), ours, &why, obeyed);
        let finish = self.finish.clone();
        let task = self.world.env.spawn(async move {
            // User code that is not a processor's future may panic here: the factory, a decision about lost
            // data, an observer. The shard begins again; its neighbours do not notice.
            let life = Box::pin(AssertUnwindSafe(consumer.run()).catch_unwind());
            let finished = taken
                .taken(interval, life)
                .await
                .unwrap_or_else(|_| Finished::by_panic(lease));
            // Nobody listens any more when the incarnation is over.
            let _ = finish.send(finished).await;
        });
        Running {
            epoch,
            stream,
            shard,
            pulse,
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
        if self.blocked.remove(&lease.key).is_none() {
            self.running.remove(&lease.key);
        }
        self.touched.insert(lease.key.clone(), self.world.env.now());
        match how {
            Outcome::Ended => {
                if born.is_empty() {
                    // Children that are listed late are discovery's to find.
                    self.nudges.iter().for_each(|nudge| nudge.notify_one());
                }
                for child in born {
                    // The end was in the table before its answer came, and a sweep may have found the child: what its
                    // lease says by now is for the next one to see.
                    let is_known =
                        |key| self.touched.contains_key(key) || self.sightings.contains_key(key);
                    if is_known(&child.key) {
                        self.restless = true;
                    } else {
                        self.start(child, &Acquired::Born);
                    }
                }
            }
            Outcome::Departed if departure == Some(Departure::Free) => self.announce().await,
            Outcome::Departed => {}
            Outcome::Lost => self.hurry(),
        }
        self.world.standing.set_leases(self.running.len());
    }

    fn explain(&self, lease: &Lease, how: &Acquired) -> String {
        let why = explain(how);
        // A child begins where its parent ended, whatever the user said.
        let ignored = match how {
            Acquired::Born => None,
            _ => self
                .world
                .start
                .why_ignored(&lease.shard, &lease.checkpoint),
        };
        ignored.map_or_else(|| why.to_owned(), |ignored| format!("{why}; {ignored}"))
    }

    async fn announce(&self) {
        if let Err(error) = self.store.write(&[GroupRow::announce()]).await {
            self.told(&error);
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
