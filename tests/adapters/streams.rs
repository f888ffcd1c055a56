//! Reading.

use std::time::Duration;

use serde_json::json;
use shardkeeper::aws::{AwsStreams, sdk_record};
use shardkeeper_core::ids::StreamArn;
use shardkeeper_core::ports::{FailureKind, Position, ShardIterator, StreamSource};
use shardkeeper_testkit::conformance::stream_source::View;
use shardkeeper_testkit::emulator::Emulator;
use shardkeeper_testkit::faults::{Effect, Fault};

use super::scenes::emulated::{clients, emulator};
use super::scenes::table::Table;
use super::{answer, kind};

/// An emulated table, its stream, and an iterator at the first of `items` records of one item.
struct Reading {
    emulator: Emulator,
    source: AwsStreams,
    stream: StreamArn,
    from: ShardIterator,
}

impl Reading {
    async fn of(items: u64) -> Self {
        let emulator = emulator();
        emulator.set_initial_shards("orders", 1);
        let clients = clients(&emulator);
        let table = Table::create(clients.dynamodb(), "orders", View::NewAndOldImages)
            .await
            .unwrap();
        for n in 0..items {
            table.put("one item", n).await.unwrap();
        }
        let source = AwsStreams::new(&clients);
        let stream = source.latest_stream("orders").await.unwrap();
        let shards = source.list_shards(&stream, None).await.unwrap().shards;
        let from = source
            .open(&stream, &shards[0].id, Position::TrimHorizon)
            .await
            .unwrap();
        Self {
            emulator,
            source,
            stream,
            from,
        }
    }

    async fn fetch_through(&self, effect: Effect) -> FailureKind {
        self.emulator
            .faults()
            .inject(Fault::new("GetRecords", effect).times(1));
        kind(self.source.fetch(&self.from, 1000).await)
    }
}

