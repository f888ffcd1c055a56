//! Several tables read by one fleet.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use shardkeeper::{ErrorKind, Event, StartPosition, WorkerBuilder};
use shardkeeper_tests::{TABLE, World};

use super::{SOON, assert_once, delivered, done, shards};

pub(super) const OTHER: &str = "customers";
const LATER: Duration = Duration::from_secs(120);

pub(super) fn create(world: &World) {
    let table = json!({
        "TableName": OTHER,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    world.emulator.request("CreateTable", &table).unwrap();
}

pub(super) fn write(world: &World, items: usize, value: usize) {
    for item in 0..items {
        let put = json!({
            "TableName": OTHER,
            "Item": {"id": {"S": format!("customer-{item}")}, "value": {"N": value.to_string()}},
        });
        world.emulator.request("PutItem", &put).unwrap();
    }
}

pub(super) fn switch(world: &World, on: bool) {
    let specification = match on {
        true => json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}),
        false => json!({"StreamEnabled": false}),
    };
    let update = json!({"TableName": OTHER, "StreamSpecification": specification});
    world.emulator.request("UpdateTable", &update).unwrap();
}

fn both(world: &World, name: &str) -> WorkerBuilder {
    world.worker(name).tables([TABLE, OTHER])
}

#[tokio::test(start_paused = true)]
async fn g1_one_fleet_reads_two_tables_and_balances_all_leases_together() {
    let world = World::with(181, shards(3)).await;
    create(&world);
    let fleet = [
        world.spawn(both(&world, "a"), done).await,
        world.spawn(both(&world, "b"), done).await,
    ];
    world.write(20, 1).await;
    write(&world, 20, 1);
    delivered(&world, SOON * 2, 40).await;
    world.emulator.roll_over_all(TABLE).unwrap();
    world.emulator.roll_over_all(OTHER).unwrap();
    world.write(20, 2).await;
    write(&world, 20, 2);
    delivered(&world, SOON * 2, 80).await;
    world.pass(SOON * 3).await;
    for worker in &fleet {
        let status = worker.status();
        let tables: BTreeSet<&str> = status.shards.iter().map(|s| s.stream.table()).collect();
        assert_eq!(tables, BTreeSet::from([OTHER, TABLE]));
        let (ours, all) = (
            status.shards.iter().filter(|shard| shard.ours).count(),
            status.shards.len(),
        );
        assert!(ours.abs_diff(all - ours) <= 1, "{ours} of {all}");
    }
    assert_once(&world);
    let [a, b] = fleet;
    a.abort();
    world.write(20, 3).await;
    write(&world, 20, 3);
    delivered(&world, SOON * 2, 120).await;
    b.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l3_a_table_that_is_not_there_yet_holds_up_no_other() {
    let world = World::with(182, shards(2)).await;
    let worker = world.spawn(both(&world, "a"), done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    create(&world);
    write(&world, 20, 1);
    delivered(&world, LATER, 40).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f16_one_table_is_deleted_and_made_again_while_the_other_goes_on() {
    let world = World::with(183, shards(2)).await;
    create(&world);
    let worker = world.spawn(both(&world, "a"), done).await;
    world.write(20, 1).await;
    write(&world, 20, 1);
    delivered(&world, SOON * 2, 40).await;
    let delete = json!({"TableName": OTHER});
    world.emulator.request("DeleteTable", &delete).unwrap();
    for round in 2..=4 {
        world.write(20, round).await;
        world.emulator.roll_over_all(TABLE).unwrap();
        delivered(&world, SOON, 20 + 20 * round).await;
        world.pass(SOON).await;
    }
    create(&world);
    write(&world, 20, 7);
    delivered(&world, LATER, 120).await;
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s13_one_table_gets_another_stream_while_the_other_goes_on() {
    let world = World::with(184, shards(2)).await;
    create(&world);
    let worker = world.spawn(both(&world, "a"), done).await;
    for round in 1..=3 {
        world.write(20, round).await;
        write(&world, 20, round);
        switch(&world, false);
        world.pass(Duration::from_secs(1)).await;
        switch(&world, true);
        delivered(&world, LATER, 40 * round).await;
    }
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

fn left_alone(world: &World) -> usize {
    let alone =
        |event: &Event| matches!(event, Event::TableLeftAlone { table, .. } if table == OTHER);
    world.events.count(alone)
}

#[tokio::test(start_paused = true)]
async fn g6_a_table_is_added_and_taken_out_by_a_rolling_deploy() {
    let world = World::with(185, shards(2)).await;
    create(&world);
    let old = world.start_with("old", done).await;
    world.write(20, 1).await;
    write(&world, 20, 1);
    delivered(&world, SOON, 20).await;
    // The discoverer does not know the new table, nor may it be given leases of it.
    let new = world.spawn(both(&world, "new"), done).await;
    world.pass(LATER).await;
    assert_eq!(world.ledger.distinct(), 20);
    old.shutdown().await.unwrap();
    delivered(&world, LATER, 40).await;
    let old = world.start_with("old-again", done).await;
    world.write(20, 2).await;
    write(&world, 20, 2);
    delivered(&world, SOON, 80).await;
    new.shutdown().await.unwrap();
    // Whatever was handed over, the worker with the old list reads nothing of it.
    write(&world, 20, 3);
    world.write(20, 3).await;
    delivered(&world, SOON, 100).await;
    world.pass(LATER).await;
    assert_eq!(world.ledger.distinct(), 100);
    assert_eq!(left_alone(&world), 1, "said once");
    let new = world.spawn(both(&world, "new-again"), done).await;
    delivered(&world, LATER, 120).await;
    assert_once(&world);
    old.shutdown().await.unwrap();
    new.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rule_15_latest_is_one_moment_for_the_tables_of_the_first_start_and_another_for_later_ones()
{
    let world = World::with(186, shards(2)).await;
    create(&world);
    world.write(20, 1).await;
    write(&world, 20, 1);
    world.pass(LATER).await;
    let alone = world.worker("a").start(StartPosition::Latest);
    let worker = world.spawn(alone, done).await;
    world.pass(Duration::from_secs(5)).await;
    world.write(20, 2).await;
    write(&world, 20, 2);
    delivered(&world, SOON, 20).await;
    worker.shutdown().await.unwrap();
    world.pass(LATER).await;
    let worker = both(&world, "b").start(StartPosition::Latest);
    let worker = world.spawn(worker, done).await;
    world.pass(LATER).await;
    write(&world, 20, 3);
    delivered(&world, SOON, 40).await;
    world.pass(LATER).await;
    assert_eq!(world.ledger.distinct(), 40);
    assert_once(&world);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rule_15_a_start_position_that_counts_for_one_of_two_tables_is_ignored_for_the_other_alone()
{
    let world = World::with(188, shards(2)).await;
    let worker = world.start_with("a", done).await;
    world.write(20, 1).await;
    delivered(&world, SOON, 20).await;
    worker.shutdown().await.unwrap();
    create(&world);
    let worker = both(&world, "b").start(StartPosition::Latest);
    let worker = world.spawn(worker, done).await;
    world.pass(LATER).await;
    let said = world.events.all().into_iter();
    let said = said.filter_map(|(_, event)| match event {
        Event::StartIgnored { why } => Some(why),
        _ => None,
    });
    let said: Vec<String> = said.collect();
    assert!(
        matches!(said.as_slice(), [why] if why.contains(TABLE)),
        "{said:?}"
    );
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lists_of_tables_that_cannot_be_meant_are_refused() {
    let world = World::with(187, shards(1)).await;
    let none: [&str; 0] = [];
    for (tables, said) in [
        (vec![TABLE, TABLE], "twice"),
        (none.to_vec(), "no stream was named"),
        (vec!["nowhere"], "nowhere"),
        (vec!["nowhere", "elsewhere"], "nowhere"),
    ] {
        let built = world.worker("a").tables(tables.clone()).build().await;
        let error = built.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(said), "{tables:?}: {error}");
    }
}
