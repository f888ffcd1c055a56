//! Records as large, as small and as deep as the service allows.

use serde_json::{Value, json};
use shardkeeper_tests::{TABLE, World};

use super::{SOON, delivered, done, shards};

fn put(world: &World, id: &str, value: &Value) {
    let item = json!({"TableName": TABLE, "Item": {"id": {"S": id}, "value": value}});
    world.emulator.request("PutItem", &item).unwrap();
}

#[tokio::test(start_paused = true)]
async fn failure_38_huge_tiny_deep_and_long_records_are_all_read_once_and_in_order() {
    let world = World::with(901, shards(1)).await;
    let worker = world.start_with("a", done).await;
    // A page holds one or two of these; then thousands of the smallest.
    let huge = json!({"S": "x".repeat(390_000)});
    for n in 0..6 {
        put(&world, &format!("huge-{n}"), &huge);
    }
    for n in 0..2_500 {
        put(&world, &format!("t{n}"), &json!({"NULL": true}));
    }
    let deep = (0..30).fold(json!({"BOOL": true}), |inside, _| json!({"L": [inside]}));
    put(&world, "deep", &deep);
    put(&world, "long", &json!({"N": "9".repeat(38)}));
    delivered(&world, SOON * 2, 2_508).await;
    assert_eq!(world.ledger.repeated(), 0);
    assert_eq!(world.ledger.violations(), Vec::<String>::new());
    assert_eq!(world.events.losses(), []);
    worker.shutdown().await.unwrap();
}
