//! What the service refuses, and with which code.

use serde_json::{Value, json};

use super::*;

/// The code, without its namespace, or `"OK"`.
fn code(scene: &Scene, operation: &str, body: &Value) -> String {
    match scene.emulator.request(operation, body) {
        Ok(_) => "OK".to_owned(),
        Err((_, body)) => {
            let code = body["__type"].as_str().unwrap_or_default();
            code.rsplit('#').next().unwrap_or_default().to_owned()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f27_f31_f32_get_shard_iterator_checks_its_members() {
    let scene = Scene::new(one_shard()).await;
    let (arn, shard) = (scene.arn(), scene.only_open_shard());
    let number = "1".repeat(21);
    let base = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    assert_eq!(code(&scene, "GetShardIterator", &base), "OK");
    for (changes, expected) in [
        (json!({"SequenceNumber": number}), "ValidationException"),
        (json!({"Timestamp": 1}), "ValidationException"),
        (
            json!({"ShardIteratorType": "LATEST", "SequenceNumber": number}),
            "ValidationException",
        ),
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER"}),
            "ValidationException",
        ),
        (
            json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER"}),
            "ValidationException",
        ),
        (
            json!({"ShardIteratorType": "AT_TIMESTAMP"}),
            "ValidationException",
        ),
        (
            json!({"ShardIteratorType": "SOMEWHERE"}),
            "ValidationException",
        ),
        (json!({"ShardIteratorType": null}), "ValidationException"),
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": "1"}),
            "ValidationException",
        ),
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": "9".repeat(40)}),
            "ValidationException",
        ),
        (json!({"ShardId": "short"}), "ValidationException"),
        (
            json!({"ShardId": "shardId-00000000000000000000-00000000"}),
            "ResourceNotFoundException",
        ),
        (json!({"ShardId": 5}), "SerializationException"),
        (json!({"StreamArn": "x".repeat(40)}), "ValidationException"),
        (
            json!({"StreamArn": arn.replace("orders", "others")}),
            "ResourceNotFoundException",
        ),
        (json!({"StreamArn": "arn:aws"}), "ValidationException"),
    ] {
        let mut body = base.clone();
        body.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        assert_eq!(
            code(&scene, "GetShardIterator", &body),
            expected,
            "{changes}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn f35_get_records_checks_its_members() {
    let scene = Scene::new(one_shard()).await;
    let iterator = scene
        .iterator(&scene.only_open_shard(), ShardIteratorType::Latest)
        .await;
    for (limit, expected) in [
        (json!(1), "OK"),
        (json!(1000), "OK"),
        (json!(1001), "ValidationException"),
        (json!(0), "ValidationException"),
        (json!(-1), "ValidationException"),
        (json!("1"), "SerializationException"),
    ] {
        let body = json!({"ShardIterator": iterator, "Limit": limit});
        assert_eq!(code(&scene, "GetRecords", &body), expected, "{limit}");
    }
    for garbage in [
        "",
        "x",
        &iterator[..iterator.len() - 8],
        &format!("{}|1|AAAA", scene.arn()),
    ] {
        let body = json!({"ShardIterator": garbage});
        assert_eq!(
            code(&scene, "GetRecords", &body),
            "ValidationException",
            "{garbage}"
        );
    }
    assert_eq!(
        code(&scene, "GetRecords", &json!({})),
        "ValidationException"
    );
}

#[tokio::test(start_paused = true)]
async fn f11_f13_describe_stream_checks_its_members() {
    let scene = Scene::new(one_shard()).await;
    let (arn, shard) = (scene.arn(), scene.only_open_shard());
    for (filter, expected) in [
        (json!({"Type": "CHILD_SHARDS", "ShardId": shard}), "OK"),
        (json!({"Type": "CHILD_SHARDS"}), "ValidationException"),
        (json!({"ShardId": shard}), "ValidationException"),
        (
            json!({"Type": "PARENTS", "ShardId": shard}),
            "ValidationException",
        ),
    ] {
        let body = json!({"StreamArn": arn, "ShardFilter": filter});
        assert_eq!(code(&scene, "DescribeStream", &body), expected, "{filter}");
    }
    for limit in [0, 101] {
        let body = json!({"StreamArn": arn, "Limit": limit});
        assert_eq!(code(&scene, "DescribeStream", &body), "ValidationException");
    }
    assert_eq!(
        code(
            &scene,
            "DescribeStream",
            &json!({"StreamArn": arn, "Limit": 100})
        ),
        "OK"
    );
    assert_eq!(
        code(&scene, "DescribeStream", &json!({"Limit": 100})),
        "ValidationException"
    );
}

#[tokio::test(start_paused = true)]
async fn f10_f40_f51_calls_beyond_the_rate_are_throttled_until_the_next_second() {
    let settings = EmulatorSettings {
        describe_stream_per_second: Some(10),
        list_streams_per_second: Some(5),
        get_records_per_second: Some(5),
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    let iterator = scene
        .iterator(&scene.only_open_shard(), ShardIteratorType::Latest)
        .await;
    let describe = json!({"StreamArn": scene.arn()});
    let read = json!({"ShardIterator": iterator});
    for (operation, body, admitted, refused) in [
        ("DescribeStream", &describe, 10, "ThrottlingException"),
        ("ListStreams", &json!({}), 5, "ThrottlingException"),
        ("GetRecords", &read, 5, "LimitExceededException"),
    ] {
        for _ in 0..admitted {
            assert_eq!(code(&scene, operation, body), "OK", "{operation}");
        }
        assert_eq!(code(&scene, operation, body), refused);
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(code(&scene, "DescribeStream", &describe), "OK");
}

#[tokio::test(start_paused = true)]
async fn what_the_emulator_lacks_is_named_and_never_a_success() {
    let scene = Scene::new(one_shard()).await;
    let response = scene
        .emulator
        .handle("DynamoDB_20120810.ExecuteStatement", b"{}");
    assert_eq!(response.status, 400);
    let body = String::from_utf8(response.body.to_vec()).unwrap();
    assert!(
        body.contains("ExecuteStatement") && body.contains("PutItem, Query"),
        "{body}"
    );
    let (_, body) = scene
        .emulator
        .request("DescribeStream", &json!({"NewThing": 1}))
        .unwrap_err();
    assert!(
        body["message"].as_str().unwrap().contains("NewThing"),
        "{body}"
    );
    assert!(!scene.emulator.calls().contains_key("ExecuteStatement"));
    assert_eq!(scene.emulator.calls().get("CreateTable"), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn no_body_makes_it_panic() {
    let scene = Scene::new(one_shard()).await;
    let members = [
        "TableName",
        "StreamArn",
        "ShardIterator",
        "ShardId",
        "KeySchema",
        "StreamSpecification",
        "ShardFilter",
    ];
    let values = [
        json!(null),
        json!(1),
        json!("x"),
        json!([]),
        json!([1]),
        json!({}),
        json!({"Type": 1}),
    ];
    for operation in [
        "CreateTable",
        "UpdateTable",
        "DeleteTable",
        "DescribeTable",
        "ListTables",
        "UpdateTimeToLive",
        "DescribeTimeToLive",
        "ListStreams",
        "DescribeStream",
        "GetShardIterator",
        "GetRecords",
    ] {
        for value in &values {
            let body: Value = members
                .iter()
                .map(|member| ((*member).to_owned(), value.clone()))
                .collect();
            assert_ne!(code(&scene, operation, &body), "", "{operation} {value}");
        }
        assert_eq!(
            scene
                .emulator
                .handle(&format!("DynamoDB_20120810.{operation}"), b"\xff")
                .status,
            400
        );
    }
}
