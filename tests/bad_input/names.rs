//! Names and ids that cannot be.

use shardkeeper::{ErrorKind, SequenceNumber, ShardId, StreamArn, Worker};
use shardkeeper_tests::{TABLE, World};

use super::{another, refused, says};

#[tokio::test(start_paused = true)]
async fn a_malformed_arn_is_refused_before_any_call() {
    let world = World::new(301).await;
    let before = world.emulator.calls();
    for (arn, why) in [
        ("orders", "length"),
        (
            "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
            "stream/<label>",
        ),
        (
            "arn:aws:kinesis:us-east-1:123456789012:stream/orders/stream/2026",
            "arn:<partition>:dynamodb:",
        ),
        (
            "arn:aws:dynamodb:us-east-1:123456789012:table//stream/2026-01-01",
            "table/<name>/stream/<label>",
        ),
    ] {
        let error = refused(another(&world, "checkers").stream_arn(arn)).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        says(&error, &["stream arn is not valid", why, arn]);
    }
    assert_eq!(world.emulator.calls(), before);
}

#[test]
fn f25_b18_a_label_with_colons_is_a_label() {
    let arn =
        "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/a.b-c_d/stream/2015-05-20T20:51:10.252";
    let parsed = StreamArn::parse(arn).unwrap();
    assert_eq!(
        (parsed.table(), parsed.label()),
        ("a.b-c_d", "2015-05-20T20:51:10.252")
    );
}

#[test]
fn f31_what_a_person_types_is_held_to_the_documented_lengths_and_what_a_server_says_is_not() {
    for (given, why) in [
        ("123", "21..=40"),
        (&"1".repeat(41), "21..=40"),
        ("12345678901234567890x", "digits"),
    ] {
        let error = SequenceNumber::parse(given).unwrap_err().to_string();
        assert!(
            error.contains("sequence number is not valid") && error.contains(why),
            "{error}"
        );
    }
    let error = ShardId::parse("shard-1").unwrap_err().to_string();
    assert!(
        error.contains("shard id is not valid") && error.contains("28..=65"),
        "{error}"
    );
    assert!(SequenceNumber::from_service("7").is_ok());
    assert_eq!(ShardId::from_service("shard-1").as_str(), "shard-1");
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_a_stream_is_told_how_to_name_one() {
    let world = World::new(302).await;
    let error = refused(another(&world, "checkers")).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &[".table(", ".stream_arn("]);
}

#[tokio::test(start_paused = true)]
async fn names_that_cannot_be_names_are_refused_before_any_call() {
    let world = World::new(303).await;
    let before = world.emulator.calls();
    for name in ["", "a\nb", &"x".repeat(300)] {
        let error = refused(another(&world, name).table(TABLE)).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        says(&error, &["application", "200 characters"]);
        let error = refused(another(&world, "fine").table(TABLE).worker_name(name)).await;
        says(&error, &["worker name", "200 characters"]);
    }
    assert_eq!(
        world.emulator.calls(),
        before,
        "nothing was asked for the sake of a bad name"
    );
}

#[tokio::test(start_paused = true)]
async fn an_application_whose_name_is_no_table_name_is_told_so() {
    let world = World::new(304).await;
    for name in ["orders printer", "a", "größer"] {
        let error = refused(another(&world, name).table(TABLE)).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        says(&error, &[name, "lease table", ".lease_table("]);
        let worker = another(&world, name)
            .table(TABLE)
            .lease_table("fine-leases");
        worker.build().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_named_like_its_table_is_told_that_both_cannot_be_one_table() {
    let world = World::new(305).await;
    let error = refused(another(&world, TABLE).table(TABLE)).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &[TABLE, ".lease_table(", "leaseKey"]);
}

#[test]
fn debug_of_a_builder_shows_no_configuration() {
    let builder = Worker::builder("x").table("y");
    assert!(format!("{builder:?}").len() < 100);
}
