//! One application reads one table.

use serde_json::json;
use shardkeeper::{Env, ErrorKind, Worker, each_batch};
use shardkeeper_tests::{APPLICATION, World};

/// A second table under the same application name would get the first one's records: the leases of both would be in
/// one lease table, and any worker takes any of them.
#[tokio::test(start_paused = true)]
async fn an_application_that_reads_another_table_already_is_refused_by_name() {
    let world = World::new(21).await;
    world.write(5, 1).await;
    let worker = world.start("a").await;
    let soon = std::time::Duration::from_secs(20);
    world
        .until(soon, "delivered", |w| w.recorder.distinct() == 5)
        .await;
    worker.shutdown().await.unwrap();

    let customers = json!({
        "TableName": "customers",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
    });
    world.emulator.request("CreateTable", &customers).unwrap();
    let second = Worker::builder(APPLICATION)
        .table("customers")
        .aws_config(&world.emulator.sdk_config())
        .env(Env::simulated(22))
        .build()
        .await
        .unwrap();
    let refused = second
        .spawn(|_| each_batch(async |_| Ok(())))
        .join()
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let said = refused.to_string();
    assert!(
        said.contains("orders") && said.contains("customers"),
        "{said}"
    );
}
