//! Is a task polled? Beats have a thread of their own, so a worker lives on while user code blocks the thread of one
//! shard; that shard must not keep its lease for ever.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::env::Env;

/// When a task was last polled, on the worker's clock.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    env: Env,
    nanos: Arc<AtomicU64>,
}

impl Pulse {
    pub(crate) fn new(env: &Env) -> Self {
        let pulse = Self {
            env: env.clone(),
            nanos: Arc::default(),
        };
        pulse.beat();
        pulse
    }

    /// For how long the task was not polled.
    pub(crate) fn silent(&self) -> Duration {
        let last = Duration::from_nanos(self.nanos.load(Ordering::Acquire));
        self.env.now().saturating_sub(last)
    }

    fn beat(&self) {
        let now = u64::try_from(self.env.now().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.store(now, Ordering::Release);
    }

    /// Runs `task`, which is polled every `interval` even when nothing happens.
    pub(crate) async fn taken<F: Future>(self, interval: Duration, task: F) -> F::Output {
        let mut task = pin!(task);
        loop {
            let polled = poll_fn(|cx| {
                self.beat();
                task.as_mut().poll(cx)
            });
            tokio::select! {
                biased;
                output = polled => return output,
                () = self.env.sleep(interval) => {}
            }
        }
    }
}
