//! Same seed, same run.

use shardkeeper_testkit::World;
use shardkeeper_testkit::processor::Recorder;
use shardkeeper_testkit::world::{Adversity, Run};

fn run(seed: u64) -> Run {
    let world = World::builder().seed(seed).shards(4).workers(3);
    world.run(Recorder::default().factory())
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..5 {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(one.story(), other.story());
        assert_eq!(one.deliveries(), other.deliveries());
    }
    assert_ne!(run(1).story(), run(2).story());
}

#[test]
fn a_processor_that_does_right_loses_nothing_in_any_world() {
    for seed in 0..40 {
        let run = run(seed);
        run.assert_each_delivered_at_least_once()
            .assert_in_order_per_key()
            .assert_nothing_lost();
        assert!(run.redelivered() > 0, "seed {seed}: {}", run.story());
        for &adversity in Adversity::ALL {
            assert!(run.met(adversity) > 0, "seed {seed}: {adversity:?}");
        }
    }
}

#[test]
fn a_quiet_world_delivers_each_record_once() {
    let run = World::builder()
        .shards(3)
        .quiet()
        .run(Recorder::default().factory());
    run.assert_nothing_lost();
    assert_eq!(
        (run.redelivered(), run.deliveries().len()),
        (0, run.written())
    );
}

#[tokio::test]
async fn a_world_runs_inside_an_async_test_too() {
    run(3).assert_nothing_lost();
}
