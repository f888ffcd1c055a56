//! Settings that contradict each other.

use std::time::Duration;

use shardkeeper::{ErrorKind, Settings};
use shardkeeper_tests::{TABLE, World};

use super::{another, refused, says};

#[tokio::test(start_paused = true)]
async fn contradictory_settings_are_all_listed_at_once_before_any_call() {
    let world = World::new(341).await;
    let before = world.emulator.calls();
    let mut settings = Settings::default();
    settings.lease_duration = Duration::from_secs(3);
    settings.margin = Duration::from_secs(4);
    settings.page_limit = 0;
    settings.prefetch_pages = 99;
    settings.max_leases = 0;
    settings.idle_poll_max = Duration::ZERO;
    settings.shutdown_grace = Duration::from_secs(1_000_000);
    let error = refused(another(&world, "checkers").table(TABLE).settings(settings)).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    for part in [
        "beat_interval",
        "a fifth of lease_duration",
        "lease_duration - margin",
        "page_limit (0)",
        "prefetch_pages (99)",
        "max_leases",
        "idle_poll_max must not be zero",
        "shutdown_grace",
    ] {
        assert!(
            error.to_string().contains(part),
            "{part} is missing in {error}"
        );
    }
    assert!(
        error.to_string().lines().count() >= 8,
        "one line each: {error}"
    );
    assert_eq!(world.emulator.calls(), before);
}

#[tokio::test(start_paused = true)]
async fn settings_at_their_bounds_are_accepted_and_work() {
    let world = World::new(342).await;
    let mut settings = Settings::default();
    settings.page_limit = 1;
    settings.prefetch_pages = 0;
    settings.max_leases = 1;
    settings.idle_poll_max = Duration::from_millis(1);
    settings.checkpoint_interval = Duration::from_millis(1);
    world.write(10, 1).await;
    let fleet = [
        world.worker("a").settings(settings.clone()),
        world.worker("b").settings(settings.clone()),
        world.worker("c").settings(settings.clone()),
        world.worker("d").settings(settings.clone()),
    ];
    let mut handles = Vec::new();
    for worker in fleet {
        handles.push(
            world
                .spawn(worker, |_, _| shardkeeper_tests::Act::Done)
                .await,
        );
    }
    world
        .until(Duration::from_secs(60), "read", |w| {
            w.ledger.distinct() == 10
        })
        .await;
    assert!(
        world
            .ledger
            .dispatches()
            .iter()
            .all(|call| call.records.len() == 1)
    );
    for handle in handles {
        handle.shutdown().await.unwrap();
    }
}

#[test]
fn a_setting_that_is_misspelt_is_refused() {
    let error =
        serde_json::from_str::<Settings>("{\"lease_durations\": {\"secs\": 1, \"nanos\": 0}}");
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("lease_durations") && error.contains("lease_duration"),
        "{error}"
    );
    let partial: Settings = serde_json::from_str("{\"page_limit\": 7}").unwrap();
    assert_eq!(partial.page_limit, 7);
    assert_eq!(partial.lease_duration, Settings::default().lease_duration);
    says(&partial_violation(), &["page_limit"]);
}

fn partial_violation() -> shardkeeper::Error {
    let odd: Settings = serde_json::from_str("{\"page_limit\": 0}").unwrap();
    odd.validate().unwrap_err()
}