#[tokio::test(start_paused = true)]
async fn s8_an_answer_that_proves_nothing_is_never_the_end_of_a_shard() {
    let reading = Reading::of(3).await;
    let bodies = [
        "",
        "{}",
        "null",
        "[]",
        "<html></html>",
        r#"{"Records":[]"#,
        r#"{"Records":null}"#,
    ];
    for body in bodies {
        assert_eq!(
            reading.fetch_through(answer(body)).await,
            FailureKind::Protocol,
            "{body}"
        );
    }
    let empty_iterator = json!({"Records": [], "NextShardIterator": ""}).to_string();
    assert_eq!(
        reading.fetch_through(answer(empty_iterator)).await,
        FailureKind::Protocol
    );
    let fetched = reading.source.fetch(&reading.from, 1000).await.unwrap();
    assert_eq!(
        (fetched.page.records.len(), fetched.next.is_some()),
        (3, true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_costs_one_record() {
    let reading = Reading::of(0).await;
    let record = |number: &str| json!({"eventName": "INSERT", "dynamodb": {"SequenceNumber": number, "Keys": {"id": {"S": "a"}}}});
    let odd = json!({"eventName": "INSERT", "dynamodb": {"SequenceNumber": 12, "Keys": []}});
    let page =
        json!({"Records": [record("1001"), odd, record("1003")], "NextShardIterator": "next"});
    let effect = answer(page.to_string());
    reading
        .emulator
        .faults()
        .inject(Fault::new("GetRecords", effect).times(1));
    let fetched = reading.source.fetch(&reading.from, 1000).await.unwrap();
    let places: Vec<usize> = fetched
        .page
        .undecodable
        .iter()
        .map(|odd| odd.index)
        .collect();
    assert_eq!((fetched.page.records.len(), places), (2, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn f39_f40_f41_f43_every_failure_says_what_to_do_about_it() {
    let reading = Reading::of(1).await;
    let table = [
        (Effect::throttle(), FailureKind::Throttled),
        (Effect::too_many_readers(), FailureKind::TooManyReaders),
        (
            Effect::error(400, "ProvisionedThroughputExceededException"),
            FailureKind::Throttled,
        ),
        (
            Effect::error(400, "RequestLimitExceeded"),
            FailureKind::Throttled,
        ),
        (Effect::internal_error(), FailureKind::Unavailable),
        (Effect::html(), FailureKind::Unavailable),
        (Effect::Dropped, FailureKind::Unavailable),
        (Effect::Hangs, FailureKind::Unavailable),
        (Effect::expired_iterator(), FailureKind::ExpiredIterator),
        (Effect::trimmed(), FailureKind::Trimmed),
        (Effect::access_denied(), FailureKind::Denied),
        (
            Effect::error(400, "UnrecognizedClientException"),
            FailureKind::Denied,
        ),
        (
            Effect::error(400, "ExpiredTokenException"),
            FailureKind::Denied,
        ),
        (
            Effect::error(400, "ResourceNotFoundException"),
            FailureKind::NotFound,
        ),
        (
            Effect::error(400, "ValidationException"),
            FailureKind::Invalid,
        ),
    ];
    for (effect, expected) in table {
        let what = format!("{effect:?}");
        assert_eq!(reading.fetch_through(effect).await, expected, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_names_the_permission_and_an_iterator_is_never_quoted() {
    let reading = Reading::of(1).await;
    let inject = |effect| {
        reading
            .emulator
            .faults()
            .inject(Fault::new("GetRecords", effect).times(1))
    };
    inject(Effect::access_denied());
    let denied = reading
        .source
        .fetch(&reading.from, 10)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        denied.contains("access denied to dynamodb:GetRecords"),
        "{denied}"
    );
    inject(Effect::Error {
        status: 400,
        code: "ValidationException".into(),
        message: format!(
            "Value '{}' at 'shardIterator' is odd",
            reading.from.expose()
        )
        .into(),
    });
    let invalid = reading
        .source
        .fetch(&reading.from, 10)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        !invalid.contains(reading.from.expose()) && invalid.contains("is odd"),
        "{invalid}"
    );
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "measures paused time")]
async fn a_call_that_is_never_answered_ends_after_its_timeout_and_is_not_repeated() {
    let reading = Reading::of(1).await;
    reading
        .emulator
        .faults()
        .inject(Fault::new("GetRecords", Effect::AppliedButHangs));
    let before = tokio::time::Instant::now();
    assert_eq!(
        kind(reading.source.fetch(&reading.from, 10).await),
        FailureKind::Unavailable
    );
    assert_eq!(before.elapsed(), Duration::from_secs(2));
    assert_eq!(reading.emulator.calls().get("GetRecords"), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_its_mandatory_members_proves_nothing() {
    let reading = Reading::of(1).await;
    let shard = reading
        .source
        .list_shards(&reading.stream, None)
        .await
        .unwrap()
        .shards
        .remove(0)
        .id;
    let nothing = |operation| {
        reading.emulator.faults().clear();
        reading
            .emulator
            .faults()
            .inject(Fault::new(operation, Effect::empty_object()));
    };
    nothing("DescribeTable");
    assert_eq!(
        kind(reading.source.latest_stream("orders").await),
        FailureKind::Protocol
    );
    nothing("DescribeStream");
    assert_eq!(
        kind(reading.source.list_shards(&reading.stream, None).await),
        FailureKind::Protocol
    );
    assert_eq!(
        kind(reading.source.children_of(&reading.stream, &shard).await),
        FailureKind::Protocol
    );
    nothing("GetShardIterator");
    let opened = reading
        .source
        .open(&reading.stream, &shard, Position::TrimHorizon)
        .await;
    assert_eq!(kind(opened), FailureKind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn odd_listings_of_local_servers_are_survived() {
    let reading = Reading::of(0).await;
    let describe = |stream: serde_json::Value| {
        let effect = answer(json!({"StreamDescription": stream}).to_string());
        reading.emulator.faults().clear();
        reading
            .emulator
            .faults()
            .inject(Fault::new("DescribeStream", effect));
    };
    let shard = |id: &str, parent: &str| json!({"ShardId": id, "ParentShardId": parent, "SequenceNumberRange": {}});
    let parent = shardkeeper_core::ids::ShardId::from_service("parent");
    describe(
        json!({"StreamStatus": "ODD", "Shards": [shard("a", "")], "LastEvaluatedShardId": ""}),
    );
    let page = reading
        .source
        .list_shards(&reading.stream, None)
        .await
        .unwrap();
    assert_eq!(
        (page.shards.len(), page.shards[0].parent.as_ref(), page.next),
        (1, None, None)
    );
    // The filter is ignored, and so is where to go on.
    let all = json!([
        shard("a", ""),
        shard("child", "parent"),
        shard("other", "a")
    ]);
    describe(json!({"StreamStatus": "ENABLED", "Shards": all, "LastEvaluatedShardId": "other"}));
    let children = reading
        .source
        .children_of(&reading.stream, &parent)
        .await
        .unwrap();
    let names: Vec<&str> = children
        .shards
        .iter()
        .map(|shard| shard.id.as_str())
        .collect();
    assert_eq!((names, children.next), (vec!["child"], None));
    describe(json!({"StreamStatus": "ENABLING"}));
    assert_eq!(
        reading
            .source
            .list_shards(&reading.stream, None)
            .await
            .unwrap()
            .shards,
        vec![]
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_becomes_the_sdks_with_every_image() {
    let reading = Reading::of(2).await;
    let fetched = reading.source.fetch(&reading.from, 1000).await.unwrap();
    let ours = &fetched.page.records[1];
    let theirs = sdk_record(ours).unwrap();
    let direct = clients(&reading.emulator);
    let direct = direct
        .streams()
        .get_records()
        .shard_iterator(reading.from.expose())
        .send()
        .await
        .unwrap();
    let expected = &direct.records()[1];
    assert_eq!(theirs.dynamodb(), expected.dynamodb());
    assert_eq!(theirs.event_id(), expected.event_id());
    assert_eq!(theirs.event_name(), expected.event_name());
}
