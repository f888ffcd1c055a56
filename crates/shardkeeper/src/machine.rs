//! A simulated machine: the clock that a worker sees, and power over its tasks.
//!
//! Production knows nothing of this. In a simulation every task of a worker is hosted here, so that the worker
//! can be frozen, starved and crashed between any two polls, and its clock can be wrong in the ways that clocks
//! of real machines are.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::AbortHandle;

/// Handles of tasks that are kept before those of finished ones are thrown away.
const TASKS_BEFORE_TIDYING: usize = 64;

/// A machine that one worker runs on. A clone is another handle to the same machine.
#[derive(Debug, Clone)]
pub struct Machine(Arc<State>);

#[derive(Debug)]
struct State {
    start: tokio::time::Instant,
    offset: Duration,
    /// How fast its clock runs: 1.0 is right.
    rate: f64,
    power: Mutex<Power>,
}

/// What stops a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The process is stopped, as by SIGSTOP: timers that come due meanwhile fire when it goes on.
    Frozen,
    /// The whole machine sleeps: its timers sleep too and fire late, but its clock has gone on.
    Suspended,
    /// Blocking code holds every thread of the runtime: only what cannot be starved goes on.
    Starved,
    /// The process is gone, with everything it had in memory.
    Crashed,
}

#[derive(Debug, Default)]
struct Power {
    halt: Option<Halt>,
    /// Stops it before the next poll but so many.
    fuse: Option<(u64, Halt)>,
    /// Since when it sleeps, and how long it has slept altogether.
    asleep_since: Option<tokio::time::Instant>,
    slept: Duration,
    /// Tasks that were woken and must be polled when it goes on.
    held_up: Vec<Waker>,
    tasks: Vec<AbortHandle>,
}

enum Turn {
    Run,
    Wait,
    Never,
}

