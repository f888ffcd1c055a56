//! Several worker processes on a real server: one is asked to end, one is killed, and nothing is lost.

use std::time::Duration;

use shardkeeper::Settings;

use crate::fleet::{Fleet, SLACK, Writer, terminate};
use crate::surroundings::Surroundings;

/// On ministack each has one shard.
const TABLES: usize = 4;

async fn tables(surroundings: &Surroundings, purpose: &str) -> Writer {
    let name = |number| surroundings.table(&format!("{purpose}-{number}"));
    let tables = (0..TABLES).map(name).collect();
    Writer::new(&surroundings.endpoint_url, tables).await
}

#[tokio::test(flavor = "multi_thread")]
async fn g9_of_three_processes_one_ends_in_order_one_is_killed_and_the_last_one_reads_everything() {
    let surroundings = Surroundings::get();
    let writer = tables(&surroundings, "processes").await;
    let mut fleet = Fleet::new(&surroundings.endpoint_url, writer.tables.clone());
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    fleet.listen(SLACK, "joined", |fleet| fleet.joined.len() == 3);
    writer.round(1).await;
    writer.round(2).await;
    fleet.everything(SLACK, 2);
    assert_eq!(
        fleet.seen.len(),
        fleet.distinct(),
        "S10: without a fault nothing comes twice"
    );

    let (status, took) = terminate(fleet.child("a"));
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(15), "it took {took:?} to end");
    writer.round(3).await;
    fleet.everything(SLACK, 3);

    let mut killed = fleet.child("b");
    killed.kill().expect("SIGKILL is sent");
    killed.wait().expect("it is our child");
    writer.round(4).await;
    // L4: a lease duration, two sweeps, and a busy machine.
    let bound = Settings::default().lease_duration * 2 + SLACK;
    fleet.everything(bound, 4);

    writer.round(5).await;
    fleet.everything(SLACK, 5);
    fleet.assert_in_order();
    let (status, _) = terminate(fleet.child("c"));
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn g1_a_process_that_starts_after_all_were_killed_goes_on_where_they_were() {
    let surroundings = Surroundings::get();
    let writer = tables(&surroundings, "restarts").await;
    let mut fleet = Fleet::new(&surroundings.endpoint_url, writer.tables.clone());
    fleet.start("a");
    fleet.start("b");
    fleet.listen(SLACK, "joined", |fleet| fleet.joined.len() == 2);
    writer.round(1).await;
    fleet.everything(SLACK, 1);
    for name in ["a", "b"] {
        let mut killed = fleet.child(name);
        killed.kill().expect("SIGKILL is sent");
        killed.wait().expect("it is our child");
    }
    writer.round(2).await;
    fleet.start("c");
    fleet.everything(Settings::default().lease_duration * 2 + SLACK, 2);
    fleet.assert_in_order();
    let (status, took) = terminate(fleet.child("c"));
    assert!(
        status.success() && took < Duration::from_secs(15),
        "{status} {took:?}"
    );
}
