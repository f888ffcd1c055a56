//! Builds, starts and joins a worker. Decides nothing.

use std::fmt;
use std::process::{ExitCode, Termination};
use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};
use shardkeeper_core::event::DataLoss;
use shardkeeper_core::ids::StreamArn;
use shardkeeper_core::ports::{LeaseStore, StreamSource, TableCreation};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::aws::{AwsLeases, AwsStreams, Clients, Timeouts};
use crate::env::Env;
use crate::error::{Error, ErrorKind};
use crate::fetch_budget::FetchBudget;
use crate::incarnation::Parts;
use crate::observer::{Observer, Observers};
use crate::processor::{
    AnyProcessor, Decision, Factory, OnDataLoss, RecordProcessor, ShardContext,
};
use crate::settings::Settings;
use crate::shard_discovery::StartPosition;
use crate::signals;
use crate::sources::{Sources, StreamChoice};
use crate::status::{Health, StatusBoard, WorkerStatus};
use crate::tracing_observer::TracingObserver;

/// A worker, ready to run. See the [crate documentation](crate) for the twenty lines.
pub struct Worker {
    parts: Parts,
}

/// Why a worker has ended that had no reason to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was told to: by a signal, by [`WorkerHandle::shutdown`], or by [`WorkerHandle::abort`].
    Left,
    /// Nothing will ever come: each stream that it reads by its ARN is switched off or gone, and everything in it was
    /// processed. The whole application ends so, worker by worker; one that is started again ends at once.
    StreamEnded,
}

/// A `main` may return it: the process succeeds.
impl Termination for Outcome {
    fn report(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

/// Says who, where and what; see [`Worker::builder`].
#[must_use]
pub struct WorkerBuilder {
    application: String,
    name: Option<String>,
    choices: Vec<Result<StreamChoice, Error>>,
    lease_table: Option<String>,
    creation: TableCreation,
    start: StartPosition,
    settings: Settings,
    aws: Option<SdkConfig>,
    ready: Option<Clients>,
    ports: Option<(Arc<dyn StreamSource>, Arc<dyn LeaseStore>)>,
    env: Option<Env>,
    observers: Vec<Arc<dyn Observer>>,
    on_data_loss: OnDataLoss,
}

impl Worker {
    /// Begins to build a worker of `application`: the name that its workers share. It is also the name of
    /// the lease table, unless [`WorkerBuilder::lease_table`] says otherwise.
    pub fn builder(application: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder {
            application: application.into(),
            name: None,
            choices: Vec::new(),
            lease_table: None,
            creation: TableCreation::Allowed,
            start: StartPosition::default(),
            settings: Settings::default(),
            aws: None,
            ready: None,
            ports: None,
            env: None,
            observers: vec![Arc::new(TracingObserver)],
            on_data_loss: Arc::new(|_| Decision::Stop),
        }
    }

    /// Works until SIGTERM or Ctrl-C, then leaves in order; a second signal ends it at once. `factory` makes
    /// a processor for each shard that this worker gets. A worker of [`WorkerBuilder::stream_arn`] also ends when its
    /// stream is over.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the lease table turns out to be another application's. Failures that may
    /// pass are waited for and told by events.
    pub async fn run<P, F>(self, factory: F) -> Result<Outcome, Error>
    where
        P: RecordProcessor,
        F: Fn(&ShardContext) -> P + Send + Sync + 'static,
    {
        let mut signals = signals::Signals::install()?;
        let handle = self.spawn(factory);
        let joined = handle.join();
        tokio::pin!(joined);
        tokio::select! {
            biased;
            () = signals.next() => handle.begin_shutdown(),
            ended = &mut joined => return ended,
        }
        tokio::select! {
            biased;
            () = signals.next() => {
                handle.abort();
                Ok(Outcome::Left)
            }
            ended = &mut joined => ended,
        }
    }

    /// Works in the background, without touching the process's signals. Dropping the handle does not stop
    /// the worker.
    pub fn spawn<P, F>(self, factory: F) -> WorkerHandle
    where
        P: RecordProcessor,
        F: Fn(&ShardContext) -> P + Send + Sync + 'static,
    {
        let factory: Factory = Arc::new(move |cx| Box::new(factory(cx)) as Box<dyn AnyProcessor>);
        let leave = CancellationToken::new();
        let status = Arc::clone(&self.parts.status);
        let env = self.parts.env.clone();
        let task = env.spawn(self.parts.live(factory, leave.clone()));
        WorkerHandle {
            leave,
            status,
            ended: ended_of(&env, task),
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("application", &self.parts.application)
            .finish_non_exhaustive()
    }
}

type Result_ = Result<Outcome, Error>;

/// A worker at work in the background.
#[derive(Debug)]
pub struct WorkerHandle {
    leave: CancellationToken,
    status: Arc<StatusBoard>,
    ended: Ending,
}

#[derive(Debug)]
struct Ending {
    task: tokio::task::AbortHandle,
    result: tokio::sync::watch::Receiver<Option<Arc<Result_>>>,
}

fn ended_of(env: &Env, task: JoinHandle<Result_>) -> Ending {
    let (tell, result) = tokio::sync::watch::channel(None);
    let abort = task.abort_handle();
    drop(env.spawn(async move {
        let ended = match task.await {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => Ok(Outcome::Left),
            Err(error) => {
                Err(Error::new(ErrorKind::Internal, "the worker panicked").because(error))
            }
        };
        tell.send_replace(Some(Arc::new(ended)));
    }));
    Ending {
        task: abort,
        result,
    }
}

impl WorkerHandle {
    /// Asks the worker to leave in order: finish the batches in hand, store checkpoints, hand the leases
    /// over. Returns at once; [`join`](Self::join) waits.
    pub fn begin_shutdown(&self) {
        self.leave.cancel();
    }

    /// Leaves in order and waits for it.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub async fn shutdown(&self) -> Result<Outcome, Error> {
        self.begin_shutdown();
        self.join().await
    }

    /// Waits until the worker has ended, and says why. May be dropped and called again.
    ///
    /// # Errors
    /// What ended it, when that was neither a shutdown nor the end of its streams.
    pub async fn join(&self) -> Result<Outcome, Error> {
        let mut result = self.ended.result.clone();
        let ended = result
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|ended| ended.clone());
        match ended.as_deref() {
            None => Ok(Outcome::Left),
            Some(Ok(outcome)) => Ok(*outcome),
            Some(Err(error)) => Err(Error::new(error.kind(), error.to_string())),
        }
    }

    /// Stops everything now, in the middle of whatever it does, as a crash would: leases are left to expire
    /// and unstored progress is repeated by the next owner.
    pub fn abort(&self) {
        self.status.abandon();
        self.ended.task.abort();
    }

    /// What the worker would show you now.
    pub fn status(&self) -> WorkerStatus {
        self.status.read()
    }

    /// Is the worker well?
    pub fn health(&self) -> Health {
        self.status.health(self.ended.result.borrow().is_some())
    }
}

impl WorkerBuilder {
    /// Reads the streams of this table that are kept, oldest first, and the next one when it is switched off and on
    /// again. Of `table`, `tables`, `stream_arn` and `stream_arns` the last call counts.
    pub fn table(self, table: impl Into<String>) -> Self {
        self.tables([table])
    }

