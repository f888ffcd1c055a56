//! Forgets to build.
//~ no method named `run` found for struct `WorkerBuilder`

use shardkeeper::{Batch, Error, Outcome, Worker, each_batch};

async fn run() -> Result<Outcome, Error> {
    let worker = Worker::builder("orders-printer").table("orders");
    worker.run(|_| each_batch(async |_: Batch| Ok(()))).await
}

fn main() {}