impl Machine {
    /// A machine whose clock shows `offset` now and runs `drift` parts per million too fast. Call it inside
    /// the runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "a simulated clock is made of tokio's"
    )]
    pub fn new(offset: Duration, drift: i32) -> Self {
        Self(Arc::new(State {
            start: tokio::time::Instant::now(),
            offset,
            rate: 1.0 + f64::from(drift) / 1e6,
            power: Mutex::default(),
        }))
    }

    /// Stops the machine now.
    pub fn halt(&self, halt: Halt) {
        let tasks = {
            let mut power = self.power();
            power.halt(halt);
            if power.halt == Some(Halt::Crashed) {
                std::mem::take(&mut power.tasks)
            } else {
                Vec::new()
            }
        };
        for task in tasks {
            task.abort();
        }
    }

    /// Stops the machine after so many more polls of its tasks.
    pub fn halt_after(&self, polls: u64, halt: Halt) {
        self.power().fuse = Some((polls, halt));
    }

    /// Goes on after any halt but a crash, and forgets one that was still to come.
    pub fn go_on(&self) {
        let held_up = {
            let mut power = self.power();
            if power.halt == Some(Halt::Crashed) {
                return;
            }
            power.fuse = None;
            power.halt = None;
            power.wake_up();
            std::mem::take(&mut power.held_up)
        };
        held_up.into_iter().for_each(Waker::wake);
    }

    /// True when the machine has crashed.
    pub fn is_gone(&self) -> bool {
        self.power().halt == Some(Halt::Crashed)
    }

    /// True when nothing of it runs at the moment.
    pub fn is_halted(&self) -> bool {
        self.power().halt.is_some()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a simulated clock is made of tokio's"
    )]
    pub(crate) fn now(&self) -> Duration {
        let real = tokio::time::Instant::now().duration_since(self.0.start);
        self.0.offset + real.mul_f64(self.0.rate)
    }

    /// Waits until its clock shows so much more; longer when it was suspended meanwhile.
    #[expect(
        clippy::disallowed_methods,
        reason = "a simulated clock is made of tokio's"
    )]
    pub(crate) async fn sleep(&self, duration: Duration) {
        let mut owed = duration.div_f64(self.0.rate);
        while !owed.is_zero() {
            let before = self.power().slept;
            let due = tokio::time::Instant::now() + owed;
            tokio::time::sleep_until(due).await;
            // The part of the machine's sleep that came after the timer was due cost it nothing.
            let late = tokio::time::Instant::now().saturating_duration_since(due);
            let slept = self.power().slept.saturating_sub(before);
            owed = slept.saturating_sub(late);
        }
    }

    /// Runs a task here. `starves` unless it has a thread of its own.
    pub(crate) fn host<T>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
        starves: bool,
    ) -> impl Future<Output = T> + Send + 'static
    where
        T: Send + 'static,
    {
        Hosted {
            machine: self.clone(),
            starves,
            task: Some(Box::pin(task)),
        }
    }

    /// Remembers a task that is hosted here, to end it in a crash.
    pub(crate) fn adopt(&self, task: AbortHandle) {
        let mut power = self.power();
        if power.tasks.len() >= TASKS_BEFORE_TIDYING && power.tasks.len().is_power_of_two() {
            power.tasks.retain(|task| !task.is_finished());
        }
        power.tasks.push(task);
    }

    fn turn(&self, starves: bool, waker: &Waker) -> Turn {
        let blown = {
            let mut power = self.power();
            match power.fuse.as_mut() {
                Some((0, halt)) => Some(*halt),
                Some((polls, _)) => {
                    *polls -= 1;
                    None
                }
                None => None,
            }
        };
        if let Some(halt) = blown {
            self.halt(halt);
        }
        let mut power = self.power();
        match power.halt {
            None => Turn::Run,
            Some(Halt::Starved) if !starves => Turn::Run,
            Some(Halt::Crashed) => Turn::Never,
            Some(_) => {
                power.held_up.push(waker.clone());
                Turn::Wait
            }
        }
    }

    fn power(&self) -> MutexGuard<'_, Power> {
        self.0.power.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Power {
    #[expect(
        clippy::disallowed_methods,
        reason = "a simulated clock is made of tokio's"
    )]
    fn halt(&mut self, halt: Halt) {
        self.fuse = None;
        if self.halt == Some(Halt::Crashed) {
            return;
        }
        self.wake_up();
        if halt == Halt::Suspended {
            self.asleep_since = Some(tokio::time::Instant::now());
        }
        self.halt = Some(halt);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a simulated clock is made of tokio's"
    )]
    fn wake_up(&mut self) {
        if let Some(since) = self.asleep_since.take() {
            self.slept += tokio::time::Instant::now().duration_since(since);
        }
    }
}

struct Hosted<T> {
    machine: Machine,
    starves: bool,
    /// `None` after a crash: what it had in memory is gone.
    task: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T> Future for Hosted<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        match this.machine.turn(this.starves, cx.waker()) {
            Turn::Run => {}
            Turn::Wait => return Poll::Pending,
            Turn::Never => this.task = None,
        }
        match &mut this.task {
            Some(task) => task.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// Suspends a machine for `asleep` a second after a sleep of five has begun; how long the sleep took in all.
    async fn slept_through(asleep: u64) -> u64 {
        let machine = Machine::new(Duration::ZERO, 0);
        let second = Duration::from_secs(1);
        let mut sleep = Box::pin(machine.host(
            {
                let machine = machine.clone();
                async move { machine.sleep(5 * second).await }
            },
            false,
        ));
        assert!((&mut sleep).now_or_never().is_none());
        let steps = [second, Duration::from_secs(asleep)];
        for (step, halts) in steps.into_iter().zip([true, false]) {
            tokio::time::advance(step).await;
            if halts {
                machine.halt(Halt::Suspended);
            } else {
                machine.go_on();
            }
        }
        sleep.await;
        machine.now().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn timers_of_a_machine_that_slept_are_late_by_its_sleep_and_no_more() {
        assert_eq!(slept_through(2).await, 1 + 2 + 4, "due after it woke up");
        assert_eq!(slept_through(60).await, 1 + 60 + 4, "due while it slept");
    }
}
