//! The lives of one worker: joins as a new incarnation, works, and begins again when it gave itself up.

use std::sync::Arc;

use shardkeeper_core::event::Event;
use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::Lease;
use shardkeeper_core::membership::{GroupRow, WorkerRow, group_key, worker_key};
use shardkeeper_core::planted;
use shardkeeper_core::ports::{Answer, LeaseStore, PortError, StreamSource};
use shardkeeper_core::reached::Reached;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::beater::Beater;
use crate::env::Env;
use crate::error::{Error, ErrorKind};
use crate::fetch_budget::FetchBudget;
use crate::group_stop::{GroupStop, why_stopped};
use crate::lease_keeper::{DiscoveryLine, Ended, LeaseKeeper, refuse};
use crate::lease_writer::LeaseWriter;
use crate::listing::Listing;
use crate::memory::Memory;
use crate::observer::Observers;
use crate::processor::{Factory, OnDataLoss};
use crate::retry::Retry;
use crate::settings::Settings;
use crate::shard_consumer::ConsumerWorld;
use crate::shard_discovery::{ShardDiscovery, StartPosition, Stragglers};
use crate::shard_reader::ReaderWorld;
use crate::sources::Sources;
use crate::standing::Standing;
use crate::status::StatusBoard;
use crate::worker::Outcome;

/// Everything a worker is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) application: String,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) env: Env,
    pub(crate) settings: Arc<Settings>,
    pub(crate) source: Arc<dyn StreamSource>,
    pub(crate) store: Arc<dyn LeaseStore>,
    /// For beats alone, so that nothing else can hold them up.
    pub(crate) beat_store: Arc<dyn LeaseStore>,
    pub(crate) sources: Sources,
    pub(crate) start: StartPosition,
    pub(crate) observers: Observers,
    pub(crate) status: Arc<StatusBoard>,
    pub(crate) on_data_loss: OnDataLoss,
    /// One for all incarnations: pages of a former one may still be in a processor.
    pub(crate) budget: FetchBudget,
    /// What any incarnation of this worker ever saw of the table.
    pub(crate) memory: Arc<Memory>,
}

/// What became of joining.
enum Begun {
    Joined(Joined),
    /// The worker was told to leave before that.
    Told,
    /// There is nothing to join for: nothing will ever come of what the worker reads.
    Over,
}

/// An incarnation that is a member of its group.
struct Joined {
    me: WorkerId,
    standing: Arc<Standing>,
    /// The beat that its row was created with.
    beat_id: String,
}

impl Parts {
    /// Lives until `leave` is cancelled or nothing will come any more, as many incarnations as it takes.
    pub(crate) async fn live(
        self,
        factory: Factory,
        leave: CancellationToken,
    ) -> Result<Outcome, Error> {
        let mut retry = Retry::new(&self.env);
        loop {
            let joined = match self.join(&leave).await? {
                Begun::Joined(joined) => joined,
                Begun::Told => return Ok(Outcome::Left),
                Begun::Over => return Ok(self.ended()),
            };
            retry.succeeded();
            let ended = self.incarnation(&joined, &factory, &leave).await?;
            match ended {
                Ended::Refused(why) => return Err(Error::new(ErrorKind::Invalid, why)),
                Ended::Over => return Ok(self.ended()),
                Ended::Left => return Ok(Outcome::Left),
                Ended::GivenUp if leave.is_cancelled() => return Ok(Outcome::Left),
                Ended::GivenUp => {
                    let why = joined.standing.why().to_owned();
                    let worker = joined.me;
                    self.observers.emit(&Event::WorkerDemoted { worker, why });
                    retry.pause().await;
                }
            }
        }
    }

    /// Says which streams are over.
    fn ended(&self) -> Outcome {
        for stream in self.sources.pinned() {
            let stream = stream.clone();
            self.observers.emit(&Event::StreamEnded { stream });
        }
        Outcome::StreamEnded
    }

    /// Becomes a member under a new incarnation.
    async fn join(&self, leave: &CancellationToken) -> Result<Begun, Error> {
        let mut retry = Retry::new(&self.env);
        loop {
            let attempt = async {
                let joined = self.try_to_join().await;
                if matches!(joined, Err(Joining::Failed(_))) {
                    retry.pause().await;
                }
                joined
            };
            let joined = tokio::select! {
                biased;
                () = leave.cancelled() => return Ok(Begun::Told),
                joined = attempt => joined,
            };
            match joined {
                Ok(joined) => return Ok(Begun::Joined(joined)),
                Err(Joining::Over) => return Ok(Begun::Over),
                Err(Joining::Refused(why)) => return Err(Error::new(ErrorKind::Invalid, why)),
                Err(Joining::Failed(error)) => self.observers.call_failed(&error),
            }
        }
    }

