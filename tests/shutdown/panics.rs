//! Panics in the user's code, wherever it is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shardkeeper::{
    Batch, BoxError, Decision, Event, Failure, Progress, RecordProcessor, Remedy, ShardContext,
};
use shardkeeper_tests::{Act, TABLE, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, shards};

fn has(batch: &Batch, key: &str) -> bool {
    batch
        .iter()
        .any(|record| record.keys_json().contains(&format!("\"{key}\"")))
}

#[tokio::test(start_paused = true)]
async fn s15_a_panic_in_process_ends_only_that_attempt() {
    let world = World::with(261, shards(3)).await;
    world.write(30, 1).await;
    let panics = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&panics);
    let worker = world
        .start_with("a", move |batch, _| {
            if has(batch, "order-5") && count.fetch_add(1, Ordering::Relaxed) < 3 {
                Act::Panic
            } else {
                Act::Done
            }
        })
        .await;
    delivered(&world, SOON, 30).await;
    world
        .until(SOON, "done", |_| panics.load(Ordering::Relaxed) == 4)
        .await;
    assert_eq!(
        world.ledger.initialized().len(),
        3 + 3,
        "a new instance after every panic"
    );
    assert_eq!(
        world
            .events
            .count(|event| matches!(event, Event::LeaseLost { .. })),
        0
    );
    assert_in_order(&world);
    worker.shutdown().await.unwrap();
}

/// Panics in one place, the first few times.
struct Touchy {
    place: &'static str,
    panics: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

impl Touchy {
    fn here(&self, place: &str) {
        if place == self.place && self.panics.fetch_add(1, Ordering::Relaxed) < 3 {
            panic!("as the test says, in {place}");
        }
    }
}

impl RecordProcessor for Touchy {
    type Error = BoxError;

    async fn initialize(&mut self, _: &ShardContext) -> Result<(), BoxError> {
        self.here("initialize");
        Ok(())
    }

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, BoxError> {
        self.here("process");
        if self.place == "on_error" && self.panics.load(Ordering::Relaxed) < 3 {
            return Err("so that on_error is asked".into());
        }
        self.calls.fetch_add(batch.len(), Ordering::Relaxed);
        Ok(Progress::Done)
    }

    async fn shard_ended(&mut self, _: &ShardContext) -> Result<(), BoxError> {
        self.here("shard_ended");
        Ok(())
    }

    async fn shutdown_requested(&mut self, _: &ShardContext) {
        self.here("shutdown_requested");
    }

