//! Answers that never arrive, at every write of the lease table in turn.

use std::time::Duration;

use shardkeeper::Event;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{APPLICATION, TABLE, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, shards};

/// A little of everything: joining, taking, balancing, ends of shards, leaving.
async fn a_life(fault: Fault) -> World {
    let world = World::with(1000, shards(3)).await;
    world.emulator.faults().inject(fault);
    let first = world.start_with("a", done).await;
    world.write(12, 1).await;
    world.pass(Duration::from_secs(4)).await;
    let second = world.start_with("b", done).await;
    world.pass(Duration::from_secs(12)).await;
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

/// Every write of a lease row that is not part of a transaction.
fn lease_writes(effect: Effect) -> Fault {
    Fault::new("UpdateItem", effect).containing("leaseCounter")
}

/// Every write of the group row or a worker's, beats included.
fn member_writes(effect: Effect) -> Fault {
    Fault::new("UpdateItem", effect).containing("\"shardkeeper/")
}

fn transactions(effect: Effect) -> Fault {
    Fault::new("TransactWriteItems", effect)
}

/// The same life again and again, with a later write hit in each, until there is none left.
async fn sweep(fault: Fault, times: u64, step: usize, least: u64) {
    for hit in (0..).step_by(step) {
        let world = a_life(fault.clone().skip(hit).times(times)).await;
        if world.emulator.faults().pending() == times {
            assert!(hit > least, "only {hit} of these writes were made");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s12_a_lease_write_that_is_applied_and_whose_connection_breaks_is_never_guessed_about() {
    sweep(lease_writes(Effect::AppliedButDropped), 1, 1, 8).await;
}

#[tokio::test(start_paused = true)]
async fn s12_b13_a_lease_write_that_is_applied_and_never_answered_is_never_guessed_about() {
    sweep(lease_writes(Effect::AppliedButHangs), 1, 1, 8).await;
}

#[tokio::test(start_paused = true)]
async fn s12_three_lease_writes_in_a_row_that_are_applied_and_never_answered() {
    sweep(lease_writes(Effect::AppliedButHangs), 3, 3, 8).await;
}

#[tokio::test(start_paused = true)]
async fn s12_two_lease_writes_in_a_row_that_are_not_applied_are_written_again() {
    sweep(lease_writes(Effect::internal_error()), 2, 2, 8).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_beat_or_a_joining_that_is_applied_and_never_answered_costs_nothing() {
    sweep(member_writes(Effect::AppliedButHangs), 2, 5, 20).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_transaction_that_is_applied_and_whose_connection_breaks_is_never_guessed_about() {
    sweep(transactions(Effect::AppliedButDropped), 1, 1, 5).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_transaction_that_is_applied_and_never_answered_is_never_guessed_about() {
    sweep(transactions(Effect::AppliedButHangs), 1, 1, 5).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_transaction_that_was_said_to_be_done_and_was_not_is_found_out() {
    sweep(transactions(Effect::empty_object()), 1, 1, 5).await;
}

#[tokio::test(start_paused = true)]
async fn s12_two_transactions_in_a_row_that_are_not_applied_are_written_again() {
    sweep(transactions(Effect::internal_error()), 2, 1, 5).await;
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

#[tokio::test(start_paused = true)]
async fn b13_a_checkpoint_that_has_landed_is_not_taken_for_a_failure() {
    for effect in [Effect::AppliedButDropped, Effect::AppliedButHangs] {
        let world = World::with(1001, shards(1)).await;
        let worker = world.start_with("a", done).await;
        world.write(5, 1).await;
        delivered(&world, SOON, 5).await;
        world.pass(SOON).await;
        // All that is written to the lease from here on are checkpoints.
        world
            .emulator
            .faults()
            .inject(lease_writes(effect.clone()).times(1));
        world.write(5, 2).await;
        delivered(&world, SOON, 10).await;
        world.pass(SOON).await;
        assert_eq!(world.emulator.faults().pending(), 0, "nothing was hit");
        let lost = |event: &Event| matches!(event, Event::LeaseLost { .. });
        assert_eq!(world.events.count(lost), 0, "{effect:?}");
        let epochs: Vec<u64> = world.ledger.dispatches().iter().map(|d| d.epoch).collect();
        assert!(epochs.is_sorted() && epochs.first() == epochs.last());
        assert_eq!(world.ledger.repeated(), 0);
        worker.shutdown().await.unwrap();
    }
}
