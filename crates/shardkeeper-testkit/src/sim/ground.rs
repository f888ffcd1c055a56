//! The ground that a simulation stands on: tokio's paused clock and its tasks, named once.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Virtual time in milliseconds since the world began. Shards and records are older than their world, so it
/// begins at [`BIRTH`].
pub(crate) type Time = u64;

pub(crate) const SECOND: Time = 1_000;
pub(crate) const MINUTE: Time = 60 * SECOND;
pub(crate) const HOUR: Time = 60 * MINUTE;

/// The moment at which a run begins, so that there is a past.
pub(crate) const BIRTH: Time = 48 * HOUR;

/// A clock that begins at [`BIRTH`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the simulation's own clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "the simulation's own clock")]
    pub(crate) fn now(&self) -> Time {
        let passed = Instant::now().duration_since(self.0);
        BIRTH + u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits until then.
    #[expect(clippy::disallowed_methods, reason = "the simulation's own clock")]
    pub(crate) async fn until(&self, at: Time) {
        let due = self.0 + Duration::from_millis(at.saturating_sub(BIRTH));
        tokio::time::sleep_until(due).await;
    }
}

/// Starts a task of the world itself, which no fault can stop.
#[expect(clippy::disallowed_methods, reason = "the simulation's own tasks")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}
