//! Forgets that what is returned is the checkpoint.
//~ expected `Progress`, found `()`

use shardkeeper::{Batch, Progress, RecordProcessor, ShardContext};

struct Print;

impl RecordProcessor for Print {
    type Error = std::convert::Infallible;

    async fn process(&mut self, _: Batch, _: &ShardContext) -> Result<Progress, Self::Error> {
        Ok(())
    }
}

fn main() {}
