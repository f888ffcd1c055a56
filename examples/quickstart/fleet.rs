//! The workers: built, watched, killed, asked to leave.
//!
//! In a service every worker is a process of its own. These share one process and nothing else: each has its
//! own connection, and they know of each other only through the lease table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardkeeper::{Health, Settings, Worker, WorkerHandle, WorkerStatus};
use tokio::time::sleep;

use crate::Failure;
use crate::chronicle::Chronicle;
use crate::ledger::Ledger;
use crate::place::Place;
use crate::processor::Bookkeeper;

/// How often somebody looks whether a worker has ended.
const LOOK: Duration = Duration::from_millis(50);

/// All the workers of the application, by name.
pub(crate) struct Fleet {
    place: Arc<Place>,
    ledger: Arc<Ledger>,
    chronicle: Arc<Chronicle>,
    members: Mutex<BTreeMap<String, Member>>,
}

#[derive(Default)]
struct Member {
    handle: Option<WorkerHandle>,
    standing: Standing,
}

/// What this program did to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Standing {
    #[default]
    Away,
    Working,
    Leaving,
    Killed,
}

/// A worker as it shows itself.
#[derive(Debug)]
pub(crate) struct Glimpse {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) health: Health,
    pub(crate) status: WorkerStatus,
}

/// Numbers for a run of seconds: a dead worker is missed after three, not ten. The defaults are the ones for
/// production.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.lease_duration = Duration::from_secs(3);
    settings.beat_interval = Duration::from_millis(250);
    settings.margin = Duration::from_millis(500);
    settings.hand_off_timeout = Duration::from_secs(3);
    settings.shutdown_grace = Duration::from_secs(3);
    settings.idle_poll_max = Duration::from_millis(200);
    settings.checkpoint_interval = Duration::from_millis(500);
    settings.discovery_interval = Duration::from_secs(1);
    settings.sweep_interval = Duration::from_secs(2);
    settings.call_timeout = Duration::from_secs(2);
    settings
}

impl Fleet {
    pub(crate) fn new(
        place: &Arc<Place>,
        ledger: &Arc<Ledger>,
        chronicle: &Arc<Chronicle>,
        workers: u16,
    ) -> Self {
        let digits = workers.to_string().len();
        let name = |number| format!("worker-{number:0digits$}");
        let members = (1..=workers).map(|number| (name(number), Member::default()));
        Self {
            place: Arc::clone(place),
            ledger: Arc::clone(ledger),
            chronicle: Arc::clone(chronicle),
            members: Mutex::new(members.collect()),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.members().keys().cloned().collect()
    }

    /// Starts a worker. One that was here before comes back as a new incarnation.
    pub(crate) async fn start(&self, name: &str) -> Result<(), Failure> {
        let chronicle = Arc::clone(&self.chronicle);
        let ledger = Arc::clone(&self.ledger);
        let handle = Worker::builder(&self.place.application)
            .table(&self.place.table)
            .worker_name(name)
            .aws_config(&self.place.sdk_config().await)
            .settings(settings())
            .observer(chronicle.of(name))
            .build()
            .await?
            .spawn(move |_| Bookkeeper {
                ledger: Arc::clone(&ledger),
            });
        self.be(name, Standing::Working, Some(handle));
        Ok(())
    }

    /// Stops a worker in the middle of everything, as `kill -9` or a lost machine does. Nobody is told.
    pub(crate) fn kill(&self, name: &str) {
        self.chronicle
            .bad_news(format!("{name} is killed without warning"));
        if let Some(handle) = self.be(name, Standing::Killed, None) {
            handle.abort();
        }
    }

    /// Asks a worker to leave, as a deploy does, and waits until it has handed its shards over.
    pub(crate) async fn leave(&self, name: &str) -> Result<(), Failure> {
        self.ask_to_leave(name);
        self.left(name).await
    }

    /// Asks all at once, as the end of a service does: nobody is left to hand anything to.
    pub(crate) async fn disband(&self) -> Result<(), Failure> {
        let names = self.names();
        names.iter().for_each(|name| self.ask_to_leave(name));
        for name in names {
            self.left(&name).await?;
        }
        Ok(())
    }

    fn ask_to_leave(&self, name: &str) {
        if let Some(member) = self.members().get_mut(name) {
            member.standing = Standing::Leaving;
            member.handle.iter().for_each(WorkerHandle::begin_shutdown);
        }
    }

    async fn left(&self, name: &str) -> Result<(), Failure> {
        while self.is_at_work(name) {
            sleep(LOOK).await;
        }
        match self.be(name, Standing::Away, None) {
            Some(handle) => handle.join().await.map(drop).map_err(Failure::from),
            None => Ok(()),
        }
    }

    /// Comes back only with the error of a worker that ended although nobody asked it to.
    pub(crate) async fn first_failure(&self) -> Failure {
        loop {
            let ended = self.glimpses().into_iter().find(|glimpse| {
                glimpse.standing == Standing::Working && glimpse.health == Health::Ended
            });
            if let Some(Glimpse { name, .. }) = ended {
                let handle = self.be(&name, Standing::Away, None);
                let why = match handle {
                    Some(handle) => handle.join().await.err(),
                    None => None,
                };
                let why = why.map_or_else(String::new, |error| format!(": {error}"));
                return format!("{name} ended by itself{why}").into();
            }
            sleep(LOOK).await;
        }
    }

    /// Every worker as it shows itself now.
    pub(crate) fn glimpses(&self) -> Vec<Glimpse> {
        let members = self.members();
        let glimpse = |(name, member): (&String, &Member)| {
            let handle = member.handle.as_ref();
            Glimpse {
                name: name.clone(),
                standing: member.standing,
                health: handle.map_or(Health::Ended, WorkerHandle::health),
                status: handle.map(WorkerHandle::status).unwrap_or_default(),
            }
        };
        members.iter().map(glimpse).collect()
    }

    fn is_at_work(&self, name: &str) -> bool {
        let members = self.members();
        let handle = members.get(name).and_then(|member| member.handle.as_ref());
        handle.is_some_and(|handle| handle.health() != Health::Ended)
    }

    fn be(
        &self,
        name: &str,
        standing: Standing,
        handle: Option<WorkerHandle>,
    ) -> Option<WorkerHandle> {
        let member = Member { handle, standing };
        self.members().insert(name.to_owned(), member)?.handle
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
