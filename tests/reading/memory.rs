//! However much there is to read, a worker holds no more of it than it may.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::json;
use shardkeeper::{Batch, Event, Settings, ShardContext, ShardId, WorkerHandle};
use shardkeeper_tests::{Act, Dispatch, TABLE, World};

use super::{assert_once, delivered, shards};

const MIB: u64 = 1024 * 1024;
const LONG: Duration = Duration::from_secs(300);

/// A backlog of so many records of 390 KB, two of which fill a page.
fn backlog(world: &World, records: usize) {
    let large = "x".repeat(390_000);
    for n in 0..records {
        let item = json!({"id": {"S": format!("large-{n}")}, "value": {"S": large}});
        let put = json!({"TableName": TABLE, "Item": item});
        world.emulator.request("PutItem", &put).unwrap();
    }
}

async fn start<F>(world: &World, budget: u64, behave: F) -> WorkerHandle
where
    F: Fn(&Batch, &ShardContext) -> Act + Send + Sync + 'static,
{
    let mut settings = Settings::default();
    settings.fetched_bytes_max = budget;
    settings.prefetch_pages = 4;
    world
        .spawn(world.worker("a").settings(settings), behave)
        .await
}

/// The most bytes that were fetched and not processed at any time, over all shards.
fn most_held(world: &World) -> usize {
    let mut held: BTreeMap<ShardId, VecDeque<usize>> = BTreeMap::new();
    let (mut now, mut most) = (0, 0);
    for (_, event) in world.events.all() {
        match event {
            Event::PageFetched {
                shard,
                records,
                bytes,
                ..
            } if records > 0 => {
                held.entry(shard).or_default().push_back(bytes);
                now += bytes;
                most = most.max(now);
            }
            // A batch is a page here.
            Event::BatchProcessed { shard, .. } => {
                now -= held
                    .get_mut(&shard)
                    .and_then(VecDeque::pop_front)
                    .expect("fetched");
            }
            _ => {}
        }
    }
    most
}

#[tokio::test(start_paused = true)]
async fn l8_a_backlog_in_many_shards_is_held_within_the_budget_and_read_in_turn() {
    let world = World::with(921, shards(12)).await;
    backlog(&world, 120);
    let budget = 4 * MIB;
    let worker = start(&world, budget, |_, _| Act::Slow(Duration::from_secs(1))).await;
    delivered(&world, LONG, 120).await;
    let held = most_held(&world) as u64;
    assert!(held > budget / 2, "{held} bytes: the budget was not used");
    assert!(held <= budget, "{held} bytes");
    assert_once(&world);
    // In turn: no shard is done before another one has begun.
    let dispatches = world.ledger.dispatches();
    let shards = |of: &[Dispatch]| of.iter().map(|one| one.shard.clone()).collect();
    let (begun, all): (BTreeSet<ShardId>, BTreeSet<ShardId>) =
        (shards(&dispatches[..24]), shards(&dispatches));
    assert_eq!(begun, all, "each has some of the first 24 batches");
    worker.shutdown().await.unwrap();
}

/// How many records each shard has.
async fn spread(seed: u64, records: usize) -> BTreeMap<ShardId, usize> {
    let world = World::with(seed, shards(4)).await;
    backlog(&world, records);
    let worker = start(&world, 64 * MIB, |_, _| Act::Done).await;
    delivered(&world, LONG, records).await;
    worker.shutdown().await.unwrap();
    let mut spread = BTreeMap::new();
    for dispatch in world.ledger.dispatches() {
        *spread.entry(dispatch.shard).or_default() += dispatch.records.len();
    }
    spread
}

#[tokio::test(start_paused = true)]
async fn l8_a_shard_that_hangs_keeps_one_page_and_stalls_no_other() {
    let spread = spread(922, 40).await;
    let (stuck, many) = spread.iter().max_by_key(|(_, records)| **records).unwrap();
    assert!(*many > 4, "more than what may wait: {spread:?}");
    let world = World::with(922, shards(4)).await;
    backlog(&world, 40);
    let hanging = stuck.clone();
    let worker = start(&world, 2 * MIB, move |_, cx| {
        if *cx.shard_id() == hanging {
            Act::Hang
        } else {
            Act::Slow(Duration::from_millis(300))
        }
    })
    .await;
    world
        .until(LONG, "the others are read to their ends", |w| {
            let read = w.ledger.dispatches();
            let others = read.iter().filter(|dispatch| dispatch.shard != *stuck);
            others.map(|other| other.records.len()).sum::<usize>() == 40 - many
        })
        .await;
    assert!(most_held(&world) as u64 <= 2 * MIB);
    worker.abort();
}
