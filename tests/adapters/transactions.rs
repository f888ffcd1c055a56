//! Cancelled transactions, and the token that names a call.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shardkeeper::aws::AwsLeases;
use shardkeeper_core::ports::{Answer, FailureKind, LeaseStore, TableCreation};
use shardkeeper_testkit::emulator::{Call, Emulator, Fate, Interceptor};
use shardkeeper_testkit::faults::{Effect, Fault};

use super::leases::{create, leases};
use super::scenes::emulated::clients;

fn cancelled(codes: &[&str]) -> Effect {
    let reasons: Vec<Value> = codes
        .iter()
        .map(|code| json!({"Code": code, "Message": "why"}))
        .collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled", "CancellationReasons": reasons,
    });
    let body = body.to_string().into();
    Effect::Answer {
        status: 400,
        content_type: "application/x-amz-json-1.0",
        body,
    }
}

#[tokio::test(start_paused = true)]
async fn the_reasons_of_a_cancellation_decide() {
    let (emulator, leases) = leases().await;
    let writes = [create("a"), create("b")];
    let refused = Ok(Answer::Refused(vec![None, None]));
    let table = [
        (
            cancelled(&["None", "ConditionalCheckFailed"]),
            refused.clone(),
        ),
        (
            cancelled(&["TransactionConflict", "ConditionalCheckFailed"]),
            refused,
        ),
        (
            cancelled(&["None", "TransactionConflict"]),
            Ok(Answer::Conflict),
        ),
        (
            cancelled(&["ThrottlingError", "None"]),
            Err(FailureKind::Throttled),
        ),
        (
            cancelled(&["None", "ProvisionedThroughputExceeded"]),
            Err(FailureKind::Throttled),
        ),
        (
            Effect::error(400, "TransactionInProgressException"),
            Ok(Answer::Conflict),
        ),
    ];
    for (effect, expected) in table {
        let what = format!("{effect:?}");
        emulator
            .faults()
            .inject(Fault::new("TransactWriteItems", effect).times(1));
        let found = leases.write(&writes).await.map_err(|error| error.kind);
        assert_eq!(found, expected, "{what}");
    }
    let conflict = Effect::error(400, "TransactionConflictException");
    emulator
        .faults()
        .inject(Fault::new("UpdateItem", conflict).times(1));
    assert_eq!(leases.write(&writes[..1]).await.unwrap(), Answer::Conflict);
}

/// Notes the token of every transaction.
#[derive(Debug, Clone, Default)]
struct Tokens(Arc<Mutex<Vec<String>>>);

impl Interceptor for Tokens {
    fn intercept(&self, call: &Call<'_>) -> Option<Fate> {
        let body: Value = serde_json::from_slice(call.body).ok()?;
        let token = body.get("ClientRequestToken")?.as_str()?.to_owned();
        self.0.lock().unwrap().push(token);
        None
    }
}

async fn tokens(seed: u64) -> Vec<String> {
    fastrand::seed(seed);
    let tokens = Tokens::default();
    let emulator = Emulator::builder()
        .interceptor(Arc::new(tokens.clone()))
        .build();
    let leases = AwsLeases::new(&clients(&emulator), "leases");
    leases.open(TableCreation::Allowed).await.unwrap();
    for _ in 0..3 {
        leases.write(&[create("a"), create("b")]).await.unwrap();
    }
    let tokens = tokens.0.lock().unwrap();
    tokens.clone()
}

#[tokio::test(start_paused = true)]
async fn every_transaction_has_a_token_of_its_own_and_the_seed_decides_which() {
    let first = tokens(7).await;
    assert_eq!(first.len(), 3);
    assert!(first[0] != first[1] && first[1] != first[2], "{first:?}");
    assert_eq!(tokens(7).await, first);
    assert_ne!(tokens(8).await, first);
}
