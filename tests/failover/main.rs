//! Workers that die, freeze, are fooled or are lied to: nothing is lost, the order stays, nothing gets stuck.

mod blocked;
mod capacity;
mod crashes;
mod every_call;
mod expiring;
mod fleets;
mod frozen;
mod joining;
mod lease_table;
mod lost_answers;
mod moving;
mod outages;
mod restored;
mod versions;

use std::time::Duration;

use shardkeeper::{Batch, ShardContext, WorkerHandle};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_tests::{Act, World};

/// Long enough for everything that no fault delays.
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
