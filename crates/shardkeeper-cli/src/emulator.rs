//! `shardkeeper emulator`: DynamoDB Streams on this machine, for any SDK.

use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Args;
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, Server};

use crate::failure::Failure;
use crate::spans;

/// Shards roll over a little apart, as on the service: within an eighth of their age.
const SPREAD: u32 = 8;

/// Run an emulator of DynamoDB and DynamoDB Streams.
///
/// It keeps everything in memory and checks no credentials, so give it a loopback address. When it is ready it
/// prints one line, `listening on http://HOST:PORT`. SIGTERM or Ctrl-C ends it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Open shards of a new stream.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    shards: u16,
    /// Close a shard and follow it with a child when it is this old, such as 30s or 4h.
    #[arg(long, value_name = "TIME", default_value = "4h", value_parser = spans::parse)]
    rollover_after: Duration,
    /// Seed of everything random: the same seed gives the same shard ids.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Serves until a signal.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let settings = EmulatorSettings {
        initial_shards: arguments.shards.into(),
        rollover_after: Some(arguments.rollover_after),
        rollover_spread: arguments.rollover_after / SPREAD,
        ..EmulatorSettings::default()
    };
    let emulator = Emulator::builder()
        .seed(arguments.seed)
        .settings(settings)
        .build();
    // Before the line that says we are ready, so that nobody's signal comes too early.
    let stop = signal()?;
    let address = SocketAddr::new(arguments.host, arguments.port);
    let server = Server::bind(emulator, address).await.map_err(|error| {
        Failure::from(error).advice("another program may have the port; --port 0 takes a free one")
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", server.endpoint_url())?;
    out.flush()?;
    drop(out);
    server.serve(stop).await.map_err(Failure::from)
}

/// The first SIGTERM or Ctrl-C.
#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The first Ctrl-C.
#[cfg(not(unix))]
fn signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Without a handler the system ends the process, which is as well.
        let _ = tokio::signal::ctrl_c().await;
    })
}
