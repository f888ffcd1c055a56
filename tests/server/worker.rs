//! A worker reads from any server what a client that others wrote has written there.

use std::convert::Infallible;

use serde_json::{Value, json};
use shardkeeper::{Batch, Progress, Record, RecordProcessor, ShardContext, Worker};
use tokio::sync::mpsc;

use crate::surroundings::Surroundings;

/// 5 x (put, update), 2 replaced, 3 deleted; what changes nothing is not in the stream.
const RECORDS: usize = 15;

async fn a_worker_reads_what_boto3_wrote(view_type: &str) {
    let surroundings = Surroundings::get();
    let table = surroundings.table(&format!("worker-{}", view_type.to_lowercase()));
    let mut script = surroundings.write_with_boto3(&table, view_type);
    let output = script
        .args(["--count", "5"])
        .output()
        .expect("Python starts");
    let written = String::from_utf8(output.stdout).expect("the script prints text");
    assert!(output.status.success(), "{written}");
    let lines = written
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"));

    assert_eq!(
        by_item(read(&surroundings, &table).await),
        by_item(lines.collect())
    );
}

/// What a worker of a new application delivers from the table's stream.
#[expect(clippy::disallowed_methods, reason = "a server lives in real time")]
async fn read(surroundings: &Surroundings, table: &str) -> Vec<Value> {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(&surroundings.endpoint_url)
        .load()
        .await;
    let worker = Worker::builder(format!("{table}-leases"))
        .table(table)
        .aws_config(&config);
    let worker = worker.build().await.expect("the worker can be built");
    let (sender, mut delivered) = mpsc::channel(RECORDS);
    let handle = worker.spawn(move |_| Sender(sender.clone()));
    let mut records = Vec::new();
    let patience = std::time::Duration::from_secs(60);
    while records.len() < RECORDS {
        let record = tokio::time::timeout(patience, delivered.recv()).await;
        let record = record.unwrap_or_else(|_| panic!("only {records:#?} came"));
        records.push(record.expect("the worker is at work"));
    }
    handle.shutdown().await.expect("the worker ends well");
    records
}

/// Sends each record on, in the form in which the script prints what it wrote.
struct Sender(mpsc::Sender<Value>);

impl RecordProcessor for Sender {
    type Error = Infallible;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Infallible> {
        for record in &batch {
            // A test that has seen enough does not listen any more.
            let _ = self.0.send(as_the_script_prints_it(record)).await;
        }
        Ok(Progress::Done)
    }
}

fn as_the_script_prints_it(record: &Record) -> Value {
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("images are JSON");
    let mut line = json!({ "kind": record.kind().to_string(), "keys": json(record.keys_json()) });
    if let Some(image) = record.new_image_json() {
        line["new"] = json(image);
    }
    if let Some(image) = record.old_image_json() {
        line["old"] = json(image);
    }
    line
}

/// Items may live in different shards, so only the order within an item is sure; sets have none.
fn by_item(mut lines: Vec<Value>) -> Vec<Value> {
    lines.iter_mut().for_each(sort_sets);
    lines.sort_by_key(|line| line["keys"].to_string());
    lines
}

fn sort_sets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Array(set) if ["SS", "NS", "BS"].contains(&name.as_str()) => {
                        set.sort_by_key(Value::to_string);
                    }
                    other => sort_sets(other),
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(sort_sets),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_reads_what_boto3_wrote_with_keys_only() {
    a_worker_reads_what_boto3_wrote("KEYS_ONLY").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_reads_what_boto3_wrote_with_new_images() {
    a_worker_reads_what_boto3_wrote("NEW_IMAGE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_reads_what_boto3_wrote_with_old_images() {
    a_worker_reads_what_boto3_wrote("OLD_IMAGE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_reads_what_boto3_wrote_with_both_images() {
    a_worker_reads_what_boto3_wrote("NEW_AND_OLD_IMAGES").await;
}
