//! S16: no item data in anything that we print, at any level.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use shardkeeper::{Batch, Decision, ImageError, Record, Remedy, ShardContext, WorkerHandle};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{Act, TABLE, World};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

const KEY: &str = "marker-in-a-key";
const VALUE: &str = "marker-in-a-value";
const SOON: Duration = Duration::from_secs(20);

/// Everything that was printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn add(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    #[track_caller]
    fn assert_clean(&self, least: usize) {
        let text = self.text();
        assert!(
            text.len() > least,
            "only {} bytes were printed: {text}",
            text.len()
        );
        for line in text.lines() {
            assert!(!line.contains("marker-in-a"), "item data: {line}");
        }
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Printed {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything of ours at every level, and everything of everybody else that is not for experts only.
fn listen(printed: &Printed) -> tracing::subscriber::DefaultGuard {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(
            "debug,shardkeeper=trace,shardkeeper_core=trace",
        ))
        .with_writer(printed.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_default(subscriber)
}

async fn put(world: &World, number: usize) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let text = |text: String| AttributeValue::S(text);
    world
        .dynamodb
        .put_item()
        .table_name(TABLE)
        .item("id", text(format!("{KEY}-{number}")))
        .item("note", text(format!("{VALUE}-{number}")))
        .item(
            VALUE,
            AttributeValue::M([(VALUE.to_owned(), text(VALUE.to_owned()))].into()),
        )
        .send()
        .await
        .expect("the item is written");
}

fn note(printed: &Printed, worker: &WorkerHandle) {
    printed.add(&format!(
        "{:?}\n{:?}\n{worker:?}\n",
        worker.status(),
        worker.health()
    ));
}

/// Faults of every kind, so that every message that we have is printed at least once.
fn inject_everything(world: &World) {
    let effects = [
        Effect::throttle(),
        Effect::internal_error(),
        Effect::empty_body(),
        Effect::empty_object(),
        Effect::html(),
        Effect::access_denied(),
        Effect::expired_iterator(),
        Effect::Dropped,
        Effect::error(400, "ValidationException"),
    ];
    for operation in [
        "GetRecords",
        "GetShardIterator",
        "DescribeStream",
        "Scan",
        "BatchGetItem",
    ] {
        for (skip, effect) in effects.iter().enumerate() {
            let skip = u64::try_from(skip).unwrap();
            world
                .emulator
                .faults()
                .inject(Fault::new(operation, effect.clone()).skip(skip).times(1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s16_no_log_line_event_status_or_error_shows_item_data() {
    let printed = Printed::default();
    let guard = listen(&printed);
    let world = World::new(401).await;
    for number in 0..20 {
        put(&world, number).await;
    }
    let debugged = printed.clone();
    let behave = move |batch: &Batch, cx: &ShardContext| {
        debugged.add(&format!(
            "{batch:?}\n{cx:?}\n{}\n{:?}\n",
            cx.explain(),
            batch.records()
        ));
        match () {
            () if batch
                .iter()
                .any(|record| record.keys_json().contains("key-7\"")) =>
            {
                Act::Fail(Remedy::Skip)
            }
            () if batch
                .iter()
                .any(|record| record.keys_json().contains("key-9\"")) =>
            {
                Act::Fail(Remedy::Stop)
            }
            () => Act::Done,
        }
    };
    let worker = world.worker("a").on_data_loss(|_| Decision::GoOn);
    let worker = world.spawn(worker, behave.clone()).await;
    world.pass(SOON).await;
    inject_everything(&world);
    world.emulator.roll_over_all(TABLE).unwrap();
    for number in 20..40 {
        put(&world, number).await;
        world.pass(Duration::from_millis(500)).await;
    }
    note(&printed, &worker);
    world.emulator.expire_iterators();
    for shard in world.emulator.shards(TABLE).unwrap() {
        world.emulator.trim_shard(TABLE, &shard.id, None).unwrap();
    }
    world.pass(SOON).await;
    note(&printed, &worker);
    worker.shutdown().await.unwrap();
    for (_, event) in world.events.all() {
        printed.add(&format!("{event:?}\n"));
    }
    drop(guard);
    printed.assert_clean(50_000);
    let kinds = [
        "CallFailed",
        "BatchFailed",
        "RecordSkipped",
        "ShardStopped",
        "the lease is ours",
    ];
    for kind in kinds {
        assert!(printed.text().contains(kind), "the scene has no {kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn s16_a_page_that_cannot_be_read_is_not_quoted() {
    let printed = Printed::default();
    let guard = listen(&printed);
    for body in [
        json!({"Records": [{"dynamodb": {"SequenceNumber": VALUE, "Keys": {"id": {"S": KEY}}}}]}),
        json!({"Records": VALUE}),
        json!({"Records": [VALUE]}),
        json!({"NextShardIterator": [VALUE], "Records": []}),
        json!({"Records": [{"dynamodb": {"SequenceNumber": "1", "SizeBytes": VALUE}}]}),
        json!(VALUE),
        json!({"message": VALUE}),
    ] {
        let world = World::new(402).await;
        let odd = Effect::Answer {
            status: 200,
            content_type: "application/x-amz-json-1.0",
            body: body.to_string().into(),
        };
        world
            .emulator
            .faults()
            .inject(Fault::new("GetRecords", odd).times(3));
        let worker = world.start_with("a", |_, _| Act::Done).await;
        world.pass(SOON).await;
        note(&printed, &worker);
        for (_, event) in world.events.all() {
            printed.add(&format!("{event:?}\n"));
        }
        worker.shutdown().await.unwrap();
    }
    drop(guard);
    printed.assert_clean(5_000);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its errors are looked at")]
struct Strict {
    id: u32,
    note: Kind,
}

#[derive(Debug, Deserialize)]
enum Kind {
    Letter,
    Parcel,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its errors are looked at")]
enum Either {
    Number { note: u8 },
    List { note: Vec<u8> },
}

fn record(note: &str) -> Record {
    let image = json!({"id": {"S": note}, "note": {"S": note}, note: {"M": {note: {"S": note}}}});
    let wire = json!({
        "eventID": "1", "eventName": "MODIFY",
        "dynamodb": {
            "Keys": {"id": {"S": KEY}}, "NewImage": image, "OldImage": image,
            "SequenceNumber": "111111111111111111111", "SizeBytes": 9, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    });
    Record::from_json(wire.to_string()).unwrap()
}

#[test]
fn s16_an_image_of_another_type_is_not_quoted_however_it_is_worded() {
    use std::collections::BTreeMap;
    let printed = Printed::default();
    let tell = |error: ImageError| printed.add(&format!("{error}\n{error:?}\n"));
    let crafted = [
        VALUE.to_owned(),
        format!("missing field {VALUE}"),
        format!("unknown field {VALUE}"),
        format!("x, expected {VALUE}"),
        format!("`, expected {VALUE}, expected {VALUE}"),
        format!("missing field `{VALUE}`"),
    ];
    for note in &crafted {
        let record = record(note);
        tell(record.new_image::<Strict>().unwrap_err());
        tell(record.old_image::<Either>().unwrap_err());
        tell(record.new_image::<BTreeMap<String, u8>>().unwrap_err());
        tell(record.new_image::<BTreeMap<u8, String>>().unwrap_err());
        tell(record.new_image::<Vec<String>>().unwrap_err());
        tell(record.change::<Strict>().unwrap_err());
        tell(record.keys::<BTreeMap<String, Kind>>().unwrap_err());
        printed.add(&format!("{record:?}\n"));
    }
    printed.assert_clean(1_000);
}
