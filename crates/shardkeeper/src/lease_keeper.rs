//! Which leases are ours? Keeps one incarnation of a worker: joins, watches the others, takes what is free,
//! asks for its share, hands over what it was asked for, and leaves in order.
//!
//! What to take is decided by [`balance::plan`], who is alive by [`Watch`]; this file reads, acts and keeps
//! account of the tasks. A stale read can make it try the wrong thing, never do it: every write is conditional.

mod claiming;
mod leaving;
mod sweeping;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shardkeeper_core::consumer::Outcome;
use shardkeeper_core::event::{Acquired, Event};
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::{Departure, Held, Lease, Sighting};
use shardkeeper_core::membership::{GroupRow, Watch};
use shardkeeper_core::ports::{LeaseStore, PortError};
use shardkeeper_core::row::RowKey;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::watching::refuse;
use crate::shard_consumer::{ConsumerWorld, Finished, Order, ShardConsumer};
use crate::status::StatusBoard;

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
    pub(crate) async fn run(mut self, leave: &CancellationToken) -> Ended {
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
