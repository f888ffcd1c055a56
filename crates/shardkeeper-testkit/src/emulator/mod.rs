//! An emulator of DynamoDB Streams and of the DynamoDB operations that go with it.
//!
//! It is driven through the real AWS SDK: [`Emulator::sdk_config`] wires an in-process HTTP client
//! (no socket), and [`Server`] speaks the same protocol over HTTP, to any SDK. What happens to
//! streams over hours on the service happens here on command ([`Emulator::split`],
//! [`Emulator::roll_over`], [`Emulator::trim_shard`] ...) or by the clock, which may be a virtual one.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! use shardkeeper_testkit::emulator::Emulator;
//!
//! let emulator = Emulator::builder().seed(7).build();
//! let streams = aws_sdk_dynamodbstreams::Client::new(&emulator.sdk_config());
//! let listed = streams.list_streams().send().await?;
//! assert!(listed.streams().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```

mod answer;
mod builder;
mod clock;
mod connector;
mod control;
mod error;
mod expression;
mod interceptor;
mod item;
mod iterator;
mod key;
mod lifecycle;
mod meter;
mod operations;
mod request;
mod server;
mod settings;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod time_to_live;
mod value;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;

pub use self::answer::Response;
pub use self::builder::EmulatorBuilder;
pub use self::clock::{Clock, system_clock, tokio_clock};
pub use self::control::{ShardSnapshot, UnknownTarget};
pub use self::interceptor::{Call, Fate, Interceptor, Outcome};
pub use self::server::{Server, ServerError};
pub use self::settings::EmulatorSettings;

pub(crate) use self::answer::CONTENT_TYPE;
use self::connector::InProcess;
pub(crate) use self::connector::{ClockSource, to_http};
pub(crate) use self::error::ServiceError;
use self::world::World;
use crate::faults::Faults;

/// An emulated account. A clone is another handle to the same account.
#[derive(Clone)]
pub struct Emulator(Arc<Inner>);

struct Inner {
    clock: Clock,
    faults: Faults,
    interceptors: Vec<Arc<dyn Interceptor>>,
    state: Mutex<State>,
}

struct State {
    world: World,
    /// Calls that reached the service, by operation.
    calls: BTreeMap<String, u64>,
    /// Apart from the world's dice, so that a call more or less does not change shard ids.
    request_ids: fastrand::Rng,
}

/// The connection broke; whether the call was applied is the secret of the interceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupted;

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<String> = self.state().world.tables.keys().cloned().collect();
        f.debug_struct("Emulator")
            .field("tables", &tables)
            .finish_non_exhaustive()
    }
}

impl Default for Emulator {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Emulator {
    /// Starts to build an emulator.
    #[must_use]
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    fn from_builder(builder: EmulatorBuilder) -> Self {
        Self(Arc::new(Inner {
            clock: builder.clock,
            faults: Faults::default(),
            interceptors: builder.interceptors,
            state: Mutex::new(State {
                world: World::new(builder.settings, builder.seed),
                calls: BTreeMap::new(),
                request_ids: fastrand::Rng::with_seed(builder.seed),
            }),
        }))
    }

    /// A configuration that connects any SDK client to this emulator, without a socket and with the
    /// emulator's clock.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let region = self.state().world.settings.region.clone();
        let credentials = Credentials::new("emulator", "emulator", None, None, "emulator");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .sleep_impl(TokioSleep::new())
            .time_source(ClockSource(Arc::clone(&self.0.clock)))
            .http_client(self.http_client())
            .build()
    }

    /// The HTTP client alone, for a configuration made elsewhere.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(InProcess(self.clone()))
    }

    /// Faults to come, by script.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// How often each operation has reached the service, by name; calls that an injected fault kept
    /// away are not counted.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.state().calls.clone()
    }

    /// The emulator's time, since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state().world.now
    }

    /// Makes one call, past all interceptors: `target` is the header `X-Amz-Target`.
    #[must_use]
    pub fn handle(&self, target: &str, body: &[u8]) -> Response {
        let mut state = self.state();
        if operations::is_known(target) {
            *state
                .calls
                .entry(operation_of(target).to_owned())
                .or_insert(0) += 1;
        }
        match operations::dispatch(&mut state.world, target, body) {
            Ok(answer) => state.respond(200, answer::CONTENT_TYPE, answer.0),
            Err(error) => state.respond(
                error.status,
                answer::CONTENT_TYPE,
                Bytes::from(error.body()),
            ),
        }
    }

    /// Makes one call, if the interceptors let it through.
    pub(crate) async fn call(&self, target: &str, body: Bytes) -> Result<Response, Interrupted> {
        let fate = self.fate(target, &body);
        travel(fate.before).await;
        let answer = match fate.outcome {
            Outcome::Pass => self.handle(target, &body),
            Outcome::Answer {
                status,
                content_type,
                body,
            } => self.state().respond(status, content_type, body),
            Outcome::ApplyThenDrop => {
                let _lost = self.handle(target, &body);
                travel(fate.after).await;
                return Err(Interrupted);
            }
            Outcome::ApplyThenHang => {
                let _lost = self.handle(target, &body);
                std::future::pending().await
            }
            Outcome::Drop => return Err(Interrupted),
            Outcome::Hang => std::future::pending().await,
        };
        travel(fate.after).await;
        Ok(answer)
    }

    /// The refusal of a call that could not even be read.
    pub(crate) fn refuse(&self, error: &error::ServiceError) -> Response {
        self.state().respond(
            error.status,
            answer::CONTENT_TYPE,
            Bytes::from(error.body()),
        )
    }

    fn fate(&self, target: &str, body: &[u8]) -> Fate {
        let call = Call {
            operation: operation_of(target),
            body,
            now: self.now(),
        };
        let faults: &dyn Interceptor = &self.0.faults;
        let others = self.0.interceptors.iter().map(AsRef::as_ref);
        std::iter::once(faults)
            .chain(others)
            .find_map(|interceptor| interceptor.intercept(&call))
            .unwrap_or_else(|| Fate::of(Outcome::Pass))
    }

    /// The account, brought up to the clock. Never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        let now = (self.0.clock)();
        // A panic of one test's thread must not hide behind a poisoned lock in another's.
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.world.advance(now);
        state
    }
}

impl State {
    fn respond(&mut self, status: u16, content_type: &str, body: Bytes) -> Response {
        let id = format!("{:032X}", self.request_ids.u128(..));
        Response::new(status, content_type, body, id, self.world.now)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the network has its own time, not a worker's"
)]
async fn travel(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// `GetRecords` of `DynamoDBStreams_20120810.GetRecords`.
fn operation_of(target: &str) -> &str {
    target.rsplit_once('.').map_or(target, |(_, name)| name)
}
