//! Lends a captured client to the future of a closure, instead of giving it as the state.
//~ async closure does not implement `FnMut`

use std::sync::Arc;

use shardkeeper::{Batch, Error, Outcome, Worker, each_batch};

struct Client;

impl Client {
    async fn send(&self, _: Batch) {}
}

async fn run(worker: Worker, client: Arc<Client>) -> Result<Outcome, Error> {
    worker
        .run(move |_| {
            let client = client.clone();
            each_batch(async move |batch: Batch| {
                client.send(batch).await;
                Ok(())
            })
        })
        .await
}

fn main() {}
