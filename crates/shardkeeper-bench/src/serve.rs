//! The server side: an emulator with a backlog behind a port, in a process of its own.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use serde::{Deserialize, Serialize};
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, Server};
use tokio::io::AsyncReadExt;

use crate::Outcome;
use crate::backlog::{self, Size};

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    #[arg(long)]
    pub(crate) pages: u32,
}

/// What the server prints when it can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) endpoint: String,
}

/// An account whose streams have one shard that never rolls over, and whose pages are limited by their
/// number of records only.
pub(crate) fn emulator() -> Emulator {
    let settings = EmulatorSettings {
        initial_shards: 1,
        rollover_after: None,
        page_records: backlog::PAGE_RECORDS as usize,
        page_bytes: usize::MAX,
        ..EmulatorSettings::default()
    };
    Emulator::builder().settings(settings).build()
}

/// Serves until its standard input is closed, which also happens when the parent dies.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let emulator = emulator();
    for size in [Size::Small, Size::Large] {
        backlog::fill(&emulator, size, options.pages)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(emulator, address).await?;
        let ready = Ready {
            endpoint: server.endpoint_url(),
        };
        println!("{}", serde_json::to_string(&ready)?);
        std::io::stdout().flush()?;
        server.serve(input_is_closed()).await?;
        Ok(())
    })
}

async fn input_is_closed() {
    let mut ignored = Vec::new();
    // An input that cannot be read is as good as closed.
    let _ = tokio::io::stdin().read_to_end(&mut ignored).await;
}