    /// Reads several tables with one fleet: one lease table, shared budgets, all leases balanced together. Each is
    /// followed by itself: one that is slow or missing holds up no other. [`ShardContext::stream_arn`] says from which
    /// one a batch is. A table that is taken out of the list later keeps its leases, which are left alone.
    pub fn tables<T: Into<String>>(mut self, tables: impl IntoIterator<Item = T>) -> Self {
        let of = |table: T| StreamChoice::Of {
            table: table.into(),
        };
        self.choices = tables.into_iter().map(of).map(Ok).collect();
        self
    }

    /// Reads this stream and no other, and ends with it ([`Outcome::StreamEnded`]): when it was switched off or deleted,
    /// and everything in it was processed. That is believed after some listings, a minute or two, and then every worker of
    /// the application ends. A table that is switched on again has another stream; [`table`](Self::table) follows it. A
    /// shard that stands still until somebody decides holds the end up ([`Event::StreamHeldUp`](crate::Event)).
    pub fn stream_arn(self, arn: impl AsRef<str>) -> Self {
        self.stream_arns([arn])
    }

    /// Reads these streams, each of another table, as [`tables`](Self::tables) reads tables: one fleet, all leases
    /// balanced together. It ends when all of them are over.
    pub fn stream_arns<A: AsRef<str>>(mut self, arns: impl IntoIterator<Item = A>) -> Self {
        let pinned = |arn: A| match StreamArn::parse(arn.as_ref()) {
            Ok(stream) => Ok(StreamChoice::Pinned(stream)),
            Err(error) => Err(Error::new(ErrorKind::Invalid, error.to_string())),
        };
        self.choices = arns.into_iter().map(pinned).collect();
        self
    }

    /// Names this worker for people; default: the host's name.
    pub fn worker_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Names the lease table; default: the application's name.
    pub fn lease_table(mut self, table: impl Into<String>) -> Self {
        self.lease_table = Some(table.into());
        self
    }

    /// Never creates the lease table: fails when it is absent. For roles without `dynamodb:CreateTable`.
    pub fn never_create_table(mut self) -> Self {
        self.creation = TableCreation::Forbidden;
        self
    }

    /// Where an application begins that has no leases yet; ignored afterwards.
    pub fn start(mut self, start: StartPosition) -> Self {
        self.start = start;
        self
    }

    /// Turns the numbers.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Uses this configuration of the AWS SDK: region, credentials, endpoint, HTTP client and everything
    /// else in it. Default: what `aws_config::load_defaults` finds in the environment.
    pub fn aws_config(mut self, config: &SdkConfig) -> Self {
        self.aws = Some(config.clone());
        self
    }

    /// Uses clients that are ready made; see [`Clients::from_ready`].
    pub fn aws_clients(mut self, clients: Clients) -> Self {
        self.ready = Some(clients);
        self
    }

    /// Uses other implementations of the two ports, for tests.
    pub fn ports(mut self, source: Arc<dyn StreamSource>, store: Arc<dyn LeaseStore>) -> Self {
        self.ports = Some((source, store));
        self
    }

