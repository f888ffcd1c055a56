//! The SDK seam: the worker's ports are the product's own, over the real SDK clients, and what those send is
//! answered in the same world, through the same [`Line`] and its weather.
//!
//! ```text
//!  worker ── AwsStreams, AwsLeases ── SDK clients ── door ─▶ line (weather) ─▶ streams ── the world's shards
//!                                                     ▲                   └──▶ leases ─── the emulator's table
//!                                                     └── manners: a failure as the service says it
//! ```
//!
//! Nothing of the SDK is left out but the socket: requests are signed, bodies are JSON, failures are codes, and a
//! call that is never answered ends when the SDK's own timer does, on the worker's machine.
//!
//! One fault is weaker here than at the port seam: a transaction that arrives a second time carries the SDK's
//! client token, so it changes nothing more within ten minutes, as on the service.

mod door;
mod hearing;
mod leases;
mod manners;
mod streams;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use shardkeeper::Env;
use std::time::Duration;

use self::door::Door;
pub(crate) use self::leases::{Desk, LEASES};
use super::line::Line;
use super::shards::service_millis;
use crate::emulator::ClockSource;

/// Longer than any SDK waits: the answer that a line gives up at its own limit must not come first.
pub(crate) const PATIENCE: u64 = 10 * crate::sim::ground::MINUTE;

/// What an application would load from its surroundings: clients made from it speak through `line`, by the clock
/// and with the timers of the machine of `env`.
pub(crate) fn config(line: Line, env: &Env) -> SdkConfig {
    let credentials = Credentials::new("sim", "sim", None, None, "sim");
    let clock = env.clone();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(OnMachine(env.clone()))
        .time_source(ClockSource(Arc::new(move || {
            Duration::from_millis(service_millis(0)) + clock.now()
        })))
        .http_client(SharedHttpClient::new(Door(line)))
        .build()
}

/// The SDK's timers, which stand still when the machine does.
struct OnMachine(Env);

impl AsyncSleep for OnMachine {
    fn sleep(&self, duration: Duration) -> Sleep {
        let env = self.0.clone();
        Sleep::new(async move { env.sleep(duration).await })
    }
}

impl fmt::Debug for OnMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnMachine")
    }
}
