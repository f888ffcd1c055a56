//! A worker that is asked to leave.

use std::time::Duration;

use shardkeeper::{Event, Health, Settings};
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{Act, TABLE, World};

use super::{
    SOON, TAKE_OVER, assert_in_order, delivered, done, lease_owners, ours, shards, time_to_leave,
};

#[tokio::test(start_paused = true)]
async fn g6_leaving_hands_over_the_checkpoint_goes_along_and_nothing_comes_twice() {
    for seed in 0..8 {
        let world = World::with(200 + seed, shards(4)).await;
        let first = world.start_with("a", done).await;
        world.until(SOON, "owned", |_| ours(&first) == 4).await;
        let second = world.start_with("b", done).await;
        world
            .until(SOON * 2, "shared", |_| ours(&second) == 2)
            .await;
        world.write(40, 1).await;
        // In the middle of things: fetched, given out, or not yet stored.
        world.pass(Duration::from_millis(170 * seed)).await;
        let took = time_to_leave(&world, first).await;
        assert!(took < Duration::from_secs(3), "{took:?}");
        world.write(40, 2).await;
        delivered(&world, Duration::from_secs(4), 80).await;
        assert_eq!(world.ledger.repeated(), 0);
        assert_in_order(&world);
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g6_a_worker_that_leaves_as_its_successor_joins_hands_everything_to_it() {
    for moment in [0, 300, 900, 1_700] {
        let world = World::with(240, shards(4)).await;
        let first = world.start_with("a", done).await;
        world.until(SOON, "owned", |_| ours(&first) == 4).await;
        world.pass(Duration::from_secs(10)).await;
        let second = world.start_with("b", done).await;
        let joined = |_: &World| second.status().worker.is_some();
        world.until(SOON, "joined", joined).await;
        world.pass(Duration::from_millis(moment)).await;
        first.shutdown().await.unwrap();
        let successor = second.status().worker.unwrap().to_string();
        assert_eq!(
            lease_owners(&world),
            vec![Some(successor); 4],
            "{moment} ms"
        );
        world.write(20, 1).await;
        delivered(&world, Duration::from_millis(1_500), 20).await;
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g6_the_last_worker_leaves_its_leases_free_and_the_next_start_resumes_at_once() {
    let world = World::with(211, shards(4)).await;
    let first = world.start_with("a", done).await;
    world.write(40, 1).await;
    delivered(&world, SOON, 40).await;
    let took = time_to_leave(&world, first).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(lease_owners(&world), vec![None; 4]);
    world.write(40, 2).await;
    let next = world.start_with("b", done).await;
    delivered(&world, Duration::from_secs(3), 80).await;
    assert_eq!(world.ledger.repeated(), 0);
    assert_in_order(&world);
    next.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g6_a_batch_in_hand_is_finished_and_stored_before_the_worker_leaves() {
    for seconds in [1, 10, 17, 25] {
        let world = World::with(212, shards(2)).await;
        world.write(10, 1).await;
        let slow = move |_: &_, _: &_| Act::Slow(Duration::from_secs(seconds));
        let first = world.start_with("a", slow).await;
        world
            .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 2)
            .await;
        let took = time_to_leave(&world, first).await;
        assert!(took < Duration::from_secs(seconds + 3), "{took:?}");
        assert!(
            world
                .ledger
                .dispatches()
                .iter()
                .all(|call| call.returned.is_some())
        );
        let second = world.start_with("b", done).await;
        world.write(10, 2).await;
        delivered(&world, Duration::from_secs(5), 20).await;
        assert_eq!(world.ledger.repeated(), 0, "{seconds} s");
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn l5_a_processor_that_never_returns_leaves_its_row_to_expire() {
    let world = World::with(213, shards(2)).await;
    world.put("stuck", 1).await;
    let hangs = |_: &_, _: &_| Act::Hang;
    let first = world.start_with("a", hangs).await;
    world
        .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 1)
        .await;
    let second = world.start_with("b", done).await;
    world.pass(Duration::from_secs(15)).await;
    let took = time_to_leave(&world, first).await;
    let grace = Settings::default().shutdown_grace;
    assert!(
        took >= grace && took < grace + Duration::from_secs(3),
        "{took:?}"
    );
    let left_at = world.emulator.now();
    world
        .until(TAKE_OVER, "taken over", |w| {
            w.ledger.dispatches().len() == 2
        })
        .await;
    let calls = world.ledger.dispatches();
    // Nobody may know when the hanging call really ended, so nobody starts before the row has expired.
    assert!(
        calls[1].at >= left_at + Duration::from_secs(8),
        "{:?}",
        calls[1].at - left_at
    );
    assert!(calls[1].epoch > calls[0].epoch);
    assert!(calls[0].returned.is_none());
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l5_a_processor_that_keeps_failing_does_not_hold_up_the_shutdown() {
    let world = World::with(214, shards(2)).await;
    world.write(10, 1).await;
    let fails = |_: &_, _: &_| Act::Fail(shardkeeper::Remedy::Retry);
    let worker = world.start_with("a", fails).await;
    for seconds in [1, 119] {
        world.pass(Duration::from_secs(seconds)).await;
    }
    let took = time_to_leave(&world, worker).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(lease_owners(&world), vec![None; 2]);
    let next = world.start_with("b", done).await;
    delivered(&world, Duration::from_secs(3), 10).await;
    next.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l5_shutting_down_while_the_lease_table_is_down_ends_by_the_grace() {
    for (seed, effect) in [
        (1, Effect::Hangs),
        (2, Effect::internal_error()),
        (3, Effect::access_denied()),
        (4, Effect::error(400, "ResourceNotFoundException")),
    ] {
        let world = World::with(220 + seed, shards(2)).await;
        let worker = world.start_with("a", done).await;
        world.write(10, 1).await;
        delivered(&world, SOON, 10).await;
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
                .inject(Fault::new(operation, effect.clone()));
        }
        let took = time_to_leave(&world, worker).await;
        assert!(
            took < Settings::default().shutdown_grace + SOON / 2,
            "{effect:?}: {took:?}"
        );
        world.emulator.faults().clear();
        world.write(10, 2).await;
        let next = world.start_with("b", done).await;
        delivered(&world, TAKE_OVER, 20).await;
        assert_in_order(&world);
        next.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn l5_one_operation_that_fails_does_not_make_leaving_endless() {
    for operation in ["Scan", "TransactWriteItems", "UpdateItem", "BatchGetItem"] {
        for effect in [Effect::Hangs, Effect::throttle()] {
            let world = World::with(230, shards(3)).await;
            let first = world.start_with("a", done).await;
            let second = world.start_with("b", done).await;
            world.write(10, 1).await;
            delivered(&world, SOON, 10).await;
            world.pass(Duration::from_secs(10)).await;
            world
                .emulator
                .faults()
                .inject(Fault::new(operation, effect.clone()));
            let took = time_to_leave(&world, first).await;
            let bound = Settings::default().shutdown_grace + SOON;
            assert!(took < bound, "{operation} {effect:?}: {took:?}");
            world.emulator.faults().clear();
            world.write(10, 2).await;
            delivered(&world, TAKE_OVER * 2, 20).await;
            assert_in_order(&world);
            second.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g6_asking_twice_changes_nothing() {
    let world = World::with(241, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(10, 1).await;
    delivered(&world, SOON, 10).await;
    worker.begin_shutdown();
    worker.begin_shutdown();
    world.pass(Duration::from_secs(10)).await;
    assert_eq!(worker.health(), Health::Ended);
    worker.begin_shutdown();
    worker.abort();
    worker.shutdown().await.unwrap();
    assert_eq!(
        world
            .events
            .count(|event| matches!(event, Event::WorkerLeft { .. })),
        1
    );
    assert_eq!(lease_owners(&world), vec![None; 2]);
}

#[tokio::test(start_paused = true)]
async fn l5_a_worker_that_is_asked_to_leave_before_it_has_joined_leaves() {
    for moment in [0, 1, 10, 100, 1_500, 2_050] {
        let world = World::with(242, shards(2)).await;
        world.write(10, 1).await;
        let worker = world.start_with("a", done).await;
        world.pass(Duration::from_millis(moment)).await;
        let took = time_to_leave(&world, worker).await;
        assert!(took < Duration::from_secs(3), "{moment} ms: {took:?}");
        assert!(lease_owners(&world).iter().all(Option::is_none));
    }
    let world = World::with(243, shards(2)).await;
    world
        .emulator
        .faults()
        .inject(Fault::new("UpdateItem", Effect::Hangs));
    let worker = world.start_with("a", done).await;
    world.pass(Duration::from_secs(1)).await;
    let took = time_to_leave(&world, worker).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn g6_a_deploy_replaces_every_worker_and_nothing_comes_twice() {
    let world = World::with(244, shards(6)).await;
    let mut fleet = Vec::new();
    for name in ["a1", "b1", "c1"] {
        fleet.push(world.start_with(name, done).await);
    }
    let mut written = 0;
    for (round, name) in ["a2", "b2", "c2"].into_iter().enumerate() {
        fleet.push(world.start_with(name, done).await);
        for tenth in 0..50 {
            world.write(3, round * 50 + tenth).await;
            written += 3;
            if tenth == 20 {
                world.emulator.roll_over_all(TABLE).unwrap();
            }
            if tenth == 25 {
                let old = fleet.remove(0);
                old.begin_shutdown();
                fleet.push(old);
            }
            world.pass(Duration::from_millis(100)).await;
        }
    }
    delivered(&world, Duration::from_secs(10), written).await;
    assert_eq!(world.ledger.repeated(), 0);
    assert_in_order(&world);
    assert_eq!(
        world
            .events
            .count(|event| matches!(event, Event::LeaseLost { .. })),
        0
    );
    for worker in fleet {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g6_all_leave_at_once_and_nothing_is_stuck() {
    let world = World::with(245, shards(6)).await;
    let fleet = [
        world.start_with("a", done).await,
        world.start_with("b", done).await,
        world.start_with("c", done).await,
    ];
    world.write(30, 1).await;
    delivered(&world, SOON, 30).await;
    world.pass(SOON).await;
    for worker in &fleet {
        worker.begin_shutdown();
    }
    for worker in fleet {
        let took = time_to_leave(&world, worker).await;
        assert!(took < Duration::from_secs(6), "{took:?}");
    }
    assert_eq!(lease_owners(&world), vec![None; 6]);
    world.write(30, 2).await;
    let next = world.start_with("d", done).await;
    delivered(&world, Duration::from_secs(3), 60).await;
    assert_eq!(world.ledger.repeated(), 0);
    next.shutdown().await.unwrap();
}
