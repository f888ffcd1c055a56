//! Returns from a closure what a processor returns.
//~ expected `()`, found `Progress`

use shardkeeper::{Batch, Error, Outcome, Progress, Worker, each_batch};

async fn run(worker: Worker) -> Result<Outcome, Error> {
    let make = |_: &_| each_batch(async |_: Batch| Ok(Progress::Done));
    worker.run(make).await
}

fn main() {}
