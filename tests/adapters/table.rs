//! Opening the lease table.

use std::time::Duration;

use shardkeeper::aws::AwsLeases;
use shardkeeper_core::ports::{FailureKind, LeaseStore, TableCreation};
use shardkeeper_testkit::conformance::stream_source::View;
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, tokio_clock};
use shardkeeper_testkit::faults::{Effect, Fault};

use super::kind;
use super::scenes::emulated::clients;
use super::scenes::table::Table;

fn slow_to_create(delay: u64) -> Emulator {
    let create_delay = Duration::from_secs(delay);
    let settings = EmulatorSettings {
        create_delay,
        ..EmulatorSettings::default()
    };
    Emulator::builder()
        .clock(tokio_clock(Duration::from_secs(1_795_000_000)))
        .settings(settings)
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_created_is_waited_for() {
    let emulator = slow_to_create(9);
    let leases = AwsLeases::new(&clients(&emulator), "leases");
    leases.open(TableCreation::Allowed).await.unwrap();
    assert_eq!(leases.sweep().await.unwrap(), vec![]);
    assert_eq!(emulator.calls().get("CreateTable"), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn many_workers_may_create_the_table_at_once() {
    let emulator = slow_to_create(5);
    let workers: Vec<_> = (0..5)
        .map(|_| AwsLeases::new(&clients(&emulator), "leases"))
        .collect();
    let opened = workers
        .iter()
        .map(|leases| leases.open(TableCreation::Allowed));
    for opened in futures_util::future::join_all(opened).await {
        opened.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_never_becomes_active_is_given_up() {
    let emulator = slow_to_create(100_000);
    let leases = AwsLeases::new(&clients(&emulator), "leases");
    assert_eq!(
        kind(leases.open(TableCreation::Allowed).await),
        FailureKind::Unavailable
    );
}

#[tokio::test(start_paused = true)]
async fn an_absent_table_that_may_not_be_created_says_how_to_create_it() {
    let emulator = slow_to_create(0);
    let leases = AwsLeases::new(&clients(&emulator), "leases");
    let error = leases.open(TableCreation::Forbidden).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::NotFound);
    let command = "aws dynamodb create-table --table-name leases --billing-mode PAY_PER_REQUEST";
    assert!(error.message.contains(command), "{error}");
    assert_eq!(emulator.calls().get("CreateTable"), None);
}

#[tokio::test(start_paused = true)]
async fn a_table_with_another_key_is_refused_with_what_is_there_and_what_is_needed() {
    let emulator = slow_to_create(0);
    let clients = clients(&emulator);
    Table::create(clients.dynamodb(), "orders", View::KeysOnly)
        .await
        .unwrap();
    let error = AwsLeases::new(&clients, "orders")
        .open(TableCreation::Allowed)
        .await
        .unwrap_err();
    assert_eq!(error.kind, FailureKind::Invalid);
    assert!(
        error.message.contains("id HASH (S)") && error.message.contains("leaseKey HASH (S)"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_proves_nothing_is_no_table() {
    let emulator = slow_to_create(0);
    let leases = AwsLeases::new(&clients(&emulator), "leases");
    emulator
        .faults()
        .inject(Fault::new("DescribeTable", Effect::empty_object()).times(1));
    assert_eq!(
        kind(leases.open(TableCreation::Allowed).await),
        FailureKind::Protocol
    );
    emulator
        .faults()
        .inject(Fault::new("DescribeTable", Effect::access_denied()).times(1));
    let denied = leases
        .open(TableCreation::Allowed)
        .await
        .unwrap_err()
        .to_string();
    assert!(denied.contains("dynamodb:DescribeTable"), "{denied}");
}
