//! A worker dies at one of its calls after the other: before it was applied, or just after.

use std::time::Duration;

use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

use super::{TAKE_OVER, assert_in_order, delivered, done, shards};

/// A short life in which everything happens once; it ends at the call that the fault hits. False when none was hit.
async fn life_until(effect: Effect, call: u64) -> bool {
    let world = World::with(900, shards(2)).await;
    world.write(6, 1).await;
    let worker = world.start_with("a", done).await;
    let fault = Fault::new("*", effect).skip(call).times(1);
    world.emulator.faults().inject(fault);
    let struck = |world: &World| world.emulator.faults().pending() == 0;
    let mut written = 6;
    for tenth in 0..60 {
        if struck(&world) {
            break;
        }
        match tenth {
            20 => {
                world.emulator.roll_over_all(TABLE).unwrap();
            }
            15 | 25 => {
                // A write of the test's own is no call of the worker.
                for (n, id) in ["x", "y", "z"].iter().enumerate() {
                    let item = serde_json::json!({"id": {"S": id}, "value": {"N": (tenth + n).to_string()}});
                    let put = serde_json::json!({"TableName": TABLE, "Item": item});
                    world.emulator.request("PutItem", &put).unwrap();
                }
                written += 3;
            }
            _ => {}
        }
        world.pass(Duration::from_millis(100)).await;
    }
    if !struck(&world) {
        world.emulator.faults().clear();
        worker.shutdown().await.unwrap();
        return false;
    }
    worker.abort();
    let next = world.start_with("b", done).await;
    delivered(&world, TAKE_OVER, written).await;
    assert!(
        world.ledger.repeated() <= written,
        "call {call}: {} of {written} came again",
        world.ledger.repeated()
    );
    assert_in_order(&world);
    next.shutdown().await.unwrap();
    true
}

/// Every so many calls, until the life is over.
async fn dies_at_every(step: usize, effect: &Effect) {
    let mut call = 0;
    while life_until(effect.clone(), call).await {
        call += step as u64;
    }
    assert!(call > 60, "only {call} calls were made");
}

#[tokio::test(start_paused = true)]
async fn failure_41_a_crash_before_any_call_loses_nothing() {
    dies_at_every(1, &Effect::Hangs).await;
}

#[tokio::test(start_paused = true)]
async fn failure_41_a_crash_just_after_any_call_loses_nothing() {
    dies_at_every(1, &Effect::AppliedButHangs).await;
}
