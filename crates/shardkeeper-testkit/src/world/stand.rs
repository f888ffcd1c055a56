//! Where a world stands: on a thread, a runtime and a paused clock of its own.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shardkeeper::{RecordProcessor, ShardContext};

use super::builder::WorldBuilder;
use super::crew::Crew;
use super::run::Run;
use super::stage::Stage;
use super::{enact, trouble};

/// Between two looks at whether everything is done.
const LOOK: Duration = Duration::from_millis(500);
/// How long the workers may take to leave in the end.
const LEAVING: Duration = Duration::from_secs(5 * 60);
/// Lines of the story that are told of a processor that blocks.
const TOLD: usize = 12;

/// Runs a world to its end.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "a world has a thread of its own, so that it needs nothing of the test's and a blocked one can be told"
)]
pub(super) fn stand<P, F>(world: WorldBuilder, factory: F) -> Run
where
    P: RecordProcessor,
    F: Fn(&ShardContext) -> P + Send + Sync + 'static,
{
    if let Err(why) = world.settings.validate() {
        panic!("{why}");
    }
    let (seed, limit) = (world.seed, world.real_time_limit);
    let seen: Arc<OnceLock<Stage>> = Arc::default();
    let (tell, told) = sync_channel(1);
    let shown = Arc::clone(&seen);
    let thread = std::thread::Builder::new().name(format!("world {seed}"));
    let running = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.expect("a runtime");
        let run = runtime.block_on(play(world, factory, &shown));
        // Everything that the processors had is dropped before anybody looks at what they left.
        drop(runtime);
        drop(tell.send(run));
    });
    let running = running.expect("a thread");
    match told.recv_timeout(limit) {
        Ok(run) => {
            drop(running.join());
            run
        }
        Err(RecvTimeoutError::Timeout) => {
            let last = seen.get().map(|stage| Run::last_lines(&stage.lock(), TOLD));
            panic!(
                "seed {seed}: the world has not ended within {limit:?} of real time: does the processor block its thread? It must wait with `.await`, and not for the network.\n{}",
                last.unwrap_or_default()
            );
        }
        Err(RecvTimeoutError::Disconnected) => match running.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => unreachable!("a thread that ends in order has told"),
        },
    }
}

async fn play<P, F>(world: WorldBuilder, factory: F, shown: &OnceLock<Stage>) -> Run
where
    P: RecordProcessor,
    F: Fn(&ShardContext) -> P + Send + Sync + 'static,
{
    let stage = Stage::new(world.seed, world.workers);
    drop(shown.set(stage.clone()));
    let crew = Crew {
        stage: stage.clone(),
        factory: Arc::new(factory),
        settings: world.settings.clone(),
        decision: world.decision,
    };
    tokio::select! {
        biased;
        () = lives(&stage, &world) => {}
        () = crew.tend() => {}
    }
    let unsettled = unsettled(&stage);
    leave(&stage).await;
    Run::of(world.seed, &mut stage.lock(), unsettled)
}

/// All of the trouble, and the time until everything is done.
async fn lives(stage: &Stage, world: &WorldBuilder) {
    let length = world.script.is_none().then(|| trouble::length(world));
    let longest = world.time_limit + length.unwrap_or_default();
    let trouble = async {
        match &world.script {
            Some(script) => enact::play(stage, script).await,
            None => trouble::play(stage, world).await,
        }
    };
    tokio::select! {
        biased;
        () = trouble => {}
        () = stage.sleep(longest) => {}
    }
    let over = stage.lock().now() + world.time_limit;
    while !unsettled(stage).is_empty() && stage.lock().now() < over {
        stage.sleep(LOOK).await;
    }
}

fn unsettled(stage: &Stage) -> Vec<shardkeeper::ShardId> {
    let state = stage.lock();
    let shards = state.shards.keys();
    shards.filter(|id| !state.is_settled(id)).cloned().collect()
}

/// Asks everybody to leave, and waits for it.
async fn leave(stage: &Stage) {
    let handles: Vec<_> = {
        let mut state = stage.lock();
        for seat in &mut state.seats {
            if let Some(machine) = &seat.machine {
                machine.go_on();
            }
        }
        state.tell(None, "the world ends: all workers are asked to leave");
        let seats = state.seats.iter();
        seats.filter_map(|seat| seat.handle.clone()).collect()
    };
    let all = futures_util::future::join_all(handles.iter().map(|handle| handle.shutdown()));
    tokio::select! {
        biased;
        _ = all => {}
        () = stage.sleep(LEAVING) => {}
    }
}