    fn on_error(&mut self, _: Failure<'_, BoxError>) -> Remedy {
        self.here("on_error");
        Remedy::Retry
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        // A second panic while the first one unwinds would end the process, whatever we do.
        if !std::thread::panicking() {
            self.here("drop");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s15_a_panic_anywhere_in_a_processor_costs_an_attempt_and_nothing_else() {
    for place in [
        "factory",
        "initialize",
        "process",
        "on_error",
        "shard_ended",
        "shutdown_requested",
        "drop",
    ] {
        let world = World::with(262, shards(3)).await;
        let panics = Arc::new(AtomicUsize::new(0));
        let calls = Arc::new(AtomicUsize::new(0));
        let (counts, made) = (Arc::clone(&panics), Arc::clone(&calls));
        let worker = world
            .worker("a")
            .build()
            .await
            .unwrap()
            .spawn(move |_: &ShardContext| {
                let touchy = Touchy {
                    place,
                    panics: Arc::clone(&counts),
                    calls: Arc::clone(&made),
                };
                touchy.here("factory");
                touchy
            });
        world.write(30, 1).await;
        world.pass(Duration::from_secs(10)).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        world.write(30, 2).await;
        world
            .until(Duration::from_secs(60), place, |_| {
                calls.load(Ordering::Relaxed) >= 60
            })
            .await;
        world.pass(Duration::from_secs(3)).await;
        let from = world.emulator.now();
        worker.shutdown().await.unwrap();
        assert!(
            world.emulator.now() - from < Duration::from_secs(5),
            "{place}"
        );
        assert!(
            calls.load(Ordering::Relaxed) <= 60 + 30,
            "{place}: {calls:?}"
        );
        let demoted = world
            .events
            .count(|event| matches!(event, Event::WorkerDemoted { .. }));
        assert_eq!(demoted, 0, "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn s15_a_decision_about_lost_data_that_panics_is_asked_again() {
    let world = World::with(263, shards(2)).await;
    let worker = world.start_with("before", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    worker.shutdown().await.unwrap();
    world.write(20, 2).await;
    let shard = world.emulator.shards(TABLE).unwrap()[0].id.clone();
    world.emulator.trim_shard(TABLE, &shard, None).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let worker = world.worker("a").on_data_loss(move |_| {
        assert!(
            count.fetch_add(1, Ordering::Relaxed) > 1,
            "as the test says"
        );
        Decision::GoOn
    });
    let worker = world.spawn(worker, done).await;
    world
        .until(SOON * 2, "decided", |_| asked.load(Ordering::Relaxed) == 3)
        .await;
    let before = world.ledger.distinct();
    world.write(20, 3).await;
    delivered(&world, SOON, before + 20).await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l6_an_observer_that_panics_now_and_then_stops_nothing_for_good() {
    let world = World::with(264, shards(3)).await;
    let heard = Arc::new(AtomicUsize::new(0));
    let worker = world.worker("a").observer(move |_: &Event| {
        let count = heard.fetch_add(1, Ordering::Relaxed);
        assert!(count % 17 != 16, "as the test says");
    });
    let worker = world.spawn(worker, done).await;
    for round in 1..=5 {
        world.write(20, round).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        delivered(&world, TAKE_OVER * 3, 20 * round).await;
    }
    worker.shutdown().await.ok();
}

/// Panics every time, in one place.
fn always(
    place: &'static str,
    panics: &Arc<AtomicUsize>,
) -> impl Fn(&ShardContext) -> Always + use<> {
    let panics = Arc::clone(panics);
    move |_| {
        let made = Always {
            place,
            panics: Arc::clone(&panics),
        };
        made.here("factory");
        made
    }
}

struct Always {
    place: &'static str,
    panics: Arc<AtomicUsize>,
}

impl Always {
    fn here(&self, place: &str) {
        if place == self.place {
            self.panics.fetch_add(1, Ordering::Relaxed);
            panic!("as the test says, in {place}");
        }
    }
}

impl RecordProcessor for Always {
    type Error = BoxError;

    async fn process(&mut self, _: Batch, _: &ShardContext) -> Result<Progress, BoxError> {
        self.here("process");
        Ok(Progress::Done)
    }

    async fn shard_ended(&mut self, _: &ShardContext) -> Result<(), BoxError> {
        self.here("shard_ended");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn g5_what_always_panics_is_told_and_tried_again_after_pauses_that_grow() {
    for place in ["factory", "process", "shard_ended"] {
        let world = World::with(265, shards(1)).await;
        world.write(3, 1).await;
        let panics = Arc::new(AtomicUsize::new(0));
        let worker = world.worker("a").build().await.unwrap();
        let worker = worker.spawn(always(place, &panics));
        world.pass(Duration::from_secs(1)).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        world.pass(Duration::from_secs(119)).await;
        let tried = panics.load(Ordering::Relaxed);
        // Pauses from 50 ms to 20 s: nine of them are 25 s at most, four more come before two minutes are over.
        assert!((5..=22).contains(&tried), "{place}: tried {tried} times");
        let told = world
            .events
            .count(|event| matches!(event, Event::BatchFailed { error: None, .. }));
        assert_eq!(told, tried, "{place}: every panic is told");
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g5_an_observer_that_always_panics_disturbs_nothing() {
    let world = World::with(266, shards(3)).await;
    let worker = world
        .worker("a")
        .observer(|_: &Event| panic!("as the test says"));
    let worker = world.spawn(worker, done).await;
    let second = world.start_with("b", done).await;
    for round in 1..=3 {
        world.write(20, round).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        delivered(&world, SOON, 20 * round).await;
    }
    assert_eq!(
        world.events.count(|event| matches!(
            event,
            Event::WorkerDemoted { .. } | Event::WorkerFoundDead { .. } | Event::LeaseLost { .. }
        )),
        0
    );
    assert_eq!(world.ledger.repeated(), 0);
    worker.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}
