//! Worker processes on one table whose shards roll over and split, on the emulator behind its HTTP server: servers
//! written by others have one shard for each stream.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use shardkeeper::Settings;
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, Server};

use crate::fleet::{Fleet, KEYS, SLACK, Writer, terminate};

const TABLE: &str = "resharded";

/// The emulator behind a port of its own, until the test ends.
#[expect(
    clippy::disallowed_methods,
    reason = "the server outlives every call of the test"
)]
async fn serve(emulator: Emulator) -> String {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(emulator, anywhere).await.expect("a free port");
    let endpoint_url = server.endpoint_url();
    tokio::spawn(server.serve(std::future::pending()));
    endpoint_url
}

fn open_shards(emulator: &Emulator) -> Vec<String> {
    let shards = emulator.shards(TABLE).expect("the table");
    let open = shards.into_iter().filter(|shard| shard.open);
    open.map(|shard| shard.id).collect()
}

/// Every shard rolls over, and the oldest one splits in two.
fn reshard(emulator: &Emulator) {
    emulator.roll_over_all(TABLE).expect("the table");
    let oldest = &open_shards(emulator)[0];
    emulator.split(TABLE, oldest, 2).expect("an open shard");
}

#[tokio::test(flavor = "multi_thread")]
async fn g2_processes_follow_roll_overs_and_splits_while_one_ends_in_order_and_one_is_killed() {
    let settings = EmulatorSettings {
        initial_shards: 4,
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    let emulator = Emulator::builder().seed(11).settings(settings).build();
    let endpoint_url = serve(emulator.clone()).await;
    let writer = Writer::new(&endpoint_url, vec![TABLE.to_owned()]).await;
    let mut fleet = Fleet::new(&endpoint_url, writer.tables.clone());
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    fleet.listen(SLACK, "joined", |fleet| fleet.joined.len() == 3);
    for value in 1..=4 {
        writer.round(value).await;
        reshard(&emulator);
    }
    fleet.everything(SLACK, 4);
    assert_eq!(
        fleet.seen.len(),
        KEYS * 4,
        "S10: without a fault nothing comes twice"
    );

    // A deploy in the middle of a split: nobody waits for a lease to expire, so nothing comes twice.
    writer.round(5).await;
    reshard(&emulator);
    let (status, took) = terminate(fleet.child("a"));
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(15), "it took {took:?} to end");
    writer.round(6).await;
    fleet.everything(SLACK, 6);

    // A crash in the middle of a split.
    writer.round(7).await;
    reshard(&emulator);
    let mut killed = fleet.child("b");
    killed.kill().expect("SIGKILL is sent");
    killed.wait().expect("it is our child");
    writer.round(8).await;
    reshard(&emulator);
    fleet.everything(Settings::default().lease_duration * 2 + SLACK, 8);

    fleet.assert_in_order();
    assert_eq!(open_shards(&emulator).len(), 4 + 7);
    let (status, _) = terminate(fleet.child("c"));
    assert!(status.success(), "{status}");
}
