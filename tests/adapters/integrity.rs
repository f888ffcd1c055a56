//! Answers that were changed on their way, and refusals whose words mislead.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use shardkeeper::aws::{AwsLeases, AwsStreams, Clients, Timeouts};
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::ports::{FailureKind, LeaseStore, Position, StreamSource, TableCreation};
use shardkeeper_core::row::RowKey;
use shardkeeper_testkit::conformance::stream_source::View;
use shardkeeper_testkit::faults::{Effect, Fault};

use super::kind;
use super::scenes::emulated::{clients, emulator};
use super::scenes::table::Table;

/// A wire that adds a blank to every answer: still the same JSON, but not the bytes that were sent.
#[derive(Debug, Clone)]
struct BadWire(SharedHttpClient);

impl HttpClient for BadWire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BadConnection(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct BadConnection(SharedHttpConnector);

impl HttpConnector for BadConnection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let mut body = answer.body().bytes().unwrap_or_default().to_vec();
            body.push(b' ');
            *answer.body_mut() = SdkBody::from(body);
            Ok(answer)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn u1_an_answer_that_does_not_match_its_checksum_is_refused_by_every_call() {
    let emulator = emulator();
    let good = clients(&emulator);
    Table::create(good.dynamodb(), "orders", View::NewAndOldImages)
        .await
        .unwrap();
    let (leases, streams) = (AwsLeases::new(&good, "leases"), AwsStreams::new(&good));
    leases.open(TableCreation::Allowed).await.unwrap();
    let stream = streams.latest_stream("orders").await.unwrap();
    let shard = streams.list_shards(&stream, None).await.unwrap().shards[0]
        .id
        .clone();
    let from = streams
        .open(&stream, &shard, Position::TrimHorizon)
        .await
        .unwrap();

    let config = emulator.sdk_config().into_builder();
    let wire = SharedHttpClient::new(BadWire(emulator.http_client()));
    let bad = Clients::from_config(&config.http_client(wire).build(), Timeouts::default());
    let (leases, streams) = (AwsLeases::new(&bad, "leases"), AwsStreams::new(&bad));
    let kinds = [
        kind(streams.latest_stream("orders").await),
        kind(streams.list_shards(&stream, None).await),
        kind(streams.children_of(&stream, &shard).await),
        kind(streams.open(&stream, &shard, Position::TrimHorizon).await),
        kind(streams.fetch(&from, 10).await),
        kind(leases.sweep().await),
        kind(leases.read(&[RowKey::new("a")]).await),
    ];
    assert_eq!(kinds, [FailureKind::Protocol; 7]);
}

#[tokio::test(start_paused = true)]
async fn f18_f32_f43_every_call_tells_its_failures_apart() {
    let emulator = emulator();
    let clients = clients(&emulator);
    Table::create(clients.dynamodb(), "orders", View::NewAndOldImages)
        .await
        .unwrap();
    let streams = AwsStreams::new(&clients);
    let stream = streams.latest_stream("orders").await.unwrap();
    let shard = ShardId::from_service("shardId-00000000000000000001-00000000");
    let fail = |operation, effect| {
        emulator
            .faults()
            .inject(Fault::new(operation, effect).times(1));
    };
    for (effect, expected) in [
        (
            Effect::error(400, "ResourceNotFoundException"),
            FailureKind::NotFound,
        ),
        (Effect::internal_error(), FailureKind::Unavailable),
        (Effect::throttle(), FailureKind::Throttled),
        (Effect::trimmed(), FailureKind::Trimmed),
    ] {
        fail("DescribeStream", effect.clone());
        assert_eq!(kind(streams.list_shards(&stream, None).await), expected);
        fail("DescribeStream", effect.clone());
        assert_eq!(kind(streams.children_of(&stream, &shard).await), expected);
        fail("GetShardIterator", effect);
        let opened = streams.open(&stream, &shard, Position::TrimHorizon).await;
        assert_eq!(kind(opened), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn b35_failures_are_told_apart_by_their_code_and_never_by_their_words() {
    let emulator = emulator();
    let clients = clients(&emulator);
    Table::create(clients.dynamodb(), "orders", View::NewAndOldImages)
        .await
        .unwrap();
    let streams = AwsStreams::new(&clients);
    let stream = streams.latest_stream("orders").await.unwrap();
    let shard = streams.list_shards(&stream, None).await.unwrap().shards[0]
        .id
        .clone();
    let from = streams
        .open(&stream, &shard, Position::TrimHorizon)
        .await
        .unwrap();
    for (code, words, expected) in [
        (
            "ExpiredIteratorException",
            "ThrottlingException: slow down",
            FailureKind::ExpiredIterator,
        ),
        (
            "ThrottlingException",
            "ExpiredIteratorException TrimmedDataAccessException",
            FailureKind::Throttled,
        ),
        (
            "ValidationException",
            "not a ResourceNotFoundException",
            FailureKind::Invalid,
        ),
        (
            "TrimmedDataAccessException",
            "service error",
            FailureKind::Trimmed,
        ),
        ("ResourceNotFoundException", "", FailureKind::NotFound),
    ] {
        let effect = Effect::Error {
            status: 400,
            code: code.into(),
            message: words.into(),
        };
        emulator
            .faults()
            .inject(Fault::new("GetRecords", effect).times(1));
        assert_eq!(kind(streams.fetch(&from, 10).await), expected, "{code}");
    }
}
