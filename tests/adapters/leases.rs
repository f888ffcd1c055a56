//! The lease table.

use serde_json::json;
use shardkeeper::aws::AwsLeases;
use shardkeeper_core::ports::{FailureKind, LeaseStore, TableCreation};
use shardkeeper_core::row::{Condition, Effect as Change, RowKey, Write};
use shardkeeper_testkit::emulator::Emulator;
use shardkeeper_testkit::faults::{Effect, Fault};

use super::scenes::emulated::{clients, emulator};
use super::{answer, kind};

pub(crate) async fn leases() -> (Emulator, AwsLeases) {
    let emulator = emulator();
    let leases = AwsLeases::new(&clients(&emulator), "leases");
    leases.open(TableCreation::Allowed).await.unwrap();
    (emulator, leases)
}

/// The first write of the row `name`.
pub(crate) fn create(name: &str) -> Write {
    let owner = Change::Set("owner".into(), "me".into());
    Write::update(RowKey::new(name), vec![Condition::RowAbsent], vec![owner])
}

#[tokio::test(start_paused = true)]
async fn s12_a_write_whose_answer_is_lost_is_ambiguous_and_sent_once() {
    let lost = [Effect::AppliedButDropped, Effect::AppliedButHangs];
    for effect in lost {
        let (emulator, leases) = leases().await;
        emulator
            .faults()
            .inject(Fault::new("UpdateItem", effect).times(1));
        let error = leases.write(&[create("a")]).await.unwrap_err();
        assert!(error.is_ambiguous(), "{error}");
        assert_eq!(emulator.calls().get("UpdateItem"), Some(&1));
        assert_eq!(
            leases.sweep().await.unwrap().len(),
            1,
            "it was applied all the same"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_proves_nothing_is_no_absence_and_no_write() {
    let (emulator, leases) = leases().await;
    leases.write(&[create("a")]).await.unwrap();
    let through = |operation, effect| {
        emulator.faults().clear();
        emulator.faults().inject(Fault::new(operation, effect));
    };
    for nothing in [Effect::empty_body(), Effect::empty_object()] {
        through("Scan", nothing.clone());
        assert_eq!(kind(leases.sweep().await), FailureKind::Protocol);
        through("BatchGetItem", nothing.clone());
        assert_eq!(
            kind(leases.read(&[RowKey::new("a")]).await),
            FailureKind::Protocol
        );
        through("UpdateItem", nothing);
        assert_eq!(
            kind(leases.write(&[create("b")]).await),
            FailureKind::Protocol
        );
    }
    through("TransactWriteItems", Effect::empty_body());
    assert_eq!(
        kind(leases.write(&[create("b"), create("c")]).await),
        FailureKind::Protocol
    );
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_does_not_move_on_is_no_sweep() {
    let (emulator, leases) = leases().await;
    let page = json!({"Items": [], "LastEvaluatedKey": {"leaseKey": {"S": "a"}}});
    emulator
        .faults()
        .inject(Fault::new("Scan", answer(page.to_string())));
    assert_eq!(kind(leases.sweep().await), FailureKind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_not_processed_are_asked_for_again_while_that_helps() {
    let (emulator, leases) = leases().await;
    for name in ["a", "b"] {
        leases.write(&[create(name)]).await.unwrap();
    }
    let key = |name: &str| json!({"leaseKey": {"S": name}});
    let left = |names: &[&str]| {
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        json!({"leases": {"Keys": keys, "ConsistentRead": true}})
    };
    let wanted = [RowKey::new("a"), RowKey::new("b"), RowKey::new("nobody")];
    let some =
        json!({"Responses": {"leases": [key("a")]}, "UnprocessedKeys": left(&["b", "nobody"])});
    emulator
        .faults()
        .inject(Fault::new("BatchGetItem", answer(some.to_string())).times(1));
    assert_eq!(leases.read(&wanted).await.unwrap().len(), 2);
    let none = json!({"Responses": {"leases": []}, "UnprocessedKeys": left(&["a", "b", "nobody"])});
    emulator
        .faults()
        .inject(Fault::new("BatchGetItem", answer(none.to_string())));
    assert_eq!(kind(leases.read(&wanted).await), FailureKind::Throttled);
}

#[tokio::test(start_paused = true)]
async fn every_failure_of_a_write_says_what_to_do_about_it() {
    let (emulator, leases) = leases().await;
    let table = [
        (
            Effect::error(400, "ThrottlingException"),
            FailureKind::Throttled,
            false,
        ),
        (
            Effect::error(400, "ProvisionedThroughputExceededException"),
            FailureKind::Throttled,
            false,
        ),
        (Effect::internal_error(), FailureKind::Unavailable, true),
        (Effect::html(), FailureKind::Unavailable, true),
        (Effect::Dropped, FailureKind::Unavailable, true),
        (Effect::Hangs, FailureKind::Unavailable, true),
        (Effect::access_denied(), FailureKind::Denied, false),
        (
            Effect::error(400, "ResourceNotFoundException"),
            FailureKind::NotFound,
            false,
        ),
        (
            Effect::error(400, "ValidationException"),
            FailureKind::Invalid,
            false,
        ),
    ];
    for (effect, expected, ambiguous) in table {
        for writes in [vec![create("a")], vec![create("a"), create("b")]] {
            emulator
                .faults()
                .inject(Fault::new("*", effect.clone()).times(1));
            let error = leases.write(&writes).await.unwrap_err();
            assert_eq!(
                (error.kind, error.is_ambiguous()),
                (expected, ambiguous),
                "{error}"
            );
        }
    }
}
