//! A record that cannot be processed goes to a file, and the others go on.
//!
//! `Remedy::Skip` skips one record: the one that fails is found by delivering halves of its batch. The letter is
//! written first, so a crash between the two writes it twice and never loses it.
//!
//!     cargo run --example dead_letter orders     # order-00001 is our poison

use std::fs::OpenOptions;
use std::io::Write;

use shardkeeper::{Batch, BoxError, Failure, Outcome, Progress, RecordProcessor, Remedy};
use shardkeeper::{ShardContext, Worker};

/// Attempts before something is skipped: enough for what passes by itself.
const ATTEMPTS: u32 = 3;
const LETTERS: &str = "dead-letters.jsonl";

struct Ship;

impl RecordProcessor for Ship {
    type Error = BoxError;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, BoxError> {
        for record in &batch {
            if record.keys_json().contains("order-00001") {
                return Err("this order cannot be shipped".into());
            }
            println!("shipped {}", record.keys_json());
        }
        Ok(Progress::Done)
    }

    fn on_error(&mut self, failure: Failure<'_, BoxError>) -> Remedy {
        if failure.attempt < ATTEMPTS {
            return Remedy::Retry;
        }
        match failure.batch.records() {
            // Never skip what could not be kept.
            [poison] if write_letter(poison, failure.error).is_err() => Remedy::Retry,
            _ => Remedy::Skip,
        }
    }
}

/// Everything that is needed to process the record later, by hand or by a program.
fn write_letter(record: &shardkeeper::Record, why: &BoxError) -> std::io::Result<()> {
    let letter = serde_json::json!({
        "event_id": record.event_id(),
        "kind": record.kind().to_string(),
        "keys": record.keys_json(),
        "new_image": record.new_image_json(),
        "why": why.to_string(),
    });
    let mut letters = OpenOptions::new().create(true).append(true).open(LETTERS)?;
    writeln!(letters, "{letter}")?;
    letters.sync_data()
}

#[tokio::main]
async fn main() -> Result<Outcome, shardkeeper::Error> {
    let table = std::env::args().nth(1).unwrap_or("orders".into());
    let worker = Worker::builder("orders-shipper").table(table);
    worker.build().await?.run(|_| Ship).await
}
