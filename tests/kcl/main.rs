//! Lease tables that KCL wrote: adopted in place with their checkpoints and lineage, refused while a Java worker
//! lives, and given back. Tests that correspond to one of KCL's own name it.

mod adopting;
mod foreign;
mod giving_back;
mod java;
mod lineage;
mod refusing;

use std::time::Duration;

use shardkeeper::{Batch, ShardContext};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_tests::{Act, World};

/// Watching the rows, joining, and what the reading takes.
const ADOPTED: Duration = Duration::from_secs(60);

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

/// Waits until so many different records were given out, each once.
async fn delivered(world: &World, records: usize) {
    let what = format!("{records} records given out");
    world
        .until(ADOPTED, &what, |w| w.ledger.distinct() >= records)
        .await;
    world.pass(Duration::from_secs(10)).await;
    assert_eq!(world.ledger.distinct(), records, "and no more");
    assert_eq!(world.ledger.repeated(), 0, "none came twice");
    assert_eq!(world.ledger.violations(), Vec::<String>::new());
}
