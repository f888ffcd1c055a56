//! Worker processes whose lines a test hears, and the tables that they read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_worker_process");
pub(crate) const KEYS: usize = 10;
/// Lines that may wait to be read by the test.
const LINES_IN_FLIGHT: usize = 4096;
/// Reading and starting take their time on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(40);

/// Worker processes whose lines come together in the order in which they are said.
pub(crate) struct Fleet {
    endpoint_url: String,
    tables: Vec<String>,
    processes: BTreeMap<&'static str, Child>,
    speak: SyncSender<(&'static str, String)>,
    lines: Receiver<(&'static str, String)>,
    pub(crate) joined: BTreeSet<&'static str>,
    pub(crate) seen: Vec<Seen>,
}

/// A record as a process printed it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    table: String,
    key: String,
    value: usize,
}

impl Fleet {
    pub(crate) fn new(endpoint_url: &str, tables: Vec<String>) -> Self {
        let (speak, lines) = sync_channel(LINES_IN_FLIGHT);
        Self {
            endpoint_url: endpoint_url.to_owned(),
            tables,
            processes: BTreeMap::new(),
            speak,
            lines,
            joined: BTreeSet::new(),
            seen: Vec::new(),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a pipe has to be read while the test waits"
    )]
    pub(crate) fn start(&mut self, name: &'static str) {
        let mut child = Command::new(PROGRAM)
            .args(&self.tables)
            .env("AWS_ENDPOINT_URL", &self.endpoint_url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let speak = self.speak.clone();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if speak.send((name, line)).is_err() {
                    return;
                }
            }
        });
        self.processes.insert(name, child);
    }

    /// Listens until `enough`, for at most so long.
    pub(crate) fn listen(&mut self, bound: Duration, what: &str, enough: impl Fn(&Self) -> bool) {
        let deadline = now() + bound;
        while !enough(self) {
            let left = deadline.saturating_duration_since(now());
            let line = self.lines.recv_timeout(left);
            let (name, line) = line.unwrap_or_else(|_| panic!("not {what}: {}", self.missing()));
            self.hear(name, &line);
        }
    }

    fn hear(&mut self, name: &'static str, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["joined", _] => {
                self.joined.insert(name);
            }
            ["record", table, _, _, key, value] => self.seen.push(Seen {
                table: (*table).to_owned(),
                key: (*key).to_owned(),
                value: value.parse().expect("a number"),
            }),
            _ => panic!("{name} said {line}"),
        }
    }

    fn missing(&self) -> String {
        format!(
            "{} lines were heard, {} of them different",
            self.seen.len(),
            self.distinct()
        )
    }

    pub(crate) fn distinct(&self) -> usize {
        self.seen.iter().collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn everything(&mut self, bound: Duration, rounds: usize) {
        let expected = self.tables.len() * KEYS * rounds;
        self.listen(bound, "everything", move |fleet| {
            fleet.distinct() == expected
        });
    }

    pub(crate) fn child(&mut self, name: &str) -> Child {
        self.processes.remove(name).expect("it runs")
    }

    /// The first time that each change is heard of comes in the order of the changes.
    pub(crate) fn assert_in_order(&self) {
        let mut latest: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for seen in &self.seen {
            let before = latest.entry((&seen.table, &seen.key)).or_default();
            assert!(seen.value <= *before + 1, "{seen:?} came after {before}");
            *before = seen.value.max(*before);
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.processes.values_mut() {
            // An error means that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks a process to end, as a deploy would.
#[expect(
    clippy::disallowed_methods,
    reason = "a process can only be asked again"
)]
pub(crate) fn terminate(mut child: Child) -> (ExitStatus, Duration) {
    let from = now();
    let id = child.id().to_string();
    let asked = Command::new("kill").args(["-TERM", &id]).status();
    assert!(
        asked.is_ok_and(|status| status.success()),
        "SIGTERM was not sent"
    );
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return (status, now() - from);
        }
        assert!(now() < from + SLACK, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[expect(clippy::disallowed_methods, reason = "processes live in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The tables as somebody else writes them.
pub(crate) struct Writer {
    client: aws_sdk_dynamodb::Client,
    pub(crate) tables: Vec<String>,
}

impl Writer {
    pub(crate) async fn new(endpoint_url: &str, tables: Vec<String>) -> Self {
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .endpoint_url(endpoint_url)
            .load()
            .await;
        let client = aws_sdk_dynamodb::Client::new(&config);
        let writer = Self { client, tables };
        for table in &writer.tables {
            writer.create(table).await;
        }
        writer
    }

    async fn create(&self, table: &str) {
        use aws_sdk_dynamodb::types::{
            AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
            StreamSpecification, StreamViewType,
        };
        let id = AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder()
            .attribute_name("id")
            .key_type(KeyType::Hash);
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewImage);
        self.client
            .create_table()
            .table_name(table)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(id.build().expect("complete"))
            .key_schema(key.build().expect("complete"))
            .stream_specification(stream.build().expect("complete"))
            .send()
            .await
            .expect("the table is created");
    }

    /// Every item of every table once, with this value.
    pub(crate) async fn round(&self, value: usize) {
        use aws_sdk_dynamodb::types::AttributeValue;
        for key in 0..KEYS {
            for table in &self.tables {
                self.client
                    .put_item()
                    .table_name(table)
                    .item("id", AttributeValue::S(format!("item-{key}")))
                    .item("value", AttributeValue::N(value.to_string()))
                    .send()
                    .await
                    .expect("the item is written");
            }
        }
    }
}
