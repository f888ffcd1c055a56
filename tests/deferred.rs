//! Acknowledging later: in any order, from any task.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use shardkeeper::{
    Acks, Batch, Checkpoint, Decision, Defer, LossCause, Progress, RecordProcessor, SequenceNumber,
    ShardContext, WorkerHandle,
};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_testkit::faults::{Effect, Fault};
use shardkeeper_tests::{TABLE, World};

const SOON: Duration = Duration::from_secs(20);

/// Keeps every handle until the test takes it.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    handles: Vec<(Batch, Acks)>,
    delivered: Vec<SequenceNumber>,
    told_to_leave: usize,
}

impl RecordProcessor for Keeper {
    type Error = Infallible;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Infallible> {
        let (progress, acks) = batch.defer();
        let mut kept = self.0.lock().unwrap();
        kept.delivered
            .extend(batch.iter().map(|record| record.sequence_number()));
        kept.handles.push((batch, acks));
        Ok(progress)
    }

    async fn shutdown_requested(&mut self, _: &ShardContext) {
        self.0.lock().unwrap().told_to_leave += 1;
    }
}

async fn one_shard() -> World {
    let settings = EmulatorSettings {
        initial_shards: 1,
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    World::with(11, settings).await
}

fn delivered(keeper: &Keeper) -> usize {
    keeper.0.lock().unwrap().delivered.len()
}

#[tokio::test(start_paused = true)]
async fn s7_b25_only_the_contiguous_prefix_of_acknowledged_records_becomes_the_checkpoint() {
    let world = one_shard().await;
    world.write(3, 1).await;
    let keeper = Keeper::default();
    let made = keeper.clone();
    let worker = world
        .worker("a")
        .build()
        .await
        .unwrap()
        .spawn(move |_| made.clone());
    world
        .until(SOON, "delivered", |_| delivered(&keeper) == 3)
        .await;
    let (batch, acks) = keeper.0.lock().unwrap().handles.pop().unwrap();
    let at: Vec<SequenceNumber> = batch
        .iter()
        .map(|record| record.sequence_number())
        .collect();
    let checkpoint = || worker.status().shards[0].checkpoint;

    acks.acknowledge(at[1]);
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(
        checkpoint(),
        Checkpoint::TrimHorizon,
        "the first record is still out"
    );
    acks.acknowledge(at[0]);
    world
        .until(SOON, "stored", |_| checkpoint() == Checkpoint::After(at[1]))
        .await;
    acks.acknowledge(at[2]);
    world
        .until(SOON, "stored", |_| checkpoint() == Checkpoint::After(at[2]))
        .await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g1_records_that_are_given_up_unacknowledged_are_delivered_again() {
    let world = one_shard().await;
    world.write(3, 1).await;
    let keeper = Keeper::default();
    let made = keeper.clone();
    let worker = world
        .worker("a")
        .build()
        .await
        .unwrap()
        .spawn(move |_| made.clone());
    world
        .until(SOON, "delivered", |_| delivered(&keeper) == 3)
        .await;
    let (batch, acks) = keeper.0.lock().unwrap().handles.pop().unwrap();
    acks.acknowledge(batch.first().unwrap());
    drop(acks);
    world
        .until(SOON, "delivered again", |_| delivered(&keeper) == 5)
        .await;
    let again = keeper.0.lock().unwrap().delivered[3..].to_vec();
    assert_eq!(again[0], batch.records()[1].sequence_number());
    drop(std::mem::take(&mut keeper.0.lock().unwrap().handles));
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g6_a_shutdown_tells_the_processor_and_waits_for_acknowledgements_that_are_out() {
    let world = one_shard().await;
    world.write(3, 1).await;
    let keeper = Keeper::default();
    let made = keeper.clone();
    let worker = world
        .worker("a")
        .build()
        .await
        .unwrap()
        .spawn(move |_| made.clone());
    world
        .until(SOON, "delivered", |_| delivered(&keeper) == 3)
        .await;
    worker.begin_shutdown();
    world
        .until(SOON, "told", |_| {
            keeper.0.lock().unwrap().told_to_leave == 1
        })
        .await;
    let (batch, acks) = keeper.0.lock().unwrap().handles.pop().unwrap();
    for record in &batch {
        acks.acknowledge(record.sequence_number());
    }
    worker.join().await.unwrap();

    let next = world.start("b").await;
    world.write(3, 2).await;
    world
        .until(SOON, "delivered", |w| w.recorder.distinct() == 3)
        .await;
    assert_eq!(world.recorder.repeated(), 0);
    let first = world.recorder.deliveries()[0].sequence_number;
    assert!(
        first > batch.last().unwrap(),
        "what was acknowledged does not come again"
    );
    next.shutdown().await.unwrap();
}

/// Gives every acknowledgement up at once.
struct Drops(Arc<Mutex<usize>>);

impl RecordProcessor for Drops {
    type Error = Infallible;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, Infallible> {
        *self.0.lock().unwrap() += 1;
        let (progress, _given_up) = batch.defer();
        Ok(progress)
    }
}

#[tokio::test(start_paused = true)]
async fn g5_records_that_are_always_given_up_come_again_after_pauses_that_grow() {
    let world = one_shard().await;
    world.write(3, 1).await;
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let worker = world.worker("a").build().await.unwrap();
    let worker = worker.spawn(move |_| Drops(Arc::clone(&counted)));
    world.pass(Duration::from_secs(120)).await;
    let tried = *calls.lock().unwrap();
    assert!(
        (5..=22).contains(&tried),
        "tried {tried} times in two minutes"
    );
    worker.shutdown().await.unwrap();
}

/// Three records are acknowledged and the next two are gone. A worker that goes on behind gaps is given the four behind.
async fn behind_a_gap(world: &World, keeper: &Keeper) -> WorkerHandle {
    world.write(3, 1).await;
    let worker = start(world, "before", keeper).await;
    given(world, keeper, 3).await;
    let (batch, acks) = kept(keeper);
    for record in &batch {
        acks.acknowledge(record.sequence_number());
    }
    worker.shutdown().await.unwrap();
    world.write(2, 2).await;
    trim(world, None);
    world.write(4, 3).await;

    let worker = start(world, "after", keeper).await;
    given(world, keeper, 7).await;
    assert_eq!(world.events.losses().len(), 1);
    worker
}

async fn start(world: &World, name: &str, keeper: &Keeper) -> WorkerHandle {
    let worker = world.worker(name).on_data_loss(|_| Decision::GoOn);
    let made = keeper.clone();
    worker.build().await.unwrap().spawn(move |_| made.clone())
}

/// A worker at work that was given three records.
async fn three_given(world: &World) -> (Keeper, WorkerHandle) {
    world.write(3, 1).await;
    let keeper = Keeper::default();
    let worker = start(world, "a", &keeper).await;
    given(world, &keeper, 3).await;
    (keeper, worker)
}

async fn given(world: &World, keeper: &Keeper, records: usize) {
    world
        .until(SOON, "given out", |_| delivered(keeper) == records)
        .await;
}

/// What was given out last.
fn kept(keeper: &Keeper) -> (Batch, Acks) {
    keeper.0.lock().unwrap().handles.pop().unwrap()
}

/// Trims up to and including this record; everything without one.
fn trim(world: &World, last: Option<SequenceNumber>) {
    let shard = &world.emulator.shards(TABLE).unwrap()[0].id;
    let last = last.as_ref().map(SequenceNumber::as_str);
    let gone = world.emulator.trim_shard(TABLE, shard, last);
    assert!(gone.unwrap() > 0);
}

#[tokio::test(start_paused = true)]
async fn s2_s7_what_is_trimmed_behind_a_gap_before_it_is_acknowledged_is_a_loss_of_its_own() {
    let world = one_shard().await;
    let keeper = Keeper::default();
    let worker = behind_a_gap(&world, &keeper).await;
    let first = &world.events.losses()[0];
    let (batch, acks) = kept(&keeper);
    trim(&world, batch.first());
    drop(acks);
    given(&world, &keeper, 7 + 3).await;

    let losses = world.events.losses();
    assert_eq!(losses.len(), 2, "what is gone since is told: {losses:?}");
    assert_eq!(
        (losses[1].from, losses[1].why),
        (first.from, LossCause::Trimmed)
    );
    let (again, acks) = kept(&keeper);
    assert_eq!(again.first(), Some(batch.records()[1].sequence_number()));
    drop(acks);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_gap_that_has_not_grown_is_not_told_again() {
    let world = one_shard().await;
    let keeper = Keeper::default();
    let worker = behind_a_gap(&world, &keeper).await;
    for round in 2..=3 {
        drop(kept(&keeper));
        given(&world, &keeper, 3 + 4 * round).await;
    }
    assert_eq!(world.events.losses().len(), 1);
    drop(kept(&keeper));
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_what_was_given_out_and_trimmed_before_anything_is_acknowledged_is_a_loss() {
    let world = one_shard().await;
    let (keeper, worker) = three_given(&world).await;
    let (batch, acks) = kept(&keeper);
    trim(&world, batch.first());
    drop(acks);
    given(&world, &keeper, 3 + 2).await;
    let losses = world.events.losses();
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert_eq!(
        (losses[0].from, losses[0].why),
        (Checkpoint::TrimHorizon, LossCause::Trimmed)
    );
    drop(kept(&keeper));
    worker.shutdown().await.unwrap();
}

/// A page that begins at this place, with a record that cannot be read, comes next, once.
fn damage(world: &World, place: usize) {
    let shard = &world.emulator.shards(TABLE).unwrap()[0].id;
    let open = json!({
        "StreamArn": world.emulator.stream_arn(TABLE),
        "ShardId": shard,
        "ShardIteratorType": "TRIM_HORIZON",
    });
    let iterator = world.emulator.request("GetShardIterator", &open).unwrap();
    let mut page = world.emulator.request("GetRecords", &iterator).unwrap();
    page["Records"].as_array_mut().unwrap().drain(..place);
    page["Records"][0]["dynamodb"]["SizeBytes"] = json!("many");
    let damaged = Effect::Answer {
        status: 200,
        content_type: "application/x-amz-json-1.0",
        body: page.to_string().into(),
    };
    let faults = world.emulator.faults();
    faults.inject(Fault::new("GetRecords", damaged).times(1));
}

#[tokio::test(start_paused = true)]
async fn s2_behind_what_is_gone_a_record_that_cannot_be_read_is_a_loss_of_its_own() {
    let world = one_shard().await;
    let (keeper, worker) = three_given(&world).await;
    let (batch, acks) = kept(&keeper);
    trim(&world, batch.first());
    damage(&world, 0);
    drop(acks);
    given(&world, &keeper, 3 + 1).await;
    let losses = world.events.losses();
    let causes: Vec<LossCause> = losses.iter().map(|loss| loss.why).collect();
    assert_eq!(causes, [LossCause::Trimmed, LossCause::Undecodable]);
    drop(kept(&keeper));
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_record_that_was_given_up_and_cannot_be_read_the_next_time_is_a_loss_of_its_own() {
    let world = one_shard().await;
    world.write(3, 1).await;
    damage(&world, 0);
    let keeper = Keeper::default();
    let worker = start(&world, "a", &keeper).await;
    given(&world, &keeper, 2).await;
    let (_, acks) = kept(&keeper);
    damage(&world, 1);
    drop(acks);
    given(&world, &keeper, 2 + 1).await;
    let losses = world.events.losses();
    assert_eq!(losses.len(), 2, "each of both records: {losses:?}");
    drop(kept(&keeper));
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_knows_no_position_at_a_record_is_asked_for_what_is_behind_the_checkpoint() {
    let world = one_shard().await;
    let unknown = Effect::error(400, "ValidationException");
    let unknown = Fault::new("GetShardIterator", unknown).containing("AT_SEQUENCE_NUMBER");
    world.emulator.faults().inject(unknown);
    let (keeper, worker) = three_given(&world).await;
    let (batch, acks) = kept(&keeper);
    acks.acknowledge(batch.first().unwrap());
    drop(acks);
    given(&world, &keeper, 3 + 2).await;
    drop(kept(&keeper));
    worker.shutdown().await.unwrap();
}
