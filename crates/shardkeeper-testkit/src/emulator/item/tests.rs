//! The item operations as a client sees them: JSON in, JSON or a refusal out.

mod batches;
mod leases;
mod reads;
mod sdk;
mod transactions;
mod writes;

use std::time::Duration;

use serde_json::{Value, json};

use crate::emulator::error::ServiceError;
use crate::emulator::operations::dispatch;
use crate::emulator::settings::EmulatorSettings;
use crate::emulator::world::World;

/// An account with two tables: `leases` (hash key `leaseKey`) and `events` (hash `pk`, numeric sort key `sk`).
struct Account(World);

impl Account {
    fn new() -> Self {
        let mut account = Self(World::new(EmulatorSettings::default(), 1));
        account.must(
            "CreateTable",
            &json!({
                "TableName": "leases",
                "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "leaseKey", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            }),
        );
        account.must(
            "CreateTable",
            &json!({
                "TableName": "events",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "N"},
                ],
                "BillingMode": "PAY_PER_REQUEST",
            }),
        );
        // However long tables take to become active.
        account.0.now += Duration::from_hours(1);
        account
    }

    fn call(&mut self, operation: &str, body: &Value) -> Result<Value, ServiceError> {
        let target = format!("DynamoDB_20120810.{operation}");
        let answer = dispatch(&mut self.0, &target, body.to_string().as_bytes())?;
        Ok(serde_json::from_slice(&answer.0).expect("an answer is JSON"))
    }

    #[track_caller]
    fn must(&mut self, operation: &str, body: &Value) -> Value {
        self.call(operation, body)
            .unwrap_or_else(|error| panic!("{operation} {body}: {error:?}"))
    }

    /// The code and message of a refusal.
    #[track_caller]
    fn refused(&mut self, operation: &str, body: &Value) -> (String, String) {
        let error = self.call(operation, body).expect_err("refused");
        (error.code.into_owned(), error.message)
    }

    fn event(&mut self, pk: &str, sk: i64, more: &Value) {
        let mut item = json!({"pk": {"S": pk}, "sk": {"N": sk.to_string()}});
        for (name, value) in more.as_object().into_iter().flatten() {
            item[name] = value.clone();
        }
        self.must("PutItem", &json!({"TableName": "events", "Item": item}));
    }

    fn lease(&mut self, key: &str) -> Option<Value> {
        let body =
            json!({"TableName": "leases", "Key": {"leaseKey": {"S": key}}, "ConsistentRead": true});
        self.must("GetItem", &body).get("Item").cloned()
    }
}

/// The request with these members added or replaced.
fn with(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}
