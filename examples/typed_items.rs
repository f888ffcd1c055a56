//! Items as your own types: serde decodes what the stream carries, only when it is asked.
//!
//!     cargo run --example typed_items orders

use serde::Deserialize;
use shardkeeper::{Batch, Change, ImageError, Outcome, Progress};
use shardkeeper::{RecordProcessor, ShardContext, Worker};

/// What we care about in an item. Other attributes are not even decoded.
#[derive(Debug, Deserialize)]
struct Order {
    id: String,
    #[serde(default)]
    status: Option<String>,
}

struct FollowOrders;

impl RecordProcessor for FollowOrders {
    /// A record that does not fit `Order` fails its batch: it is tried again and never skipped in silence.
    type Error = ImageError;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, ImageError> {
        for record in &batch {
            match record.change::<Order>()? {
                Change::Inserted { new } => println!("{} is new", new.id),
                Change::Modified { old, new } => {
                    let before = old.and_then(|old| old.status);
                    println!("{}: {:?} -> {:?}", new.id, before, new.status);
                }
                Change::Removed { old: Some(old) } => println!("{} is gone", old.id),
                // The stream carries no old images, so only the keys say what is gone.
                other => println!("{other:?} of {}", record.keys_json()),
            }
        }
        Ok(Progress::Done)
    }
}

#[tokio::main]
async fn main() -> Result<Outcome, shardkeeper::Error> {
    let table = std::env::args().nth(1).unwrap_or("orders".into());
    let worker = Worker::builder("orders-follower").table(table);
    worker.build().await?.run(|_| FollowOrders).await
}
