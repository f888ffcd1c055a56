//! What a service writes: a processor. One lives for each shard and time of ownership, so it needs no locks
//! of its own; this one shares only the ledger that the proof is made from.

use std::sync::Arc;
use std::time::Duration;

use shardkeeper::{Batch, Change, ImageError, Progress, Record, RecordProcessor, ShardContext};

use crate::ledger::{Delivery, Ledger};
use crate::orders::Order;

/// What a batch costs a service that does something with it: a call to a database, say.
const WORK: Duration = Duration::from_millis(5);

/// Enters every order's changes in the ledger.
pub(crate) struct Bookkeeper {
    pub(crate) ledger: Arc<Ledger>,
}

impl RecordProcessor for Bookkeeper {
    type Error = ImageError;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Self::Error> {
        for record in &batch {
            let (order, change) = change_of(record)?;
            self.ledger.delivered(Delivery {
                shard: batch.shard().clone(),
                sequence_number: record.sequence_number(),
                order,
                change,
            });
        }
        tokio::time::sleep(WORK).await;
        Ok(Progress::Done) // everything in the batch is done; this is the checkpoint
    }
}

/// The order that a record is about, and which of the order's changes it is.
fn change_of(record: &Record) -> Result<(String, u64), ImageError> {
    Ok(match record.change::<Order>()? {
        Change::Inserted { new } | Change::Modified { new, .. } => (new.id, new.change),
        // The old image is the order before its end, which is one change more.
        Change::Removed { old: Some(old) } => (old.id, old.change + 1),
        // Change 0 is in no writer's book, so the ledger will complain.
        _ => (record.keys::<Key>()?.id, 0),
    })
}

/// The key of the table.
#[derive(serde::Deserialize)]
struct Key {
    id: String,
}
