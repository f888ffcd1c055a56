//! Forgets to say what can go wrong.
//~ not all trait items implemented, missing: `Error`
//~ missing `Error` in implementation

use shardkeeper::{Batch, Progress, RecordProcessor, ShardContext};

struct Print;

impl RecordProcessor for Print {
    async fn process(&mut self, _: Batch, _: &ShardContext) -> Result<Progress, std::io::Error> {
        Ok(Progress::Done)
    }
}

fn main() {}
