//! Workers whose beats do not arrive: they stop before another begins.

use std::time::Duration;

use shardkeeper::Event;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{Act, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, ours, shards};

/// Beats of one incarnation go wrong; nothing else does.
fn beats_of(worker: &shardkeeper::WorkerHandle, effect: Effect) -> Fault {
    let id = worker.status().worker.expect("it has joined");
    Fault::new("UpdateItem", effect).containing(format!("shardkeeper/worker/{id}"))
}

#[tokio::test(start_paused = true)]
async fn s5_a_worker_whose_beats_fail_gives_itself_up_before_another_takes_over() {
    for (seed, effect) in [
        (21, Effect::internal_error()),
        (22, Effect::Hangs),
        (23, Effect::Dropped),
        (24, Effect::throttle()),
        (25, Effect::access_denied()),
        (26, Effect::empty_object()),
    ] {
        let world = World::with(seed, shards(4)).await;
        let first = world.start_with("a", done).await;
        world.until(SOON, "owned", |_| ours(&first) == 4).await;
        let second = world.start_with("b", done).await;
        world
            .until(SOON * 2, "shared", |_| ours(&second) == 2)
            .await;
        let frozen = first.status().worker.unwrap();
        world.emulator.faults().inject(beats_of(&first, effect));
        let mut written = 0;
        for round in 0..180 {
            world.write(2, round).await;
            written += 2;
            world.pass(Duration::from_millis(100)).await;
        }
        delivered(&world, TAKE_OVER, written).await;
        assert_in_order(&world);

        let calls = world.ledger.dispatches();
        let last = calls
            .iter()
            .rev()
            .find(|call| call.worker == frozen)
            .unwrap()
            .at;
        let demoted = |event: &Event| matches!(event, Event::WorkerDemoted { worker, .. } if *worker == frozen);
        let taken = world
            .events
            .last(|event| matches!(event, Event::WorkerFoundDead { worker } if *worker == frozen));
        assert_eq!(world.events.count(demoted), 1);
        assert!(
            taken.is_none_or(|taken| last + Duration::from_secs(1) < taken),
            "{last:?} {taken:?}"
        );
        first.shutdown().await.unwrap();
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn s11_a_worker_cut_off_from_the_lease_table_stops_giving_out_records() {
    let world = World::with(27, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.until(SOON, "owned", |_| ours(&worker) == 2).await;
    for operation in [
        "UpdateItem",
        "TransactWriteItems",
        "Scan",
        "BatchGetItem",
        "Query",
    ] {
        world
            .emulator
            .faults()
            .inject(Fault::new(operation, Effect::Hangs));
    }
    let cut = world.emulator.now();
    for round in 0..200 {
        world.write(1, round).await;
        world.pass(Duration::from_millis(100)).await;
    }
    let last = world
        .ledger
        .dispatches()
        .iter()
        .map(|call| call.at)
        .max()
        .unwrap();
    let believed = Duration::from_secs(8);
    assert!(last <= cut + believed, "{:?} after the cut", last - cut);
    world.emulator.faults().clear();
    delivered(&world, TAKE_OVER * 2, 200).await;
    assert_in_order(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s11_b14_a_processor_that_outlives_its_lease_is_told_and_acknowledges_nothing() {
    let world = World::with(28, shards(1)).await;
    world.write(1, 1).await;
    let first = world
        .start_with("a", |_, _| Act::Slow(Duration::from_secs(60)))
        .await;
    world
        .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 1)
        .await;
    let second = world.start_with("b", done).await;
    world
        .emulator
        .faults()
        .inject(beats_of(&first, Effect::Hangs));
    world
        .until(TAKE_OVER, "taken over", |w| {
            w.ledger.dispatches().len() == 2
        })
        .await;
    assert_eq!(
        world.ledger.lost().len(),
        0,
        "the call was dropped with its processor"
    );
    let calls = world.ledger.dispatches();
    assert!(calls[0].returned.is_none());
    assert!(calls[1].epoch > calls[0].epoch);
    world.pass(Duration::from_secs(60)).await;
    assert!(world.ledger.dispatches()[0].returned.is_none());
    first.abort();
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s5_a_worker_that_was_buried_alive_notices_at_its_next_beat() {
    let world = World::with(29, shards(2)).await;
    let first = world.start_with("a", done).await;
    world.until(SOON, "owned", |_| ours(&first) == 2).await;
    let id = first.status().worker.unwrap();
    let row = format!("shardkeeper/worker/{id}");
    world
        .edit_row(&row, "SET beatId = :v", "somebody else")
        .await;
    world.pass(Duration::from_secs(3)).await;
    let over =
        |event: &Event| matches!(event, Event::WorkerDemoted { worker, .. } if *worker == id);
    assert_eq!(world.events.count(over), 1);
    world.write(10, 1).await;
    delivered(&world, TAKE_OVER, 10).await;
    assert_ne!(
        first.status().worker.unwrap(),
        id,
        "it came back as somebody new"
    );
    assert_in_order(&world);
    first.shutdown().await.unwrap();
}
