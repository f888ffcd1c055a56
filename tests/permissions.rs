//! What a whole life of an application calls is what docs/iam-policy.json grants, table by table.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::StreamViewType;
use serde_json::Value;
use shardkeeper::Settings;
use shardkeeper_testkit::emulator::{Call, Emulator, EmulatorSettings, Fate, Interceptor};
use shardkeeper_tests::{APPLICATION, Act, TABLE, World};

const SOON: Duration = Duration::from_secs(20);
/// The words of the policy that stand for a user's own names.
const LEASE_TABLE: &str = "LEASE_TABLE";
const SOURCE_TABLE: &str = "SOURCE_TABLE";
const STREAM: &str = "SOURCE_TABLE/stream/*";

type Actions = BTreeSet<(String, &'static str)>;

/// Writes down which action every call of a worker needs, and on what.
#[derive(Debug, Default)]
struct Scribe(Mutex<Actions>);

impl Scribe {
    fn note(&self, operation: &str, body: &Value) {
        let resource = match operation {
            "DescribeStream" | "ListStreams" | "GetShardIterator" | "GetRecords" => STREAM,
            _ if body.to_string().contains(&format!("\"{APPLICATION}\"")) => LEASE_TABLE,
            _ => SOURCE_TABLE,
        };
        let mut actions = self.0.lock().unwrap();
        if operation != "TransactWriteItems" {
            actions.insert((operation.to_owned(), resource));
            return;
        }
        // A transaction needs what its parts need, and nothing of its own.
        let parts = body["TransactItems"].as_array().into_iter().flatten();
        for part in parts.flat_map(|part| part.as_object().into_iter().flat_map(|part| part.keys()))
        {
            let action = match part.as_str() {
                "ConditionCheck" => "ConditionCheckItem".to_owned(),
                part => format!("{part}Item"),
            };
            actions.insert((action, resource));
        }
    }
}

impl Interceptor for Scribe {
    fn intercept(&self, call: &Call<'_>) -> Option<Fate> {
        let body = serde_json::from_slice(call.body).unwrap_or_default();
        self.note(call.operation, &body);
        None
    }
}

fn granted() -> Actions {
    let policy = include_str!("../docs/iam-policy.json");
    let policy: Value = serde_json::from_str(policy).unwrap();
    let mut actions = Actions::new();
    for statement in policy["Statement"].as_array().unwrap() {
        let resource = statement["Resource"].as_str().unwrap();
        let resource = match resource.split_once(":table/").unwrap().1 {
            "SOURCE_TABLE" => SOURCE_TABLE,
            "SOURCE_TABLE/stream/*" => STREAM,
            "LEASE_TABLE" => LEASE_TABLE,
            other => panic!("{other}"),
        };
        let action = &statement["Action"];
        let each = action
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![action.clone()]);
        for action in each {
            let action = action.as_str().unwrap().strip_prefix("dynamodb:").unwrap();
            actions.insert((action.to_owned(), resource));
        }
    }
    actions
}

/// What the test itself does to its table, and no worker may.
fn by_the_test(action: &(String, &'static str)) -> bool {
    action.1 == SOURCE_TABLE
        && ["CreateTable", "PutItem", "UpdateTable"].contains(&action.0.as_str())
}

#[tokio::test(start_paused = true)]
async fn every_action_of_the_policy_is_called_and_every_call_is_granted() {
    let scribe = Arc::new(Scribe::default());
    let settings = EmulatorSettings {
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    let account = Emulator::builder()
        .settings(settings)
        .interceptor(Arc::clone(&scribe) as Arc<dyn Interceptor>);
    let world = World::account(501, account, StreamViewType::NewAndOldImages).await;
    let first = world.start_with("a", |_, _| Act::Done).await;
    world.write(20, 1).await;
    let second = world.start_with("b", |_, _| Act::Done).await;
    world.pass(SOON).await;
    let parents = world.emulator.shards(TABLE).unwrap();
    world.emulator.roll_over_all(TABLE).unwrap();
    world.write(20, 2).await;
    world.pass(SOON).await;
    // A finished lease that an operator deletes: read again, its children are there already.
    let finished = world
        .lease_rows()
        .into_iter()
        .find(|row| row["checkpoint"]["S"] == "SHARD_END")
        .unwrap();
    let key = finished["leaseKey"]["S"].as_str().unwrap();
    world
        .emulator
        .request(
            "DeleteItem",
            &serde_json::json!({
                "TableName": APPLICATION, "Key": {"leaseKey": {"S": key}},
            }),
        )
        .unwrap();
    // Discovery reads everything anew once in a sweep interval.
    world
        .pass(Settings::default().sweep_interval + SOON * 4)
        .await;
    for parent in parents {
        world.emulator.forget_shard(TABLE, &parent.id).unwrap();
    }
    first.shutdown().await.unwrap();
    world.pass(SOON * 4).await;
    world.emulator.disable_stream(TABLE).unwrap();
    world.pass(SOON).await;
    world.enable_stream().await;
    world.write(20, 3).await;
    world.pass(SOON * 3).await;
    second.shutdown().await.unwrap();
    assert_eq!(world.ledger.distinct(), 60);

    let mut called = scribe.0.lock().unwrap().clone();
    called.retain(|action| !by_the_test(action));
    assert_eq!(called, granted());
}
