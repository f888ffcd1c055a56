//! What a worker really sends.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use serde_json::Value;
use shardkeeper::StartPosition;
use shardkeeper_tests::{TABLE, World};

use super::{SOON, assert_whole, delivered, done, shards};

/// One request as it went out.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    uri: String,
    content_type: String,
    target: String,
    authorization: String,
    body: Value,
}

/// Passes every request on, and remembers it.
#[derive(Debug, Clone)]
struct Tap {
    to: SharedHttpClient,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl HttpClient for Tap {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let to = self.to.http_connector(settings, components);
        SharedHttpConnector::new(Line {
            to,
            sent: Arc::clone(&self.sent),
        })
    }
}

#[derive(Debug)]
struct Line {
    to: SharedHttpConnector,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name| request.headers().get(name).unwrap_or_default().to_owned();
        let sent = Sent {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            content_type: header("content-type"),
            target: header("x-amz-target"),
            authorization: header("authorization"),
            body: serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap(),
        };
        self.sent.lock().unwrap().push(sent);
        self.to.call(request)
    }
}

/// A life with a start at the latest record, roll-overs, expired iterators and a successor; what was sent.
async fn sent_in_a_life(seed: u64) -> Vec<Sent> {
    let world = World::with(seed, shards(2)).await;
    let sent = Arc::new(Mutex::new(Vec::new()));
    let tap = Tap {
        to: world.emulator.http_client(),
        sent: Arc::clone(&sent),
    };
    let config = world.emulator.sdk_config().into_builder();
    let config = config.http_client(SharedHttpClient::new(tap)).build();
    world.write(10, 1).await;
    world.pass(Duration::from_secs(90)).await;
    let latest = |name| {
        world
            .worker(name)
            .aws_config(&config)
            .start(StartPosition::Latest)
    };
    let first = world.spawn(latest("a"), done).await;
    world.pass(SOON).await;
    world.emulator.expire_iterators();
    world.write(10, 2).await;
    delivered(&world, SOON, 10).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(10, 3).await;
    delivered(&world, SOON, 20).await;
    world.emulator.expire_iterators();
    first.shutdown().await.unwrap();
    world.write(10, 4).await;
    let second = world.spawn(latest("b"), done).await;
    delivered(&world, SOON, 30).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(Duration::from_secs(180)).await;
    assert_whole(&world);
    second.shutdown().await.unwrap();
    sent.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn f1_f2_f3_f4_f7_f8_every_call_is_one_of_the_apis_signed_in_its_header_and_goes_to_its_own_endpoint()
 {
    let mut streams = BTreeSet::new();
    for sent in sent_in_a_life(951).await {
        assert_eq!(sent.method, "POST");
        assert_eq!(sent.content_type, "application/x-amz-json-1.0");
        // Signed in the header, for the service of both clients, and never in an address that could be logged.
        assert!(
            !sent.uri.contains('?') && !sent.uri.to_lowercase().contains("signature"),
            "{}",
            sent.uri
        );
        assert!(
            sent.authorization
                .contains("/us-east-1/dynamodb/aws4_request"),
            "{}",
            sent.target
        );
        let host_and_path = sent.uri.trim_start_matches("https://");
        match sent.target.split_once('.').unwrap() {
            ("DynamoDBStreams_20120810", operation) => {
                assert_eq!(host_and_path, "streams.dynamodb.us-east-1.amazonaws.com/");
                streams.insert(operation.to_owned());
            }
            ("DynamoDB_20120810", _) => {
                assert!(!host_and_path.starts_with("streams."), "{host_and_path}");
                assert!(
                    host_and_path.ends_with(".amazonaws.com/"),
                    "{host_and_path}"
                );
            }
            (service, _) => panic!("{service} is neither of both"),
        }
    }
    let all = [
        "DescribeStream",
        "GetRecords",
        "GetShardIterator",
        "ListStreams",
    ];
    assert!(
        streams
            .iter()
            .all(|operation| all.contains(&operation.as_str())),
        "{streams:?}"
    );
    assert!(streams.len() >= 3, "{streams:?}");
}

#[tokio::test(start_paused = true)]
async fn f28_b1_b2_b11_no_iterator_is_ever_asked_for_at_the_latest_record() {
    let mut kinds = BTreeSet::new();
    for sent in sent_in_a_life(952).await {
        if let Some(kind) = sent.body["ShardIteratorType"].as_str() {
            kinds.insert(kind.to_owned());
            assert_eq!(
                sent.body["SequenceNumber"].is_string(),
                kind == "AFTER_SEQUENCE_NUMBER",
                "F27"
            );
            assert_eq!(sent.body["Timestamp"].is_number(), kind == "AT_TIMESTAMP");
        }
    }
    let expected = ["AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"];
    assert!(
        expected.iter().all(|kind| kinds.contains(*kind)),
        "{kinds:?}"
    );
    assert!(!kinds.contains("LATEST"), "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn f11_f13_f27_f35_every_call_has_what_it_needs_and_asks_for_no_more_than_a_page() {
    for sent in sent_in_a_life(953).await {
        let needed: &[&str] = match sent.target.rsplit('.').next().unwrap() {
            "DescribeStream" => &["StreamArn"],
            "GetShardIterator" => &["StreamArn", "ShardId", "ShardIteratorType"],
            "GetRecords" => &["ShardIterator", "Limit"],
            _ => continue,
        };
        for member in needed {
            assert!(
                !sent.body[member].is_null(),
                "{} without {member}",
                sent.target
            );
        }
        let most = if sent.target.ends_with("GetRecords") {
            1000
        } else {
            100
        };
        if let Some(limit) = sent.body["Limit"].as_u64() {
            assert!((1..=most).contains(&limit), "{limit}");
        }
    }
}
