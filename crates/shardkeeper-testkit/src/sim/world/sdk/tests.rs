//! What the SDK seam promises: the same rules as at the port seam, and nothing said by half.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::json;
use shardkeeper_core::page::{Page, PageBody, Undecodable};
use shardkeeper_core::ports::{FailureKind, Fetched, PortError, ShardIterator};
use shardkeeper_core::record::Record;
use shardkeeper_core::row::{Row, RowKey};

use super::door::Asked;
use super::streams::page;
use crate::sim::chaos::Fault;
use crate::sim::ground::SECOND;
use crate::sim::scenario::Scenario;
use crate::sim::world::World;
use crate::sim::world::weather::{Twist, Weather};

fn asked(operation: &str, body: serde_json::Value) -> Asked {
    Asked {
        target: format!("DynamoDB_20120810.{operation}"),
        body,
    }
}

/// Counts one up, if it is the number that it is said to be.
fn count_up(from: u64) -> Asked {
    asked(
        "UpdateItem",
        json!({
            "TableName": super::LEASES,
            "Key": { "leaseKey": { "S": "r" } },
            "ConditionExpression": "#n = :from",
            "UpdateExpression": "SET #n = #n + :one",
            "ExpressionAttributeNames": { "#n": "beat" },
            "ExpressionAttributeValues": { ":from": { "N": from.to_string() }, ":one": { "N": "1" } },
        }),
    )
}

fn world() -> World {
    let mut world = World::new(Scenario::of(100));
    let mut row = Row::empty(RowKey::new("r"));
    row.columns.insert("beat".into(), 7.into());
    world.table.rows = BTreeMap::from([(row.key.clone(), row)]);
    world
}

fn beat(world: &World) -> Option<u64> {
    world.table.rows[&RowKey::new("r")].number("beat")
}

#[tokio::test(start_paused = true)]
async fn a_row_of_the_world_is_judged_by_the_emulator_and_the_world_has_it_at_once() {
    let mut world = world();
    let status = |world: &mut World, from, twist| {
        let answer = world.lease_call(0, &count_up(from), twist);
        answer.map(|answer| answer.status).unwrap()
    };
    assert_eq!(status(&mut world, 6, Twist::Straight), 400);
    assert_eq!(beat(&world), Some(7), "it was refused");
    assert_eq!(status(&mut world, 7, Twist::Straight), 200);
    assert_eq!(beat(&world), Some(8));
    assert_eq!(status(&mut world, 8, Twist::Refused), 400);
    assert_eq!(beat(&world), Some(9), "applied, and answered as refused");
    assert_eq!(status(&mut world, 9, Twist::Empty), 200);
    assert_eq!(beat(&world), Some(9), "answered, and not applied");
    world.table.rows.clear();
    assert_eq!(status(&mut world, 9, Twist::Straight), 400);
}

