//! Keeps something that must stay in its thread.
//~ `Rc<Cell<u64>>` cannot be sent between threads safely
//~ required by a bound in `RecordProcessor`

use std::cell::Cell;
use std::rc::Rc;

use shardkeeper::{Batch, Progress, RecordProcessor, ShardContext};

struct Count(Rc<Cell<u64>>);

impl RecordProcessor for Count {
    type Error = std::convert::Infallible;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Self::Error> {
        self.0.set(self.0.get() + batch.len() as u64);
        Ok(Progress::Done)
    }
}

fn main() {}
