//! The same seed gives the same bytes.

use serde_json::json;

use super::*;

/// Every byte that the emulator answers in a run with everything in it.
fn run(seed: u64) -> Vec<u8> {
    let now = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(ORIGIN.as_secs()));
    let clock = {
        let now = std::sync::Arc::clone(&now);
        std::sync::Arc::new(move || {
            Duration::from_secs(now.load(std::sync::atomic::Ordering::Relaxed))
        })
    };
    let emulator = Emulator::builder().seed(seed).clock(clock).build();
    let mut bytes = Vec::new();
    let mut call = |operation: &str, body: serde_json::Value| {
        let target = format!(
            "{}.{operation}",
            super::super::operations::service_of(operation)
        );
        let response = emulator.handle(&target, body.to_string().as_bytes());
        assert_eq!(response.status, 200, "{operation}");
        bytes.extend_from_slice(format!("{:?}", response.headers).as_bytes());
        bytes.extend_from_slice(&response.body);
        serde_json::from_slice::<serde_json::Value>(&response.body).unwrap()
    };
    call(
        "CreateTable",
        json!({
            "TableName": TABLE,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        }),
    );
    for n in 0..60 {
        let item = json!({"pk": {"S": format!("k{}", n % 7)}, "n": {"N": n.to_string()}});
        call("PutItem", json!({"TableName": TABLE, "Item": item}));
        now.fetch_add(600, std::sync::atomic::Ordering::Relaxed);
    }
    let arn = emulator.stream_arn(TABLE).unwrap();
    let described = call("DescribeStream", json!({"StreamArn": arn}));
    for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
        let request = json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        let iterator = call("GetShardIterator", request);
        call("GetRecords", iterator);
    }
    bytes
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
