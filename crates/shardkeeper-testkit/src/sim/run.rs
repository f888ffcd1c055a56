//! One run: a world from a seed, trouble, healing, and what was found.

use std::cell::RefCell;
use std::sync::Once;

use shardkeeper_core::planted::{self, Plant};

use super::chaos::Injected;
use super::ground::{BIRTH, SECOND, spawn};
use super::oracle::{Seen, Violation};
use super::scenario::{Cut, Scenario, Seam};
use super::world::{Shared, World};

/// What to do beside judging.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Tell the story, line by line.
    pub trace: bool,
    /// Hash the story.
    pub hash: bool,
    /// Leave this out.
    pub cut: Cut,
    /// End at the first thing that is wrong.
    pub first_only: bool,
    /// Make this mistake; only in a build that can.
    pub planted: Option<Plant>,
    /// Meet the workers here, whatever the seed says.
    pub seam: Option<Seam>,
}

/// What one run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Where its workers met the world.
    pub seam: Seam,
    /// The mistake that was planted.
    pub planted: Option<Plant>,
    /// How long it took in the world, in milliseconds.
    pub virtual_millis: u64,
    /// The part of it in which at least one worker was there and its machine did not stand still.
    pub attended_millis: u64,
    /// What the oracle counted.
    pub seen: Seen,
    /// Which faults were injected how often.
    pub injected: Injected,
    /// The hash of the story, if it was wished for.
    pub hash: u64,
    /// What was wrong.
    pub violations: Vec<Violation>,
}

impl Outcome {
    /// Who objected first, if anybody did.
    #[must_use]
    pub fn judge(&self) -> Option<&'static str> {
        self.violations.first().map(|violation| violation.judge)
    }
}

/// Runs one seed on a thread of its own.
///
/// # Panics
/// If the simulation itself breaks.
#[must_use]
pub fn run(seed: u64, wishes: &Wishes) -> Outcome {
    let seam = wishes.seam.unwrap_or_else(|| Seam::of(seed));
    let scenario = Scenario::of(seed).at(seam).cut(&wishes.cut);
    run_through(scenario, wishes)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a world has a thread of its own, so that nothing is left from another"
)]
pub(super) fn run_through(scenario: Scenario, wishes: &Wishes) -> Outcome {
    listen_for_panics();
    let wishes = wishes.clone();
    let thread = std::thread::Builder::new().name(format!("seed {}", scenario.seed));
    let running = thread.spawn(move || {
        PANICS.set(Some(Vec::new()));
        planted::plant(wishes.planted);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let planted = wishes.planted;
        let mut outcome = runtime.expect("a runtime").block_on(play(scenario, wishes));
        outcome.planted = planted;
        // What panics when the world is over already.
        for panic in PANICS.take().unwrap_or_default() {
            outcome.violations.push(Violation {
                judge: "panic",
                at: outcome.virtual_millis,
                message: panic,
                story: Vec::new(),
            });
        }
        outcome
    });
    running
        .expect("a thread")
        .join()
        .expect("the simulation itself does not panic")
}

async fn play(scenario: Scenario, wishes: Wishes) -> Outcome {
    let trouble = scenario.trouble;
    let mut world = World::new(scenario);
    (world.oracle.story.aloud, world.oracle.story.hashed) = (wishes.trace, wishes.hash);
    world.oracle.first_only = wishes.first_only;
    world.remember();
    (0..world.streams.shards.len()).for_each(|shard| world.introduce(shard));
    let shared = Shared::new(world);
    shared.with(|world| {
        world.begin_life();
        world.begin_trouble();
        world.glance();
        for _ in 0..world.scenario.workers {
            let (seat, wait) = (world.seat(None), world.dice.u64(1..20 * SECOND));
            world.after(wait, move |world| world.launch(seat));
        }
        world.at(BIRTH + trouble, World::heal);
    });
    let driven = shared.clone();
    let driver = spawn(async move { driven.drive().await });
    // The driver cannot panic but by a bug of the simulation, which the panic hook reports.
    drop(driver.await);
    shared.with(|world| world.close())
}

impl World {
    fn close(&mut self) -> Outcome {
        self.over = true;
        let panics = PANICS.with_borrow_mut(|panics| panics.as_mut().map(std::mem::take));
        for panic in panics.unwrap_or_default() {
            self.oracle.accuse(self.now, "panic", panic);
        }
        Outcome {
            seed: self.scenario.seed,
            seam: self.scenario.seam,
            planted: None,
            virtual_millis: self.since_birth(),
            attended_millis: self.oracle.attended(self.now),
            seen: self.oracle.seen,
            injected: self.weather.injected.clone(),
            hash: self.oracle.story.hash(),
            violations: std::mem::take(&mut self.oracle.violations),
        }
    }
}

thread_local! {
    /// The panics of this thread, if it runs a world.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// A panic inside a worker is caught by the worker; the world has to hear of it all the same.
fn listen_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = PANICS.with_borrow_mut(|panics| {
                panics.as_mut().map(|panics| panics.push(info.to_string()))
            });
            if ours.is_none() {
                others(info);
            }
        }));
    });
}
