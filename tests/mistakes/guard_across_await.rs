//! Holds a lock of std while it waits.
//~ future cannot be sent between threads safely
//~ future is not `Send` as this value is used across an await

use std::sync::{Arc, Mutex};

use shardkeeper::{Batch, Progress, RecordProcessor, ShardContext};

struct Count(Arc<Mutex<usize>>);

impl RecordProcessor for Count {
    type Error = std::convert::Infallible;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Self::Error> {
        let mut count = self.0.lock().unwrap();
        *count += batch.len();
        std::future::ready(()).await;
        *count += 1;
        Ok(Progress::Done)
    }
}

fn main() {}
