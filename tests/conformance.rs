//! The contracts of the two ports, on every implementation that needs no server.

mod scenes;

use scenes::emulated::{self, EmulatedScene};
use scenes::in_memory::MemoryScene;
use shardkeeper_testkit::conformance::lease_store::{self, Scene};
use shardkeeper_testkit::conformance::stream_source;
use shardkeeper_testkit::memory::MemoryLeases;

#[tokio::test]
async fn leases_in_memory_keep_the_contract() {
    let report = lease_store::check_all(async || Ok(Scene::new(MemoryLeases::new()))).await;
    report.assert_lacking_only(&[lease_store::Capability::ForeignColumns]);
}

#[tokio::test(start_paused = true)]
async fn leases_by_the_sdk_on_the_emulator_keep_the_contract() {
    let report = lease_store::check_all(emulated::lease_scene).await;
    report.assert_lacking_only(&[]);
}

#[tokio::test]
async fn streams_in_memory_keep_the_contract() {
    use stream_source::Capability;
    let report = stream_source::check_all(async |_| Ok(MemoryScene::new())).await;
    report.assert_lacking_only(&[
        Capability::ServiceTime,
        Capability::AtTimestamp,
        Capability::Trimming,
        Capability::IteratorExpiry,
        Capability::DisableEnable,
        Capability::FormerStreams,
        Capability::Views,
    ]);
}

#[tokio::test(start_paused = true)]
async fn streams_by_the_sdk_on_the_emulator_keep_the_contract() {
    let report = stream_source::check_all(EmulatedScene::new).await;
    report.assert_lacking_only(&[]);
}
