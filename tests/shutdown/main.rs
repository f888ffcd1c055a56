//! Leaving in order, and processors that make it hard.

mod hooks;
mod leaving;
mod over;
mod panics;
mod remedies;

use std::time::Duration;

use shardkeeper::{Batch, ShardContext, WorkerHandle};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_tests::{Act, World};

const SOON: Duration = Duration::from_secs(20);
/// A lease duration, two sweeps and what the reading takes (L4).
const TAKE_OVER: Duration = Duration::from_secs(20);

fn shards(count: usize) -> EmulatorSettings {
    EmulatorSettings {
        initial_shards: count,
        rollover_after: None,
        ..EmulatorSettings::default()
    }
}

fn done(_: &Batch, _: &ShardContext) -> Act {
    Act::Done
}

/// How many leases a worker reads, as it says itself.
fn ours(worker: &WorkerHandle) -> usize {
    worker
        .status()
        .shards
        .iter()
        .filter(|shard| shard.ours)
        .count()
}

/// Waits until so many different records were given out.
async fn delivered(world: &World, bound: Duration, records: usize) {
    let what = format!("{records} records given out");
    world
        .until(bound, &what, |w| w.ledger.distinct() == records)
        .await;
}

fn assert_in_order(world: &World) {
    assert_eq!(world.ledger.violations(), Vec::<String>::new());
}

/// How long, in virtual time, it takes a worker to leave.
async fn time_to_leave(world: &World, worker: WorkerHandle) -> Duration {
    let from = world.emulator.now();
    worker.shutdown().await.unwrap();
    world.emulator.now() - from
}

fn lease_owners(world: &World) -> Vec<Option<String>> {
    let rows = world.lease_rows();
    let leases = rows.iter().filter(|row| row["entityType"]["S"] == "LEASE");
    let owner = |row: &serde_json::Value| row["leaseOwner"]["S"].as_str().map(str::to_owned);
    leases.map(owner).collect()
}
