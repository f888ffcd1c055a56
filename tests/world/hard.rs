//! Whatever a processor does, the world ends and says what happened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use shardkeeper::{Batch, Defer, Env, Failure, Progress, RecordProcessor, Remedy, ShardContext};
use shardkeeper_testkit::World;
use shardkeeper_testkit::world::{Run, Script};

/// What a processor does with every batch.
#[derive(Clone, Copy)]
enum Does {
    Panics,
    Fails,
    Skips,
    NeverReturns,
    IsSlow,
    Defers,
    NeverAcknowledges,
}

struct Hard(Does);

impl RecordProcessor for Hard {
    type Error = String;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, String> {
        match self.0 {
            Does::Panics => panic!("as it does"),
            Does::Fails | Does::Skips => Err("no".into()),
            Does::NeverReturns => std::future::pending().await,
            Does::IsSlow => {
                Env::simulated(0).sleep(Duration::from_secs(45)).await;
                Ok(Progress::Done)
            }
            Does::Defers => {
                let (progress, acks) = batch.defer();
                for record in batch.iter().rev() {
                    acks.acknowledge(record.sequence_number());
                }
                Ok(progress)
            }
            Does::NeverAcknowledges => {
                let (progress, acks) = batch.defer();
                std::mem::forget(acks);
                Ok(progress)
            }
        }
    }

    fn on_error(&mut self, _: Failure<'_, String>) -> Remedy {
        match self.0 {
            Does::Skips => Remedy::Skip,
            _ => Remedy::Retry,
        }
    }
}

fn run(does: Does) -> Run {
    let world = World::builder().seed(3).records(20);
    world.run(move |_| Hard(does))
}

fn complaint(run: &Run) -> String {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        run.assert_nothing_lost();
    }));
    let why = judged.expect_err("it was not found");
    why.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn a_processor_that_panics_is_told() {
    let why = complaint(&run(Does::Panics));
    assert!(
        why.contains("not finished") && why.contains("panics"),
        "{why}"
    );
}

#[test]
fn a_processor_that_fails_is_told() {
    let why = complaint(&run(Does::Fails));
    assert!(
        why.contains("not finished") && why.contains("fails"),
        "{why}"
    );
}

#[test]
fn a_processor_that_never_returns_is_told() {
    let why = complaint(&run(Does::NeverReturns));
    assert!(
        why.contains("not finished") && why.contains("is given record"),
        "{why}"
    );
}

#[test]
fn a_processor_that_never_acknowledges_is_told() {
    let why = complaint(&run(Does::NeverAcknowledges));
    assert!(
        why.contains("not finished") && why.contains("will acknowledge"),
        "{why}"
    );
}

#[test]
fn a_processor_that_skips_is_told() {
    let why = complaint(&run(Does::Skips));
    assert!(why.contains("skipped record"), "{why}");
}

#[test]
fn slow_and_deferring_processors_get_done() {
    run(Does::IsSlow).assert_nothing_lost();
    run(Does::Defers).assert_nothing_lost();
}

#[test]
#[should_panic(expected = "does the processor block its thread?")]
fn a_processor_that_blocks_its_thread_is_told_in_real_time() {
    struct Blocks(std::sync::mpsc::Receiver<()>);
    impl RecordProcessor for Blocks {
        type Error = String;
        async fn process(&mut self, _: Batch, _: &ShardContext) -> Result<Progress, String> {
            // Until the test's end of the channel is gone.
            self.0.recv().map_err(|gone| gone.to_string())?;
            Ok(Progress::Done)
        }
    }
    let (held, blocks) = std::sync::mpsc::sync_channel(1);
    let blocks = std::sync::Mutex::new(Some(blocks));
    let world = World::builder().script(Script::new().shard("a", |s| s.records(1)));
    let world = world.workers(1).real_time_limit(Duration::from_millis(500));
    world.run(move |_| {
        let _ = &held;
        Blocks(blocks.lock().unwrap().take().expect("one processor"))
    });
}
