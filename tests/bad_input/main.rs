//! Bad input gets a clear error that says what to do, and nothing is lost.

mod access;
mod endpoints;
mod names;
mod settings;
mod tables;

use shardkeeper::{Error, Worker, WorkerBuilder};
use shardkeeper_tests::World;

/// Why this worker cannot be built.
async fn refused(worker: WorkerBuilder) -> Error {
    match worker.build().await {
        Ok(worker) => panic!("{worker:?} was built"),
        Err(error) => error,
    }
}

/// The message has all of these parts, is short enough to be read and fits on one line, unless it is a list.
#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
    assert!(message.len() < 700, "too long: {message}");
    assert!(
        !message.contains("SdkError") && !message.contains("Unhandled"),
        "{message}"
    );
}

/// A worker of this world under another application, so that it has a lease table of its own.
fn another(world: &World, application: &str) -> WorkerBuilder {
    Worker::builder(application)
        .aws_config(&world.emulator.sdk_config())
        .env(shardkeeper::Env::simulated(1))
}