    /// Runs in this world; default: the real one.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// Adds a listener for everything the worker says about itself. Log lines through `tracing` are written
    /// in any case.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Decides what happens when records are gone that were never processed; default: the shard stops
    /// durably, the others go on.
    pub fn on_data_loss(
        mut self,
        decide: impl Fn(&DataLoss) -> Decision + Send + Sync + 'static,
    ) -> Self {
        self.on_data_loss = Arc::new(decide);
        self
    }

    /// Checks everything that can be checked now: settings, names, credentials, the table, its stream,
    /// the lease table.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for what must be changed, [`ErrorKind::Unavailable`] for what may pass.
    pub async fn build(self) -> Result<Worker, Error> {
        // The SDK's futures are large; callers should not carry them on their stack.
        Box::pin(self.assemble()).await
    }

    async fn assemble(self) -> Result<Worker, Error> {
        self.settings.validate()?;
        let sources = Sources::new(self.choices.into_iter().collect::<Result<_, _>>()?)?;
        let application = named("application", self.application)?;
        let host = hostname();
        let name = named("worker name", self.name.unwrap_or_else(|| host.clone()))?;
        let lease_table = self.lease_table.unwrap_or_else(|| application.clone());
        if self.ports.is_none() {
            check_table_name(&lease_table)?;
        }
        let env = self.env.unwrap_or_else(Env::production);
        let timeouts = Timeouts {
            connect: self.settings.call_timeout.min(Timeouts::default().connect),
            attempt: self.settings.call_timeout,
        };
        let Doors {
            source,
            store,
            beat_store,
        } = match (self.ports, self.ready, self.aws) {
            (Some((source, store)), _, _) => Doors {
                source,
                beat_store: Arc::clone(&store),
                store,
            },
            (None, Some(clients), _) => Doors::new(&clients, &clients, &lease_table),
            (None, None, Some(config)) => {
                // Made twice for a second connection pool: beats wait for nobody.
                let (ours, beats) = (
                    from_config(&config, timeouts)?,
                    from_config(&config, timeouts)?,
                );
                Doors::new(&ours, &beats, &lease_table)
            }
            (None, None, None) => {
                let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
                let (ours, beats) = (
                    from_config(&config, timeouts)?,
                    from_config(&config, timeouts)?,
                );
                Doors::new(&ours, &beats, &lease_table)
            }
        };
        sources.check(source.as_ref(), store.as_ref()).await?;
        store.open(self.creation).await?;
        let status = Arc::new(StatusBoard::default());
        let mut observers = self.observers;
        observers.push(Arc::clone(&status) as Arc<dyn Observer>);
        let parts = Parts {
            application,
            name,
            host,
            env,
            memory: Arc::default(),
            budget: FetchBudget::new(self.settings.fetched_bytes_max),
            settings: Arc::new(self.settings),
            source,
            store,
            beat_store,
            sources,
            start: self.start,
            observers: Observers::new(observers),
            status,
            on_data_loss: self.on_data_loss,
        };
        Ok(Worker { parts })
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}

/// The ports of a worker.
struct Doors {
    source: Arc<dyn StreamSource>,
    store: Arc<dyn LeaseStore>,
    beat_store: Arc<dyn LeaseStore>,
}

impl Doors {
    fn new(ours: &Clients, beats: &Clients, lease_table: &str) -> Self {
        Self {
            source: Arc::new(AwsStreams::new(ours)),
            store: Arc::new(AwsLeases::new(ours, lease_table)),
            beat_store: Arc::new(AwsLeases::new(beats, lease_table)),
        }
    }
}

fn from_config(config: &SdkConfig, timeouts: Timeouts) -> Result<Clients, Error> {
    if config.region().is_none() {
        let message = "no AWS region is configured: set AWS_REGION, or a region in the profile, or pass .aws_config(..)";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    if config.credentials_provider().is_none() {
        let message = "no AWS credentials are configured: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, use a profile or a role, or pass .aws_config(..)";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(Clients::from_config(config, timeouts))
}

/// Names become table names, row keys and log fields.
fn named(what: &str, name: String) -> Result<String, Error> {
    let fits = (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits {
        return Ok(name);
    }
    let message = format!("the {what} must have 1 to 200 characters and no control characters");
    Err(Error::new(ErrorKind::Invalid, message))
}

/// What DynamoDB takes as the name of a table, or the ARN of another account's.
fn check_table_name(table: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let named = (3..=255).contains(&table.len()) && table.bytes().all(plain);
    if named || table.starts_with("arn:") {
        return Ok(());
    }
    let message = format!(
        "the lease table cannot be named {table:?}: 3 to 255 letters, digits, '_', '-' and '.' are allowed; it has the application's name unless .lease_table(..) gives another"
    );
    Err(Error::new(ErrorKind::Invalid, message))
}

fn hostname() -> String {
    let from_env = || std::env::var("HOSTNAME").ok();
    let from_kernel = || {
        Some(
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
        )
    };
    from_env()
        .or_else(from_kernel)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "worker".into())
}
