//! Scripted shards play exactly.

use std::time::Duration;

use serde::Serialize;
use shardkeeper::{Decision, LossCause};
use shardkeeper_testkit::World;
use shardkeeper_testkit::processor::Recorder;
use shardkeeper_testkit::world::{Changes, Run, Script, ShardScript};

fn play(steps: impl FnOnce(ShardScript) -> ShardScript) -> Run {
    let world = World::builder().script(Script::new().shard("a", steps));
    world
        .on_data_loss(Decision::GoOn)
        .run(Recorder::default().factory())
}

#[test]
fn a_crash_repeats_exactly_what_was_not_stored() {
    let run = play(|s| s.records(3).records(2).crash().records(1));
    run.assert_nothing_lost().assert_in_order_per_key();
    assert_eq!((run.written(), run.redelivered()), (6, 2));
}

#[test]
fn a_take_over_changes_the_token_and_repeats_nothing_that_was_stored() {
    let run = play(|s| s.records(2).take_over().records(2));
    run.assert_nothing_lost();
    let epochs: Vec<u64> = run.deliveries().iter().map(|h| h.delivery.epoch).collect();
    assert_eq!(run.redelivered(), 0);
    assert!(epochs[3] > epochs[0], "{epochs:?}");
}

#[test]
fn a_deploy_hands_over_without_a_repetition() {
    let run = play(|s| s.records(2).deploy().records(2));
    run.assert_nothing_lost();
    assert_eq!(run.redelivered(), 0);
    let workers: Vec<_> = run
        .deliveries()
        .iter()
        .map(|h| &h.delivery.worker)
        .collect();
    assert_ne!(workers[0], workers[3]);
}

#[test]
fn a_family_is_read_parents_first() {
    let script = Script::new()
        .shard("a", |s| s.records(2).split(["b", "c"]))
        .shard("b", |s| s.records(1).roll_over("d"))
        .shard("d", |s| s.records(3))
        .shard("z", |s| s.records(1).end());
    let run = World::builder()
        .script(script)
        .run(Recorder::default().factory());
    run.assert_nothing_lost();
    let of = |name: &str| -> Vec<Duration> {
        let found = run.deliveries().iter().filter(|handed| handed.is_of(name));
        found.map(|handed| handed.at).collect()
    };
    assert_eq!(
        [
            of("a").len(),
            of("b").len(),
            of("c").len(),
            of("d").len(),
            of("z").len()
        ],
        [2, 1, 0, 3, 1]
    );
    assert!(of("a")[1] <= of("b")[0] && of("b")[0] <= of("d")[0]);
}

#[test]
fn weather_changes_nothing_but_the_time() {
    let run = play(|s| {
        let s = s.records(1).throttle(3).records(1).empty_pages(5);
        s.records(1)
            .expire_iterator()
            .wait(Duration::from_secs(60))
            .records(1)
    });
    run.assert_nothing_lost();
    assert_eq!((run.written(), run.redelivered()), (4, 0));
    assert!(run.took() > Duration::from_secs(60));
}

#[test]
fn trimmed_and_undecodable_records_are_losses_that_are_told() {
    let run = play(|s| s.records(1).trimmed(2).records(1).undecodable().records(1));
    let causes: Vec<LossCause> = run.losses().iter().map(|loss| loss.why).collect();
    assert_eq!(causes, [LossCause::Trimmed, LossCause::Undecodable]);
    run.assert_each_delivered_at_least_once();
    assert_eq!(run.written(), 3);
}

#[test]
fn a_loss_stops_the_shard_as_in_production() {
    let script = Script::new().shard("a", |s| s.records(1).trimmed(2).records(1).end());
    let run = World::builder()
        .script(script)
        .run(Recorder::default().factory());
    assert_eq!(run.stopped().len(), 1);
    assert_eq!(run.deliveries().len(), 1);
}

#[test]
fn users_items_come_as_they_were_written() {
    #[derive(Serialize)]
    struct Order {
        id: String,
        total: u64,
    }
    let order = |total| Order {
        id: "a".into(),
        total,
    };
    let changes = Changes::keyed_by("id").put(&order(5)).unwrap();
    let changes = changes.put(&order(7)).unwrap().delete(&"a").unwrap();
    let recorder = Recorder::default();
    let script = Script::new().shard("a", |s| s.changes(changes));
    World::builder()
        .script(script)
        .run(recorder.factory())
        .assert_nothing_lost();
    let kinds: Vec<String> = recorder
        .deliveries_where(|delivery| delivery.keys.contains("\"a\""))
        .iter()
        .map(|delivery| delivery.kind.to_string())
        .collect();
    assert_eq!(kinds, ["INSERT", "MODIFY", "REMOVE"]);
}

#[test]
#[should_panic(expected = "comes after the end of the shard")]
fn nothing_happens_after_the_end_of_a_shard() {
    let _ = Script::new().shard("a", |s| s.end().records(1));
}
