//! The moments beside `process`, when they go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shardkeeper::{Batch, BoxError, Progress, RecordProcessor, ShardContext};
use shardkeeper_tests::{TABLE, World};

use super::{SOON, lease_owners, shards, time_to_leave};

/// What a hook does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Good,
    Failing,
    Hanging,
}

#[derive(Clone)]
struct Hooked {
    initialize: Mood,
    shard_ended: Mood,
    shutdown_requested: Mood,
    processed: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Hooked {
    fn new() -> Self {
        Self {
            initialize: Mood::Good,
            shard_ended: Mood::Good,
            shutdown_requested: Mood::Good,
            processed: Arc::default(),
            ended: Arc::default(),
        }
    }

    async fn feel(mood: Mood) -> Result<(), BoxError> {
        match mood {
            Mood::Good => Ok(()),
            Mood::Failing => Err("as the test says".into()),
            Mood::Hanging => std::future::pending().await,
        }
    }
}

impl RecordProcessor for Hooked {
    type Error = BoxError;

    async fn initialize(&mut self, _: &ShardContext) -> Result<(), BoxError> {
        Self::feel(self.initialize).await
    }

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, BoxError> {
        self.processed.fetch_add(batch.len(), Ordering::Relaxed);
        Ok(Progress::Done)
    }

    async fn shard_ended(&mut self, _: &ShardContext) -> Result<(), BoxError> {
        self.ended.fetch_add(1, Ordering::Relaxed);
        Self::feel(self.shard_ended).await
    }

    async fn shutdown_requested(&mut self, _: &ShardContext) {
        let _ = Self::feel(self.shutdown_requested).await;
    }
}

async fn start(world: &World, hooked: &Hooked) -> shardkeeper::WorkerHandle {
    let hooked = hooked.clone();
    world
        .worker("a")
        .build()
        .await
        .unwrap()
        .spawn(move |_: &ShardContext| hooked.clone())
}

#[tokio::test(start_paused = true)]
async fn l5_an_initialize_that_keeps_failing_does_not_hold_up_the_shutdown() {
    let world = World::with(271, shards(2)).await;
    world.write(10, 1).await;
    let hooked = Hooked {
        initialize: Mood::Failing,
        ..Hooked::new()
    };
    let worker = start(&world, &hooked).await;
    world.pass(Duration::from_secs(200)).await;
    assert_eq!(hooked.processed.load(Ordering::Relaxed), 0);
    let took = time_to_leave(&world, worker).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(lease_owners(&world), vec![None; 2]);
}

#[tokio::test(start_paused = true)]
async fn l5_a_shard_ended_that_keeps_failing_does_not_hold_up_the_shutdown() {
    let world = World::with(272, shards(2)).await;
    world.write(10, 1).await;
    let hooked = Hooked {
        shard_ended: Mood::Failing,
        ..Hooked::new()
    };
    let worker = start(&world, &hooked).await;
    world.pass(Duration::from_secs(10)).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(10, 2).await;
    world.pass(Duration::from_secs(200)).await;
    assert_eq!(
        hooked.processed.load(Ordering::Relaxed),
        10,
        "no child before its parent's end"
    );
    let took = time_to_leave(&world, worker).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(lease_owners(&world), vec![None; 2]);
}

#[tokio::test(start_paused = true)]
async fn l5_hooks_that_never_return_end_with_the_grace() {
    for (initialize, shutdown_requested) in
        [(Mood::Hanging, Mood::Good), (Mood::Good, Mood::Hanging)]
    {
        let world = World::with(273, shards(2)).await;
        world.write(10, 1).await;
        let hooked = Hooked {
            initialize,
            shutdown_requested,
            ..Hooked::new()
        };
        let worker = start(&world, &hooked).await;
        world.pass(SOON).await;
        let took = time_to_leave(&world, worker).await;
        assert!(took < Duration::from_secs(33), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s8_a_shard_ended_that_fails_is_called_again_and_the_children_wait() {
    let world = World::with(274, shards(1)).await;
    let hooked = Hooked {
        shard_ended: Mood::Failing,
        ..Hooked::new()
    };
    let worker = start(&world, &hooked).await;
    world.pass(SOON).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.pass(Duration::from_secs(60)).await;
    let calls = hooked.ended.load(Ordering::Relaxed);
    assert!((5..60).contains(&calls), "{calls}");
    let finished = world
        .lease_rows()
        .iter()
        .filter(|row| row["checkpoint"]["S"] == "SHARD_END")
        .count();
    assert_eq!(finished, 0);
    worker.abort();
}
