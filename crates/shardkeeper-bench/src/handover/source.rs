//! The server of a scene: an emulated account behind a port, and whoever writes the table that it holds.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, Server};
use shardkeeper_testkit::faults::{Effect, Fault};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::Outcome;
use crate::rig::{create_table, one_key_per_shard, put};

/// Every shard gets a record this often.
pub(super) const WRITE_INTERVAL: Duration = Duration::from_millis(50);
/// What the writer is told when it has written enough.
pub(super) const STOP: &str = "stop";

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    #[arg(long)]
    shards: usize,
    /// How long a call travels, there and back
    #[arg(long)]
    latency_millis: u64,
}

/// What the server prints when it can be asked and the writer is at work.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) endpoint: String,
    /// The ids of the shards.
    pub(super) shards: Vec<String>,
}

/// What it prints when it was told to stop writing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Written {
    /// The number of the last record of each shard; the first one has number 1.
    pub(super) last: Vec<u64>,
}

/// Serves until its standard input is closed, which also happens when the parent dies.
pub(crate) fn run(options: Options) -> Outcome<()> {
    let settings = EmulatorSettings {
        initial_shards: options.shards,
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    let emulator = Emulator::builder().settings(settings).build();
    create_table(&emulator)?;
    let keys = one_key_per_shard(&emulator)?;
    let way = Duration::from_millis(options.latency_millis) / 2;
    let slow = Effect::Slow {
        before: way,
        after: way,
    };
    emulator.faults().inject(Fault::new("*", slow));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(emulator.clone(), address).await?;
        let (shards, keys) = keys.into_iter().unzip();
        say(&Ready {
            endpoint: server.endpoint_url(),
            shards,
        })?;
        let writer = Writer::start(emulator, keys)?;
        server.serve(input_is_closed(writer)).await?;
        Ok(())
    })
}

/// Writes every shard's key in turn.
struct Writer {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Outcome<Written>>,
}

impl Writer {
    #[expect(
        clippy::disallowed_methods,
        reason = "somebody else's writes, in real time"
    )]
    fn start(emulator: Emulator, keys: Vec<String>) -> Outcome<Self> {
        let enough = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&enough);
        let pause = WRITE_INTERVAL / u32::try_from(keys.len())?;
        let thread = std::thread::Builder::new().spawn(move || {
            let mut last = vec![0; keys.len()];
            while !stop.load(Ordering::Relaxed) {
                for (key, number) in keys.iter().zip(&mut last) {
                    *number += 1;
                    put(&emulator, key, *number)?;
                    std::thread::sleep(pause);
                }
            }
            Ok(Written { last })
        })?;
        Ok(Self { enough, thread })
    }

    fn stop(self) -> Outcome<Written> {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the writer panicked")?
    }
}

async fn input_is_closed(writer: Writer) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut writer = Some(writer);
    // An input that cannot be read is as good as closed.
    while let Ok(Some(line)) = lines.next_line().await {
        if line == STOP
            && let Some(writer) = writer.take()
        {
            let written = writer.stop().and_then(|written| say(&written));
            if let Err(error) = written {
                eprintln!("error: the writer failed: {error}");
                return;
            }
        }
    }
}

fn say(what: &impl Serialize) -> Outcome<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(what)?)?;
    Ok(output.flush()?)
}