    async fn try_to_join(&self) -> Result<Joined, Joining> {
        self.found_group().await?;
        let same = planted!(SameIdAccepted);
        let me = WorkerId::new(&self.name, if same { 0 } else { self.env.fresh_bits() });
        let beat_id = self.env.fresh_beat();
        let standing = Arc::new(Standing::new(&self.env));
        let sent = self.env.now();
        let lease_duration = self.settings.lease_duration;
        let join = WorkerRow::join(&me, &self.host, lease_duration, &beat_id);
        if !self.settle(&[join]).await? {
            // Applied although its answer was lost, or a collision of 128 random bits: look.
            let rows = self
                .store
                .read(&[worker_key(&me)])
                .await
                .map_err(Joining::Failed)?;
            let row = rows.values().next().and_then(WorkerRow::parse);
            if row.is_none_or(|row| row.beat_id != beat_id) && !same {
                return Err(Joining::Failed(unexpected(
                    "the worker's row could not be created",
                )));
            }
        }
        standing.begin(sent + lease_duration.saturating_sub(self.settings.margin));
        // The first look tells whether it came to something. The row that is left behind otherwise is reaped.
        if !self.settle(&[GroupRow::enrol(&me)]).await? {
            return Err(Joining::Failed(unexpected(
                "the group row was gone when the worker joined",
            )));
        }
        Ok(Joined {
            me,
            standing,
            beat_id,
        })
    }

    /// Makes sure that the table is marked as this application's.
    async fn found_group(&self) -> Result<(), Joining> {
        self.adopt_kcl().await?;
        let rows = self
            .store
            .read(&[group_key()])
            .await
            .map_err(Joining::Failed)?;
        if let Some(group) = rows.values().next().and_then(GroupRow::parse) {
            return self.accept(&group).await;
        }
        let found = GroupRow::found(&self.application, self.source.service_time());
        self.settle(&[found]).await?;
        let rows = self
            .store
            .read(&[group_key()])
            .await
            .map_err(Joining::Failed)?;
        match rows.values().next().and_then(GroupRow::parse) {
            Some(group) => self.accept(&group).await,
            None => Err(Joining::Failed(unexpected(DAMAGED_GROUP))),
        }
    }

    /// Is the table this application's, and the application this stream's? The leases say it before the
    /// group row does: a stream is marked as listed only when a later listing finds it leased. And is it ahead of what a
    /// former incarnation saw?
    pub(crate) async fn accept(&self, group: &GroupRow) -> Result<(), Joining> {
        self.raise_stopped_floor(group).await?;
        let rows = self.store.sweep().await.map_err(Joining::Failed)?;
        let leases = rows.iter().filter_map(|row| Lease::parse(row).ok());
        let leases: Vec<Lease> = leases.collect();
        let refused = refuse(group, &self.application).or_else(|| {
            let streams = leases.iter().map(|lease| lease.stream.clone());
            self.sources.refused_by(group, streams)
        });
        if let Some(why) = refused {
            return Err(Joining::Refused(why));
        }
        if let Some(fell) = self.memory.compare(Reached::of(group, &leases)) {
            return Err(self.stop_the_group(why_stopped(&fell)).await);
        }
        if self.sources.are_over(group) {
            return Err(Joining::Over);
        }
        Ok(())
    }

    /// What fell is still known when this has failed, and falls again in the next attempt to join.
    async fn stop_the_group(&self, why: String) -> Joining {
        match self.group_stop().write(&why).await {
            Ok(true) => {
                let told = why.clone();
                self.observers.emit(&Event::GroupStopped { why: told });
                Joining::Refused(why)
            }
            Ok(false) => Joining::Failed(unexpected(AT_ONCE)),
            Err(error) => Joining::Failed(error),
        }
    }

