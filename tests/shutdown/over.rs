//! Leaving when there is nothing left to leave, or when the leases go first.

use std::time::Duration;

use shardkeeper::Health;
use shardkeeper_tests::{Act, World};

use super::{SOON, TAKE_OVER, assert_in_order, delivered, done, ours, shards, time_to_leave};

#[tokio::test(start_paused = true)]
async fn l5_a_worker_that_is_over_already_leaves_at_once_however_it_ended() {
    for order in ["aborted", "refused", "left", "aborted while it leaves"] {
        let world = World::with(251, shards(2)).await;
        let worker = world.start_with("a", done).await;
        world.until(SOON, "owned", |_| ours(&worker) == 2).await;
        match order {
            "aborted" => worker.abort(),
            "left" => worker.begin_shutdown(),
            "refused" => {
                world
                    .edit_row("shardkeeper/group", "SET application = :v", "another")
                    .await;
            }
            _ => {
                worker.begin_shutdown();
                world.pass(Duration::from_millis(5)).await;
                worker.abort();
            }
        }
        world.pass(SOON).await;
        assert_eq!(worker.health(), Health::Ended, "{order}");
        let from = world.emulator.now();
        let ended = worker.shutdown().await;
        assert_eq!(ended.is_err(), order == "refused", "{order}: {ended:?}");
        assert!(
            world.emulator.now() - from < Duration::from_secs(1),
            "{order}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn l5_a_lease_that_is_lost_while_its_worker_leaves_does_not_hold_it_up() {
    let world = World::with(252, shards(2)).await;
    world.write(10, 1).await;
    let slow = |_: &_, _: &_| Act::Slow(Duration::from_secs(10));
    let first = world.start_with("a", slow).await;
    world
        .until(SOON, "in hand", |w| w.ledger.dispatches().len() == 2)
        .await;
    first.begin_shutdown();
    for row in world.lease_rows() {
        if row["entityType"]["S"] == "LEASE" {
            let key = row["leaseKey"]["S"].as_str().unwrap();
            world
                .edit_row(key, "SET leaseOwner = :v", "an operator")
                .await;
        }
    }
    let took = time_to_leave(&world, first).await;
    assert!(took < Duration::from_secs(14), "{took:?}");
    let second = world.start_with("b", done).await;
    delivered(&world, TAKE_OVER, 10).await;
    world.write(10, 2).await;
    delivered(&world, TAKE_OVER * 2, 20).await;
    assert_in_order(&world);
    second.shutdown().await.unwrap();
}
