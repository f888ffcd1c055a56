//! Prints what happens to the items of a table: `cargo run --example hello orders`

use shardkeeper::{Batch, Outcome, Progress, RecordProcessor, ShardContext, Worker};

struct Print;

impl RecordProcessor for Print {
    type Error = std::convert::Infallible;
    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Self::Error> {
        for record in &batch {
            println!("{} {}", record.kind(), record.keys_json());
        }
        Ok(Progress::Done) // the return value is the checkpoint
    }
}

#[tokio::main]
async fn main() -> Result<Outcome, shardkeeper::Error> {
    let table = std::env::args().nth(1).unwrap_or("orders".into());
    let worker = Worker::builder(format!("{table}-printer")).table(table);
    worker.build().await?.run(|_| Print).await
}
