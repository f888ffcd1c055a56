//! Fails with something that is no error.
//~ the trait `std::error::Error` is not implemented for `u8`

use shardkeeper::{Batch, Progress, RecordProcessor, ShardContext};

struct Print;

impl RecordProcessor for Print {
    type Error = u8;

    async fn process(&mut self, _: Batch, _: &ShardContext) -> Result<Progress, u8> {
        Err(7)
    }
}

fn main() {}