#[tokio::test(start_paused = true)]
async fn the_streams_of_the_table_are_those_of_the_world() {
    let mut world = world();
    let asked = asked(
        "ListStreams",
        json!({ "TableName": crate::sim::world::shards::TABLE }),
    );
    let answer = world.stream_call(0, &asked, Twist::Straight).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let arn = world.streams.streams[0].arn.as_str();
    assert_eq!(answer["Streams"][0]["StreamArn"], arn);
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_said_in_a_way_that_is_no_success() {
    let mut world = world();
    for kind in [
        FailureKind::Throttled,
        FailureKind::Unavailable,
        FailureKind::Denied,
        FailureKind::NotFound,
        FailureKind::Invalid,
    ] {
        for operation in [
            "DescribeStream",
            "GetRecords",
            "Scan",
            "UpdateItem",
            "TransactWriteItems",
        ] {
            let said = world.says(
                &asked(operation, json!({})),
                &PortError::new(kind, operation, "why"),
            );
            assert!(
                said.is_err() || said.is_ok_and(|said| said.status >= 400),
                "{kind:?}"
            );
        }
    }
    for _ in 0..50 {
        let odd = PortError::new(FailureKind::Protocol, "Write", "why");
        let said = world.says(&transaction(), &odd).unwrap();
        assert_ne!(said.body, "{}", "a transaction would take it for done");
    }
}

fn transaction() -> Asked {
    asked(
        "TransactWriteItems",
        json!({ "TransactItems": [{}, {}, {}] }),
    )
}

#[tokio::test(start_paused = true)]
async fn a_throttled_transaction_is_said_to_be_cancelled_as_often_as_not() {
    let mut world = world();
    let throttled = PortError::new(FailureKind::Throttled, "Write", "why");
    let mut cancelled = 0;
    for _ in 0..100 {
        let said = world.says(&transaction(), &throttled).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&said.body).unwrap();
        let Some(reasons) = body["CancellationReasons"].as_array() else {
            continue;
        };
        let to_blame = reasons.iter().filter(|reason| reason["Code"] != "None");
        assert_eq!((reasons.len(), to_blame.count()), (3, 1));
        cancelled += 1;
    }
    assert!((20..80).contains(&cancelled), "{cancelled} of 100");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_table_leaves_keys_to_be_asked_for_again_and_loses_none() {
    let mut world = world();
    world.weather = Weather::new(&Scenario {
        faults: [Fault::TableThrottled].into_iter().collect(),
        ..Scenario::of(100)
    });
    let keys: Vec<_> = (0..5)
        .map(|key| json!({ "leaseKey": { "S": format!("r{key}") } }))
        .collect();
    let read = asked(
        "BatchGetItem",
        json!({ "RequestItems": { super::LEASES: { "Keys": keys, "ConsistentRead": true } } }),
    );
    let mut in_part = 0;
    for _ in 0..100 {
        let answer = world.lease_call(0, &read, Twist::Straight).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(body["Responses"][super::LEASES].is_array());
        if let Some(left) = body["UnprocessedKeys"][super::LEASES]["Keys"].as_array() {
            assert!((1..5).contains(&left.len()));
            assert!(keys.ends_with(left), "nothing that was not asked for");
            in_part += 1;
        }
    }
    assert!((5..50).contains(&in_part), "{in_part} of 100");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_does_not_ask_for_consistency_may_show_what_was_before() {
    let mut world = world();
    let mut beats = |consistent: bool| {
        let keys = json!([{ "leaseKey": { "S": "r" } }]);
        let of = json!({ "Keys": keys, "ConsistentRead": consistent });
        let read = asked(
            "BatchGetItem",
            json!({ "RequestItems": { super::LEASES: of } }),
        );
        let mut seen = BTreeSet::new();
        for _ in 0..50 {
            let answer = world.lease_call(0, &read, Twist::Straight).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let row = &body["Responses"][super::LEASES][0];
            seen.insert(row["beat"]["N"].as_str().map(str::to_owned));
        }
        let count_up = world.lease_call(0, &count_up(7), Twist::Straight);
        drop(count_up.unwrap());
        world.now += SECOND;
        seen.into_iter().flatten().collect::<Vec<_>>()
    };
    assert_eq!(beats(true), ["7"]);
    assert_eq!(beats(false), ["7", "8"]);
    assert_eq!(beats(true), ["8"]);
}

#[test]
fn a_page_is_read_as_the_world_meant_it() {
    let record = |number: u64| {
        let json = format!(
            "{{\"eventName\":\"MODIFY\",\"dynamodb\":{{\"Keys\":{{}},\"SequenceNumber\":\"{number}\",\"SizeBytes\":40}}}}"
        );
        Record::from_json(json).unwrap()
    };
    let poison = |index, number: u64| Undecodable {
        index,
        sequence_number: Some(record(number).sequence_number()),
    };
    let meant = Page {
        records: vec![record(2), record(4)],
        undecodable: vec![poison(0, 1), poison(1, 3), poison(2, 5)],
        bytes: 5_000,
    };
    let next = ShardIterator::from_service("0|1|2|3".to_owned());
    let body = page(&Fetched {
        page: meant.clone(),
        next,
    });
    let read = PageBody::parse(Bytes::from(body)).unwrap();
    let numbers =
        |page: &Page| -> Vec<_> { page.records.iter().map(Record::sequence_number).collect() };
    assert_eq!(numbers(&read.page), numbers(&meant));
    assert_eq!(read.page.undecodable, meant.undecodable);
    assert_eq!(read.page.bytes, meant.bytes);
    assert_eq!(read.next.as_deref(), Some("0|1|2|3"));
}
