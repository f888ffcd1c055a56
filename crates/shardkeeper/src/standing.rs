//! Does this worker still believe in itself?
//!
//! A worker is entitled to its leases until the *send* time of its latest acknowledged beat plus the lease
//! duration minus the margin, on a clock that goes on while the machine sleeps (design rule 1). Others wait
//! a whole lease duration from *receiving* the same beat, so the two never overlap (G8, S5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shardkeeper_core::membership::{WorkerState, prolonged};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::env::Env;

/// The standing of one incarnation, shared by its tasks.
#[derive(Debug)]
pub(crate) struct Standing {
    env: Env,
    /// Nanoseconds of the worker's clock.
    valid_until: AtomicU64,
    /// When `lease_keeper` was last seen at work.
    keeper_tick: AtomicU64,
    leases: AtomicU64,
    state: watch::Sender<WorkerState>,
    inbox: watch::Sender<u64>,
    over: CancellationToken,
    why: std::sync::OnceLock<String>,
    set_back: AtomicBool,
}

impl Standing {
    pub(crate) fn new(env: &Env) -> Self {
        Self {
            env: env.clone(),
            valid_until: AtomicU64::new(0),
            keeper_tick: AtomicU64::new(nanos(env.now())),
            leases: AtomicU64::new(0),
            state: watch::Sender::new(WorkerState::Living),
            inbox: watch::Sender::new(0),
            over: CancellationToken::new(),
            why: std::sync::OnceLock::new(),
            set_back: AtomicBool::new(false),
        }
    }

    /// True while user code may be called under this incarnation's leases.
    pub(crate) fn holds(&self) -> bool {
        !self.over.is_cancelled()
            && nanos(self.env.now()) < self.valid_until.load(Ordering::Acquire)
    }

    /// The row of the incarnation was made, which entitles it until then.
    pub(crate) fn begin(&self, until: Duration) {
        self.valid_until.store(nanos(until), Ordering::Release);
    }

    /// A beat was acknowledged that entitles us until then, unless we have lapsed. Only the beats call this.
    pub(crate) fn extend(&self, until: Duration) {
        let until = prolonged(self.valid_until(), self.env.now(), until);
        self.valid_until.store(nanos(until), Ordering::Release);
    }

    pub(crate) fn valid_until(&self) -> Duration {
        Duration::from_nanos(self.valid_until.load(Ordering::Acquire))
    }

    /// This incarnation is over; the first reason is kept.
    pub(crate) fn end(&self, why: &str) {
        let _ = self.why.set(why.to_owned());
        self.over.cancel();
    }

    /// The beats found that the table was set back in time.
    pub(crate) fn end_set_back(&self) {
        self.set_back.store(true, Ordering::Release);
        self.end("the lease table was set back in time");
    }

    pub(crate) fn was_set_back(&self) -> bool {
        self.set_back.load(Ordering::Acquire)
    }

    /// Ends the incarnation when it is dropped: a task on which everything depends holds one, so that the
    /// incarnation does not outlive the task, whatever ended it.
    pub(crate) fn depends_on_me(self: &Arc<Self>, why: &'static str) -> impl Drop + Send + use<> {
        let standing = Arc::clone(self);
        EndsWith { standing, why }
    }

    pub(crate) fn over(&self) -> &CancellationToken {
        &self.over
    }

    pub(crate) fn why(&self) -> &str {
        self.why
            .get()
            .map_or("the worker was stopped", String::as_str)
    }

    /// `lease_keeper` lives.
    pub(crate) fn tick(&self) {
        self.keeper_tick
            .store(nanos(self.env.now()), Ordering::Release);
    }

    pub(crate) fn last_tick(&self) -> Duration {
        Duration::from_nanos(self.keeper_tick.load(Ordering::Acquire))
    }

    pub(crate) fn set_leases(&self, leases: usize) {
        self.leases
            .store(u64::try_from(leases).unwrap_or(u64::MAX), Ordering::Release);
    }

    pub(crate) fn leases(&self) -> u64 {
        self.leases.load(Ordering::Acquire)
    }

    /// From now on the beats say this; the next one is sent at once.
    pub(crate) fn say(&self, state: WorkerState) {
        self.state.send_replace(state);
    }

    pub(crate) fn said(&self) -> watch::Receiver<WorkerState> {
        self.state.subscribe()
    }

    /// Somebody wants the worker's attention.
    pub(crate) fn deliver(&self, inbox: u64) {
        self.inbox
            .send_if_modified(|seen| std::mem::replace(seen, inbox) != inbox);
    }

    pub(crate) fn inbox(&self) -> watch::Receiver<u64> {
        self.inbox.subscribe()
    }
}

struct EndsWith {
    standing: Arc<Standing>,
    why: &'static str,
}

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.standing.end(self.why);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock goes on while the machine sleeps, so that the first look after waking tells.
    #[tokio::test(start_paused = true)]
    async fn failure_3_who_slept_past_its_time_believes_in_itself_no_longer() {
        let env = Env::simulated(1);
        let standing = Standing::new(&env);
        assert!(!standing.holds(), "not before the first beat was answered");
        standing.begin(env.now() + Duration::from_secs(8));
        assert!(standing.holds());
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(!standing.holds());
        standing.extend(env.now() + Duration::from_secs(8));
        assert!(
            !standing.holds(),
            "an answer that is heard too late changes nothing"
        );
    }
}
