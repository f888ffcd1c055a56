//! Shards that end together find their children together: the whole account has ten calls a second (F10).

use std::time::Duration;

use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_tests::{TABLE, World};

use super::{SOON, assert_once, delivered, done, shards};

/// So many shards that were made together.
const SHARDS: usize = 150;

fn describe_calls(world: &World) -> u64 {
    let calls = world.emulator.calls();
    calls.get("DescribeStream").copied().unwrap_or_default()
}

/// A worker that reads as many shards, and all of them roll over. How long until a record of every child came, and how many
/// listings that took.
async fn roll_over(seed: u64, settings: EmulatorSettings, bound: Duration) -> (Duration, u64) {
    let world = World::with(seed, settings).await;
    let worker = world.start_with("a", done).await;
    world.write(1_000, 1).await;
    delivered(&world, Duration::from_secs(120), 1_000).await;
    let (from, asked) = (world.emulator.now(), describe_calls(&world));
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(1_000, 2).await;
    delivered(&world, bound, 2_000).await;
    let took = (world.emulator.now() - from, describe_calls(&world) - asked);
    assert_once(&world);
    assert_eq!(world.ledger.ended().len(), SHARDS);
    worker.shutdown().await.unwrap();
    took
}

#[tokio::test(start_paused = true)]
async fn l2_f10_shards_that_roll_over_together_are_followed_with_a_few_calls() {
    let (took, asked) = roll_over(151, shards(SHARDS), SOON).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(asked < 40, "{asked} calls for {SHARDS} shards");
}

#[tokio::test(start_paused = true)]
async fn l2_b3_their_children_may_be_listed_late() {
    let lag = Duration::from_secs(1);
    let settings = EmulatorSettings {
        child_visibility_lag: lag,
        ..shards(SHARDS)
    };
    let (took, _) = roll_over(152, settings, lag + SOON).await;
    assert!(took < lag + Duration::from_secs(6), "{took:?}");
}
