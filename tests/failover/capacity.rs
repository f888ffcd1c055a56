//! Fewer workers than the shards need.

use shardkeeper::{Event, Settings};
use shardkeeper_tests::World;

use super::{SOON, TAKE_OVER, delivered, done, ours, shards};

fn left(world: &World) -> Vec<usize> {
    let said = world.events.all().into_iter();
    said.filter_map(|(_, event)| match event {
        Event::CapacityShort { left, .. } => Some(left),
        _ => None,
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn l6_leases_that_nobody_may_take_are_told_until_somebody_comes() {
    let world = World::with(61, shards(5)).await;
    world.write(30, 1).await;
    let mut settings = Settings::default();
    settings.max_leases = 3;
    let limited = world.worker("a").settings(settings.clone());
    let first = world.spawn(limited, done).await;
    world.pass(TAKE_OVER * 3).await;
    assert_eq!(ours(&first), 3, "not more than it may");
    assert_eq!(left(&world), [2], "told once");
    let second = world
        .spawn(world.worker("b").settings(settings), done)
        .await;
    delivered(&world, SOON * 2, 30).await;
    world
        .until(SOON * 2, "over", |world| left(world) == [2, 0])
        .await;
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}
