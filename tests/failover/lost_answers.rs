//! Answers that never arrive, at every write of the lease table in turn.

use std::time::Duration;

use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, TABLE, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, shards};

/// A little of everything: joining, taking, balancing, ends of shards, leaving.
async fn a_life(seed: u64, fault: Option<Fault>) -> World {
    let world = World::with(seed, shards(3)).await;
    if let Some(fault) = fault {
        world
            .emulator
            .faults()
            .inject(fault.containing(APPLICATION));
    }
    let first = world.start_with("a", done).await;
    world.write(12, 1).await;
    let second = world.start_with("b", done).await;
    world.pass(Duration::from_millis(7_300)).await;
    let open = world.emulator.shards(TABLE).unwrap();
    let open: Vec<_> = open
        .iter()
        .filter(|shard| shard.open)
        .map(|shard| &shard.id)
        .collect();
    world.emulator.roll_over(TABLE, open[0]).unwrap();
    world.emulator.split(TABLE, open[1], 2).unwrap();
    world.write(12, 2).await;
    world.pass(Duration::from_millis(2_100)).await;
    second.shutdown().await.unwrap();
    world.write(12, 3).await;
    delivered(&world, TAKE_OVER * 2, 36).await;
    first.shutdown().await.unwrap();
    assert_in_order(&world);
    world
}

/// The same life again and again, with another write hit in each.
async fn sweep(operation: &'static str, effect: Effect, times: u64, step: usize) {
    let quiet = a_life(1000, None).await;
    let writes = quiet.emulator.calls().get(operation).copied().unwrap_or(0);
    assert!(writes > 5, "{operation} is hardly used: {writes}");
    for hit in (0..writes).step_by(step) {
        let fault = Fault::new(operation, effect.clone()).skip(hit).times(times);
        a_life(1000, Some(fault)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s12_an_update_that_is_applied_and_whose_connection_breaks_is_never_guessed_about() {
    sweep("UpdateItem", Effect::AppliedButDropped, 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn s12_an_update_that_is_applied_and_never_answered_is_never_guessed_about() {
    sweep("UpdateItem", Effect::AppliedButHangs, 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn s12_three_updates_in_a_row_that_are_applied_and_never_answered() {
    sweep("UpdateItem", Effect::AppliedButHangs, 3, 3).await;
}

#[tokio::test(start_paused = true)]
async fn s12_an_update_that_is_not_applied_is_written_again() {
    sweep("UpdateItem", Effect::internal_error(), 2, 2).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_transaction_that_is_applied_and_whose_connection_breaks_is_never_guessed_about() {
    sweep("TransactWriteItems", Effect::AppliedButDropped, 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_transaction_that_is_applied_and_never_answered_is_never_guessed_about() {
    sweep("TransactWriteItems", Effect::AppliedButHangs, 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_transaction_that_was_said_to_be_done_and_was_not_is_found_out() {
    sweep("TransactWriteItems", Effect::empty_object(), 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn s12_two_transactions_in_a_row_that_are_not_applied_are_written_again() {
    sweep("TransactWriteItems", Effect::internal_error(), 2, 1).await;
}

#[tokio::test(start_paused = true)]
async fn s12_half_of_all_answers_are_lost_for_a_while() {
    let world = World::with(41, shards(3)).await;
    let faults = world.emulator.faults().clone();
    let first = world.start_with("a", done).await;
    let second = world.start_with("b", done).await;
    world.pass(SOON).await;
    let mut dice = fastrand::Rng::with_seed(41);
    let mut written = 0;
    for round in 0..120 {
        for operation in [
            "UpdateItem",
            "TransactWriteItems",
            "BatchGetItem",
            "Scan",
            "GetRecords",
        ] {
            if dice.bool() {
                let effect = if dice.bool() {
                    Effect::AppliedButDropped
                } else {
                    Effect::Dropped
                };
                let fault = Fault::new(operation, effect).skip(dice.u64(0..2)).times(1);
                faults.inject(fault.containing(if operation == "GetRecords" {
                    ""
                } else {
                    APPLICATION
                }));
            }
        }
        world.write(3, round).await;
        written += 3;
        if round % 20 == 10 {
            world.emulator.roll_over_all(TABLE).unwrap();
        }
        world.pass(Duration::from_millis(500)).await;
        faults.clear();
    }
    delivered(&world, TAKE_OVER * 2, written).await;
    assert_in_order(&world);
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}
