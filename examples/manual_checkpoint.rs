//! Acknowledge part of a batch: `Progress::Through` stores how far you came, and the rest is delivered again.
//!
//! Here the sink takes 25 items at a time, so every 25 records are a transaction of their own: a failure in the third
//! one does not repeat the first two.
//!
//!     cargo run --example manual_checkpoint orders

use shardkeeper::{Batch, BoxError, Outcome, Progress, RecordProcessor, ShardContext, Worker};

/// As many as the sink takes at once.
const TRANSACTION: usize = 25;

struct CopyOrders;

impl RecordProcessor for CopyOrders {
    type Error = BoxError;

    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, BoxError> {
        let transaction = batch.slice(0..TRANSACTION);
        store(&transaction, cx.fencing_token()).await?;
        match transaction.last() {
            Some(last) if transaction.len() < batch.len() => Ok(Progress::Through(last)),
            _ => Ok(Progress::Done),
        }
    }
}

/// Your sink. It keeps the largest token of each shard and refuses smaller ones, so a former owner of the shard that
/// was paused and wakes up cannot overwrite what its successor stored.
async fn store(transaction: &Batch, fencing_token: u64) -> Result<(), BoxError> {
    let (shard, count) = (transaction.shard(), transaction.len());
    println!("stored {count} records of {shard} under token {fencing_token}");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<Outcome, shardkeeper::Error> {
    let table = std::env::args().nth(1).unwrap_or("orders".into());
    let worker = Worker::builder("orders-copier").table(table);
    worker.build().await?.run(|_| CopyOrders).await
}
