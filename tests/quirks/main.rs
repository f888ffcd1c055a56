//! Servers that are not quite the service: local ones, other readings of the documentation, odd habits.
//! A worker reads from each of them what it would read from the service.

mod disguise;
mod identities;
mod listings;
mod pages;
mod positions;
mod records;
mod wire;

use std::time::Duration;

use shardkeeper::{Batch, ShardContext, WorkerHandle};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_tests::{Act, TABLE, World};

use disguise::{Face, behind};

const SOON: Duration = Duration::from_secs(20);

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

/// A worker that meets the emulator behind this face.
async fn start(world: &World, name: &str, face: impl Face) -> WorkerHandle {
    let config = behind(&world.emulator, face);
    world
        .spawn(world.worker(name).aws_config(&config), done)
        .await
}

/// Waits until so many different records were given out.
async fn delivered(world: &World, bound: Duration, records: usize) {
    let what = format!("{records} records given out");
    world
        .until(bound, &what, |w| w.ledger.distinct() == records)
        .await;
}

/// Everything once, in order, and no word of a loss.
fn assert_whole(world: &World) {
    assert_eq!(world.ledger.violations(), Vec::<String>::new());
    assert_eq!(world.ledger.repeated(), 0, "given out again");
    assert_eq!(world.events.losses(), []);
}

/// Records, a roll-over, a worker that leaves and one that comes, more records: everything is read behind this
/// face as it would be without it.
async fn a_life_behind<F: Face>(seed: u64, face: impl Fn() -> F) -> World {
    let settings = EmulatorSettings {
        page_records: 4,
        ..shards(2)
    };
    a_life(World::with(seed, settings).await, face).await
}

async fn a_life<F: Face>(world: World, face: impl Fn() -> F) -> World {
    let first = start(&world, "a", face()).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(10, 2).await;
    delivered(&world, SOON * 3, 20).await;
    first.shutdown().await.unwrap();
    world.write(10, 3).await;
    let second = start(&world, "b", face()).await;
    delivered(&world, SOON, 30).await;
    world.emulator.expire_iterators();
    world.write(10, 4).await;
    delivered(&world, SOON, 40).await;
    assert_whole(&world);
    second.shutdown().await.unwrap();
    world
}
