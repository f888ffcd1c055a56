//! Gives the worker something that processes nothing.
//~ `Print` is not a processor of records
//~ implement `RecordProcessor` for it, or make a processor of a closure

use shardkeeper::{Error, Outcome, Worker};

struct Print;

async fn run(worker: Worker) -> Result<Outcome, Error> {
    worker.run(|_| Print).await
}

fn main() {}
