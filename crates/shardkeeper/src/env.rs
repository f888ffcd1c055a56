//! The world a worker runs in: clock, sleep, dice and tasks, in production and in simulation.
//!
//! Everything in this crate that needs the time, waits, throws dice or starts a task does it through
//! an [`Env`]; the fences in `clippy.toml` see to it. With [`Env::simulated`] on a paused single-threaded
//! runtime the same seed gives the same run (G12).

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::machine::Machine;

/// Clock, sleep, dice and tasks. Cheap to clone; all clones share clock and dice.
#[derive(Debug, Clone)]
pub struct Env {
    clock: Clock,
    dice: Arc<Mutex<fastrand::Rng>>,
    tasks: TaskTracker,
}

#[derive(Debug, Clone)]
enum Clock {
    /// Goes on while the machine is suspended, unlike `Instant`.
    SuspendAware,
    /// Tokio's clock, which stands still on a paused runtime until everybody waits.
    Tokio { start: tokio::time::Instant },
    /// That of a simulated machine, which also decides when its tasks run.
    Simulated(Machine),
}

impl Env {
    /// The real world.
    pub fn production() -> Self {
        Self::new(Clock::SuspendAware, entropy())
    }

    /// A world in which time is tokio's and the dice come from a seed. Call it inside the runtime.
    #[expect(clippy::disallowed_methods, reason = "this file is where the clock is")]
    pub fn simulated(seed: u64) -> Self {
        Self::new(
            Clock::Tokio {
                start: tokio::time::Instant::now(),
            },
            seed,
        )
    }

    /// The same on a machine of its own, which can be stopped and crashed, and whose clock may be wrong.
    pub fn on(machine: &Machine, seed: u64) -> Self {
        Self::new(Clock::Simulated(machine.clone()), seed)
    }

    fn new(clock: Clock, seed: u64) -> Self {
        let dice = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        Self {
            clock,
            dice,
            tasks: TaskTracker::new(),
        }
    }

    /// Time since an arbitrary moment in the past, going on while the machine sleeps. Never compared
    /// with another machine's.
    #[expect(clippy::disallowed_methods, reason = "this file is where the clock is")]
    pub fn now(&self) -> Duration {
        match &self.clock {
            Clock::SuspendAware => suspend_aware_now(),
            Clock::Tokio { start } => tokio::time::Instant::now().duration_since(*start),
            Clock::Simulated(machine) => machine.now(),
        }
    }

    /// Waits. May be cancelled by dropping it.
    #[expect(clippy::disallowed_methods, reason = "this file is where the clock is")]
    pub async fn sleep(&self, duration: Duration) {
        match &self.clock {
            Clock::SuspendAware | Clock::Tokio { .. } => tokio::time::sleep(duration).await,
            Clock::Simulated(machine) => machine.sleep(duration).await,
        }
    }

    /// Runs `future` for at most so long; `None` when it did not finish. It is dropped then.
    #[expect(clippy::disallowed_methods, reason = "this file is where the clock is")]
    pub async fn within<T>(&self, bound: Duration, future: impl Future<Output = T>) -> Option<T> {
        if let Clock::Simulated(machine) = &self.clock {
            return tokio::select! {
                biased;
                done = future => Some(done),
                () = machine.sleep(bound) => None,
            };
        }
        tokio::time::timeout(bound, future).await.ok()
    }

    /// A number that nobody can predict, or that the seed decides.
    pub fn roll(&self) -> u64 {
        self.with_dice(|dice| dice.u64(..))
    }

    /// 128 fresh random bits as text: names an attempt or an incarnation.
    pub fn fresh_id(&self) -> String {
        format!("{:032x}", self.fresh_bits())
    }

    /// The same with this moment in it: a copy of the machine throws the same dice, but not at the same time.
    pub fn fresh_beat(&self) -> String {
        format!("{}-{:x}", self.fresh_id(), self.now().as_nanos())
    }

    /// 128 fresh random bits.
    pub fn fresh_bits(&self) -> u128 {
        self.with_dice(|dice| dice.u128(..))
    }

    /// A duration between zero and `bound`, the bound excluded.
    pub fn up_to(&self, bound: Duration) -> Duration {
        bound.mul_f64(self.with_dice(|dice| dice.f64()))
    }

    /// Starts a task. Its owner keeps the handle; [`Env::tasks_ended`] waits for all of them.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.start(task, true)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this file is where tasks are started"
    )]
    fn start<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
        starves: bool,
    ) -> JoinHandle<T> {
        let Clock::Simulated(machine) = &self.clock else {
            return tokio::spawn(self.tasks.track_future(task));
        };
        let hosted = machine.host(task, starves);
        let started = tokio::spawn(self.tasks.track_future(hosted));
        machine.adopt(started.abort_handle());
        started
    }

    /// Starts a task where user code cannot starve it: on its own thread and runtime in production, on
    /// this one in simulation.
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is where tasks are started"
    )]
    pub fn spawn_unstarved(
        &self,
        name: &str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        if !matches!(self.clock, Clock::SuspendAware) {
            drop(self.start(task, false));
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let task = self.tasks.track_future(task);
        let run = move || runtime.block_on(task);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map(drop)
    }

    /// Waits until every task has ended.
    pub async fn tasks_ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    fn with_dice<T>(&self, roll: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        // A poisoned lock means a panic between two rolls, which cannot hurt the dice.
        roll(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Rows of the lease table that are looked at without a pause: a millisecond or two.
const ROWS_AT_ONCE: usize = 500;

/// Looks at each row in order, and lets other tasks run in between where they are many. May be cancelled by dropping it.
pub(crate) async fn in_parts<T>(rows: Vec<T>, mut look: impl FnMut(T)) {
    let mut rest = rows.into_iter();
    loop {
        rest.by_ref().take(ROWS_AT_ONCE).for_each(&mut look);
        if rest.as_slice().is_empty() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Lets other tasks run after work on so many rows, if that took long. May be cancelled by dropping it.
pub(crate) async fn give_way_after(rows: usize) {
    if rows > ROWS_AT_ONCE {
        tokio::task::yield_now().await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this file is where dice are made"
)]
fn entropy() -> u64 {
    fastrand::u64(..)
}

#[cfg(target_os = "linux")]
fn suspend_aware_now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

/// Elsewhere the best clock that std has; on some systems it stops while the machine sleeps.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "this file is where the clock is")]
fn suspend_aware_now() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::yield_now;

    use super::*;

    /// How often another task has its turn while this goes on.
    async fn turns_during(work: impl Future<Output = ()>) -> usize {
        let turns = AtomicUsize::new(0);
        let other = async {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = work => {}
            () = other => {}
        }
        turns.into_inner()
    }

    #[tokio::test]
    async fn many_rows_are_looked_at_in_order_and_others_have_their_turn_after_each_part() {
        for (rows, turns) in [(0, 0), (1, 0), (ROWS_AT_ONCE, 0), (ROWS_AT_ONCE + 1, 1)] {
            let mut seen = Vec::new();
            let work = in_parts((0..rows).collect(), |row| seen.push(row));
            assert_eq!(turns_during(work).await, turns, "{rows} rows");
            assert_eq!(seen, Vec::from_iter(0..rows));
        }
        let work = in_parts(vec![(); ROWS_AT_ONCE * 3], drop);
        assert_eq!(turns_during(work).await, 2);
    }
}
