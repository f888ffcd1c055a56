//! An emulated account behind a port of this machine, for measures whose client is what counts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, Server};
use shardkeeper_testkit::faults::{Effect, Fault};
use tokio::runtime::Runtime;

use crate::Outcome;

/// The table that is written and read.
pub(crate) const TABLE: &str = "orders";

/// Keys fall into shards at random: so many are tried for each shard before the search is given up.
const TRIES_PER_SHARD: usize = 1000;

/// The pages of memory that the kernel counts in.
const PAGE_BYTES: u64 = 4096;

/// The account. It is served until this is dropped.
pub(crate) struct Rig {
    pub(crate) emulator: Emulator,
    pub(crate) endpoint: String,
    /// A runtime of its own, so that the server does not wait for what is measured.
    _serving: Runtime,
}

impl Rig {
    /// An account whose every call takes at least `latency`, there and back, with the table [`TABLE`].
    pub(crate) fn open(settings: EmulatorSettings, latency: Duration) -> Outcome<Self> {
        let emulator = Emulator::builder().settings(settings).build();
        create_table(&emulator)?;
        let way = latency / 2;
        let slow = Effect::Slow {
            before: way,
            after: way,
        };
        if !latency.is_zero() {
            emulator.faults().inject(Fault::new("*", slow));
        }
        let serving = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = serving.block_on(Server::bind(emulator.clone(), address))?;
        let endpoint = server.endpoint_url();
        spawn(&serving, server);
        Ok(Self {
            emulator,
            endpoint,
            _serving: serving,
        })
    }

    /// The shards that take records.
    pub(crate) fn open_shards(&self) -> Outcome<Vec<String>> {
        let shards = self.emulator.shards(TABLE)?.into_iter();
        Ok(shards
            .filter(|shard| shard.open)
            .map(|shard| shard.id)
            .collect())
    }

    /// How often an operation was called.
    pub(crate) fn calls(&self, operation: &str) -> u64 {
        let calls = self.emulator.calls();
        calls.get(operation).copied().unwrap_or_default()
    }
}

/// The server ends with its runtime.
fn spawn(runtime: &Runtime, server: Server) {
    runtime.spawn(async move {
        if let Err(error) = server.serve(std::future::pending()).await {
            eprintln!("error: the server failed: {error}");
        }
    });
}

/// Creates the table with its stream.
pub(crate) fn create_table(emulator: &Emulator) -> Outcome<()> {
    request(
        emulator,
        "CreateTable",
        &json!({
            "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
        }),
    )
}

/// For each shard a key whose records it gets. Writes until it knows.
pub(crate) fn one_key_per_shard(emulator: &Emulator) -> Outcome<Vec<(String, String)>> {
    let mut found: Vec<(String, Option<String>)> = emulator
        .shards(TABLE)?
        .into_iter()
        .map(|shard| (shard.id, None))
        .collect();
    for number in 0..found.len() * TRIES_PER_SHARD {
        let key = format!("order-{number}");
        put(emulator, &key, 0)?;
        for (shard, (_, its_key)) in emulator.shards(TABLE)?.iter().zip(&mut found) {
            if shard.records > 0 && its_key.is_none() {
                *its_key = Some(key.clone());
            }
        }
        if found.iter().all(|(_, key)| key.is_some()) {
            break;
        }
    }
    let complete = |(id, key): (String, Option<String>)| key.map(|key| (id, key));
    let keys: Option<Vec<_>> = found.into_iter().map(complete).collect();
    Ok(keys.ok_or("a shard gets no records whatever the key")?)
}

/// Writes an item with this number.
pub(crate) fn put(emulator: &Emulator, key: &str, number: u64) -> Outcome<()> {
    put_at(emulator, key, number, Duration::ZERO)
}

/// Writes an item with this number, that says when it was written.
pub(crate) fn put_at(
    emulator: &Emulator,
    key: &str,
    number: u64,
    written: Duration,
) -> Outcome<()> {
    let item = json!({
        "id": {"S": key},
        "number": {"N": number.to_string()},
        "written": {"N": written.as_nanos().to_string()},
    });
    request(
        emulator,
        "PutItem",
        &json!({"TableName": TABLE, "Item": item}),
    )
}

fn request(emulator: &Emulator, operation: &str, body: &Value) -> Outcome<()> {
    let answer = emulator.request(operation, body);
    let refused = |(status, why)| format!("{operation} was refused with status {status}: {why}");
    Ok(answer.map(drop).map_err(refused)?)
}

/// Writes an item as large as `text`.
pub(crate) fn put_large(emulator: &Emulator, key: &str, text: &str) -> Outcome<()> {
    let item = json!({"id": {"S": key}, "text": {"S": text}});
    request(
        emulator,
        "PutItem",
        &json!({"TableName": TABLE, "Item": item}),
    )
}

/// The memory of this process that is in use, as the kernel counts it.
pub(crate) fn resident() -> Outcome<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).ok_or("statm is short")?.parse()?;
    Ok(pages * PAGE_BYTES)
}

/// The most of it that ever was.
pub(crate) fn most_resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes.ok_or("status has no VmHWM")?.parse::<u64>()? * 1024)
}