    async fn raise_stopped_floor(&self, group: &GroupRow) -> Result<(), Joining> {
        match self.group_stop().raise_floor(group).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Joining::Failed(unexpected(AT_ONCE))),
            Err(error) => Err(Joining::Failed(error)),
        }
    }

    fn group_stop(&self) -> GroupStop<'_> {
        GroupStop {
            store: &self.store,
            source: &self.source,
            memory: &self.memory,
            // No incarnation of it yet.
            me: WorkerId::new(&self.name, 0),
        }
    }

    async fn settle(&self, writes: &[shardkeeper_core::row::Write]) -> Result<bool, Joining> {
        let answer = self.store.write(writes).await.map_err(Joining::Failed)?;
        Ok(matches!(answer, Answer::Applied(_)))
    }

    async fn incarnation(
        &self,
        joined: &Joined,
        factory: &Factory,
        leave: &CancellationToken,
    ) -> Result<Ended, Error> {
        let Joined { me, standing, .. } = joined;
        self.observers
            .emit(&Event::WorkerJoined { worker: me.clone() });
        self.spawn_beats(joined)?;
        let world = self.world(standing, factory);
        let (term, listens) = watch::channel(None);
        let found = Arc::new(Notify::new());
        let memory = Arc::clone(&self.memory);
        // Whatever ends this future, a crash included, ends the tasks below it.
        let _over = standing.over().clone().drop_guard();
        let (mut nudges, mut discovering) = (Vec::new(), Vec::new());
        for choice in self.sources.iter() {
            let nudge = Arc::new(Notify::new());
            let discovery = ShardDiscovery {
                store: Arc::clone(&self.store),
                listing: world.listing.clone(),
                settings: Arc::clone(&self.settings),
                choice: choice.clone(),
                sources: self.sources.clone(),
                start: self.start.clone(),
                on_data_loss: Arc::clone(&self.on_data_loss),
                me: me.clone(),
                term: listens.clone(),
                nudge: Arc::clone(&nudge),
                found: Arc::clone(&found),
                memory: Arc::clone(&memory),
                stragglers: Stragglers::default(),
            };
            let depended_on = standing.depends_on_me("discovery stopped");
            let task = self.env.spawn(async move {
                let _over = depended_on;
                discovery.run().await;
            });
            discovering.push(AbortOnDropHandle::new(task));
            nudges.push(nudge);
        }
        let status = Arc::clone(&self.status);
        let keeper = LeaseKeeper::new(
            world,
            me.clone(),
            self.application.clone(),
            status,
            DiscoveryLine {
                term,
                nudges,
                found,
                memory,
            },
        );
        Ok(keeper.run(leave).await)
    }

    fn spawn_beats(&self, joined: &Joined) -> Result<(), Error> {
        let Joined {
            me,
            standing,
            beat_id,
        } = joined;
        let beater = Beater {
            store: Arc::clone(&self.beat_store),
            env: self.env.clone(),
            observers: self.observers.clone(),
            settings: Arc::clone(&self.settings),
            standing: Arc::clone(standing),
            me: me.clone(),
            acknowledged: beat_id.clone(),
            counted: 0,
        };
        if planted!(BeatsOnUserRuntime) {
            drop(self.env.spawn(beater.run()));
            return Ok(());
        }
        self.env
            .spawn_unstarved("shardkeeper-beat", beater.run())
            .map_err(|error| {
                Error::new(
                    ErrorKind::Unavailable,
                    "the thread for beats could not be started",
                )
                .because(error)
            })
    }

    fn world(&self, standing: &Arc<Standing>, factory: &Factory) -> ConsumerWorld {
        let (env, observers) = (self.env.clone(), self.observers.clone());
        let source = Arc::clone(&self.source);
        ConsumerWorld {
            writer: LeaseWriter {
                store: Arc::clone(&self.store),
                env: env.clone(),
                observers: observers.clone(),
            },
            listing: Listing::new(Arc::clone(&source), env.clone(), observers.clone()),
            reading: ReaderWorld {
                source,
                env: env.clone(),
                observers: observers.clone(),
                budget: self.budget.clone(),
                page_limit: self.settings.page_limit,
                idle_poll_max: self.settings.idle_poll_max,
                readers: Arc::default(),
            },
            standing: Arc::clone(standing),
            settings: Arc::clone(&self.settings),
            factory: Arc::clone(factory),
            start: Arc::new(self.start.clone()),
            sources: self.sources.clone(),
            on_data_loss: Arc::clone(&self.on_data_loss),
            env,
            observers,
        }
    }
}

/// Why a stop could not be written.
const AT_ONCE: &str = "another worker wrote the floor of the stopped group at the same moment";

pub(crate) const DAMAGED_GROUP: &str = "the row shardkeeper/group of the lease table is damaged; give it back its columns application and schema";

/// Why joining did not work.
pub(crate) enum Joining {
    /// Nothing will ever come of what the worker reads.
    Over,
    Refused(String),
    Failed(PortError),
}

pub(crate) fn unexpected(message: &str) -> PortError {
    PortError::new(
        shardkeeper_core::ports::FailureKind::Unavailable,
        "UpdateItem",
        message,
    )
}
