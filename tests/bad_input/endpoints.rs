//! Endpoints that are something else than DynamoDB, or nothing at all.

use std::time::Duration;

use shardkeeper::ErrorKind;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

use super::{another, refused, says};

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_is_given_up_in_time() {
    for operation in ["*", "DescribeTable", "DescribeStream", "CreateTable"] {
        let world = World::new(331).await;
        world
            .emulator
            .faults()
            .inject(Fault::new(operation, Effect::Hangs));
        let from = world.emulator.now();
        let error = refused(another(&world, "checkers").table(TABLE)).await;
        let took = world.emulator.now() - from;
        assert!(took <= Duration::from_secs(6), "{took:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        says(&error, &["no answer in time", "AWS_ENDPOINT_URL"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_not_dynamodb_is_told_so() {
    let html = |status| Effect::Answer {
        status,
        content_type: "text/html",
        body: "<html><body>please log in</body></html>".into(),
    };
    for (effect, parts) in [
        (Effect::empty_body(), vec!["empty"]),
        (Effect::empty_object(), vec!["the answer has no"]),
        (html(200), vec!["DescribeTable"]),
        (html(404), vec!["404"]),
        (html(503), vec!["503"]),
        (Effect::Dropped, vec!["DescribeTable"]),
    ] {
        let world = World::new(332).await;
        world
            .emulator
            .faults()
            .inject(Fault::new("*", effect.clone()));
        let error = refused(another(&world, "checkers").table(TABLE)).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{effect:?}: {error}");
        says(&error, &parts);
        says(&error, &["AWS_ENDPOINT_URL"]);
        assert!(!error.to_string().contains("please log in"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn b12_a_throttled_listing_does_not_keep_a_worker_from_starting() {
    let world = World::new(333).await;
    let throttled = Fault::new("DescribeStream", Effect::throttle()).times(3);
    world.emulator.faults().inject(throttled);
    world.write(5, 1).await;
    let worker = world.start("a").await;
    world
        .until(Duration::from_secs(60), "read", |w| {
            w.recorder.distinct() == 5
        })
        .await;
    worker.shutdown().await.unwrap();
}
