//! Requests of every kind and of none: the emulator answers or refuses, and never breaks.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use crate::emulator::{Clock, Emulator, operations};

/// One good request for every operation, by its name.
static CORPUS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/requests");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.unwrap().path();
        let operation = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (operation, std::fs::read_to_string(&path).unwrap())
    };
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(read).collect();
    all.sort();
    all
});

/// An account with a table, a stream, an item and a record, and the corpus' words for what has a name of its own.
fn account() -> (Emulator, [(&'static str, String); 3]) {
    let clock: Clock = std::sync::Arc::new(|| super::ORIGIN);
    let emulator = Emulator::builder().seed(7).clock(clock).build();
    let table = json!({
        "TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    emulator.request("CreateTable", &table).unwrap();
    let item = json!({"pk": {"S": "a"}, "v": {"N": "1"}, "ss": {"SS": ["x", "y"]}, "x": {"L": [{"N": "1"}, {"S": "z"}]}});
    emulator
        .request("PutItem", &json!({"TableName": "orders", "Item": item}))
        .unwrap();
    let stream = emulator.stream_arn("orders").unwrap();
    let shard = emulator.shards("orders").unwrap().remove(0).id;
    let from = json!({"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = emulator.request("GetShardIterator", &from).unwrap()["ShardIterator"]
        .as_str()
        .unwrap()
        .to_owned();
    (
        emulator,
        [
            ("STREAM_ARN", stream),
            ("SHARD_ID", shard),
            ("SHARD_ITERATOR", iterator),
        ],
    )
}

/// A seed with the words replaced.
fn named(seed: &str, words: &[(&str, String)]) -> String {
    words.iter().fold(seed.to_owned(), |seed, (word, name)| {
        seed.replace(word, name)
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "orders",
        "pk",
        "S",
        "N",
        "#v",
        ":v",
        "a",
        "TRIM_HORIZON",
        "ALL_OLD",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "-?[0-9]{1,40}(e-?[0-9]{1,3})?".prop_map(Value::from),
        (1usize..90).prop_map(
            |depth| (0..depth).fold(json!({"NULL": true}), |inner, _| json!({"L": [inner]}))
        ),
    ];
    let name = prop_oneof![
        "(S|N|B|SS|NS|BS|M|L|NULL|BOOL)",
        "(pk|v|TableName|Key|Item|Keys|Limit)",
        ".{0,4}"
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every place in the value, the value itself first.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(member, &format!("{at}/{name}"), all);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                places(element, &format!("{at}/{index}"), all);
            }
        }
        _ => {}
    }
}

/// Puts something else into one place of a request; an object may get a member more.
fn altered(mut request: Value, place: &Index, put: Value, more: bool) -> Value {
    let mut all = Vec::new();
    places(&request, "", &mut all);
    if let Some(found) = request.pointer_mut(&all[place.index(all.len())]) {
        match found {
            Value::Object(members) if more => {
                members.insert("More".to_owned(), put);
            }
            other => *other = put,
        }
    }
    request
}

fn target(operation: &str) -> String {
    format!("{}.{operation}", operations::service_of(operation))
}

/// Answered, or refused by a code; never a failure of the emulator itself.
fn check(emulator: &Emulator, target: &str, body: &[u8]) -> Result<u16, TestCaseError> {
    let answer = emulator.handle(target, body);
    let said: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
    prop_assert!(
        matches!(answer.status, 200 | 400),
        "{} {said}",
        answer.status
    );
    prop_assert_eq!(
        answer.status == 400,
        said["__type"].is_string() && said["message"].is_string(),
        "{}",
        said
    );
    Ok(answer.status)
}

#[test]
fn every_operation_has_a_request_in_the_corpus_that_it_accepts() {
    for (operation, seed) in CORPUS.iter() {
        let (emulator, words) = account();
        let target = target(operation);
        let answer = emulator.handle(&target, named(seed, &words).as_bytes());
        let said = String::from_utf8_lossy(&answer.body);
        assert!(operations::is_known(&target), "{target}");
        // The account holds what the request names, but not every condition of it.
        assert!(
            answer.status == 200 || said.contains("ConditionalCheckFailed"),
            "{operation}: {said}"
        );
    }
    let (emulator, _) = account();
    let refused = emulator.handle("DynamoDB_20120810.Nothing", b"{}");
    let names = String::from_utf8_lossy(&refused.body).into_owned();
    for operation in names
        .split("supports: ")
        .nth(1)
        .unwrap()
        .trim_end_matches(['"', '}'])
        .split(", ")
    {
        assert!(
            CORPUS.iter().any(|(name, _)| name == operation),
            "no seed for {operation}"
        );
    }
}

proptest! {
    #[test]
    fn a_request_with_anything_in_any_place_is_answered_or_refused(
        seed: Index, alterations in prop::collection::vec((any::<Index>(), any_json(), any::<bool>()), 1..4)
    ) {
        let (emulator, words) = account();
        let (operation, seed) = &CORPUS[seed.index(CORPUS.len())];
        let mut request: Value = serde_json::from_str(&named(seed, &words)).unwrap();
        for (place, put, more) in alterations {
            request = altered(request, &place, put, more);
        }
        check(&emulator, &target(operation), request.to_string().as_bytes())?;
        // It goes on afterwards, whatever was done to it.
        prop_assert_eq!(check(&emulator, &target("ListTables"), b"{}")?, 200);
        prop_assert_eq!(check(&emulator, &target("ListStreams"), b"{}")?, 200);
    }

    #[test]
    fn any_json_and_any_bytes_are_refused_by_every_operation_without_a_panic(
        json in any_json(), bytes: Vec<u8>, seed: Index, cut: Index, flip in 0u8..8
    ) {
        let (emulator, words) = account();
        let mut damaged = named(&CORPUS[seed.index(CORPUS.len())].1, &words).into_bytes();
        let at = cut.index(damaged.len());
        damaged[at] ^= 1 << flip;
        for (operation, _) in CORPUS.iter() {
            let target = target(operation);
            check(&emulator, &target, json.to_string().as_bytes())?;
            check(&emulator, &target, &damaged)?;
            check(&emulator, &target, &damaged[..at])?;
            if serde_json::from_slice::<Value>(&bytes).is_err() {
                prop_assert_eq!(check(&emulator, &target, &bytes)?, 400);
            }
        }
    }

    #[test]
    fn an_operation_that_is_not_there_is_refused_by_its_name(service in "(DynamoDB_20120810|DynamoDBStreams_20120810|.{0,9})", name in ".{0,12}") {
        let (emulator, _) = account();
        let target = format!("{service}.{name}");
        prop_assume!(!operations::is_known(&target));
        let refused = emulator.handle(&target, b"{}");
        let said: Value = serde_json::from_slice(&refused.body).unwrap();
        prop_assert_eq!(refused.status, 400);
        prop_assert!(said["message"].as_str().unwrap().contains("does not support the operation"));
    }
}
