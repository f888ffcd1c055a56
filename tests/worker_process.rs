//! A worker process for the server suite: one worker for each table that is named, and a line for each record.
//!
//! `worker_process TABLE...` prints `record TABLE SHARD SEQUENCE-NUMBER KEY VALUE` and `joined TABLE`. SIGTERM ends it
//! in order.

use std::convert::Infallible;
use std::io::Write;

use aws_config::{BehaviorVersion, SdkConfig};
use shardkeeper::{
    Batch, Event, Progress, Record, RecordProcessor, ShardContext, Worker, WorkerHandle,
};

/// Prints the records of one table.
struct Print(String);

impl RecordProcessor for Print {
    type Error = Infallible;

    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, Infallible> {
        for record in &batch {
            let (table, shard) = (&self.0, cx.shard_id());
            let (key, value) = (text(record, "id", "S"), text(record, "value", "N"));
            say(&format!(
                "record {table} {shard} {} {key} {value}",
                record.sequence_number()
            ));
        }
        Ok(Progress::Done)
    }
}

fn text(record: &Record, attribute: &str, kind: &str) -> String {
    let image = record.new_image_json().unwrap_or("{}");
    let image: serde_json::Value = serde_json::from_str(image).unwrap_or_default();
    image[attribute][kind].as_str().unwrap_or("-").to_owned()
}

/// A whole line at once, whichever task says it.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A test that has seen enough has closed the pipe.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

async fn start(config: &SdkConfig, table: String) -> Result<WorkerHandle, shardkeeper::Error> {
    let joined = table.clone();
    let worker = Worker::builder(format!("{table}-leases"))
        .table(&table)
        .aws_config(config)
        .observer(move |event: &Event| {
            if matches!(event, Event::WorkerJoined { .. }) {
                say(&format!("joined {joined}"));
            }
        });
    Ok(worker
        .build()
        .await?
        .spawn(move |_: &ShardContext| Print(table.clone())))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut workers = Vec::new();
    for table in std::env::args().skip(1) {
        workers.push(start(&config, table).await?);
    }
    asked.recv().await;
    for worker in &workers {
        worker.begin_shutdown();
    }
    for worker in workers {
        worker.shutdown().await?;
    }
    Ok(())
}
