//! A processor that remembers what it was given, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shardkeeper::{
    Batch, ChangeKind, Progress, RecordProcessor, SequenceNumber, ShardContext, ShardId, WorkerId,
};

/// Remembers every delivery of all the processors that it makes. A clone shares the memory.
///
/// ```
/// # use shardkeeper_testkit::processor::Recorder;
/// let recorder = Recorder::default();
/// let factory = recorder.factory();
/// // worker.spawn(factory)
/// # let _: Box<dyn Fn(&shardkeeper::ShardContext) -> _> = Box::new(factory);
/// assert_eq!(recorder.deliveries().len(), 0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    deliveries: Vec<Delivery>,
    ended: Vec<ShardId>,
    lost: Vec<ShardId>,
}

/// One record as it was delivered once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The shard.
    pub shard: ShardId,
    /// The incarnation of the worker to whose processor it was delivered.
    pub worker: WorkerId,
    /// The fencing token under which it was delivered.
    pub epoch: u64,
    /// Its position.
    pub sequence_number: SequenceNumber,
    /// What happened to the item.
    pub kind: ChangeKind,
    /// The item's key as DynamoDB JSON.
    pub keys: String,
    /// The item after the change as DynamoDB JSON.
    pub new_image: Option<String>,
}

impl Delivery {
    /// The deliveries that a batch is.
    pub(crate) fn all_of(batch: &Batch, cx: &ShardContext) -> Vec<Self> {
        let delivery = |record: &shardkeeper::Record| Self {
            shard: batch.shard().clone(),
            worker: cx.worker_id().clone(),
            epoch: cx.fencing_token(),
            sequence_number: record.sequence_number(),
            kind: record.kind(),
            keys: record.keys_json().to_owned(),
            new_image: record.new_image_json().map(str::to_owned),
        };
        batch.iter().map(delivery).collect()
    }
}

/// The deliveries whose *first* time came after the first time of a later change of the same item.
pub(crate) fn out_of_order<'a>(all: impl Iterator<Item = &'a Delivery>) -> Vec<Delivery> {
    let mut seen = BTreeSet::new();
    let mut latest: BTreeMap<&str, SequenceNumber> = BTreeMap::new();
    let mut wrong = Vec::new();
    for delivery in all {
        if !seen.insert(delivery.sequence_number) {
            continue;
        }
        let before = latest.get(delivery.keys.as_str());
        if before.is_some_and(|before| *before > delivery.sequence_number) {
            wrong.push(delivery.clone());
        } else {
            latest.insert(&delivery.keys, delivery.sequence_number);
        }
    }
    wrong
}

impl Recorder {
    /// The deliveries for which `wanted` holds: of one shard, one worker, one item.
    pub fn deliveries_where(&self, wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let memory = self.lock();
        let found = memory.deliveries.iter().filter(|delivery| wanted(delivery));
        found.cloned().collect()
    }

    /// Makes processors for [`Worker::run`](shardkeeper::Worker::run).
    pub fn factory(&self) -> impl Fn(&ShardContext) -> Recording + Send + Sync + 'static {
        let recorder = self.clone();
        move |_| Recording(recorder.clone())
    }

    /// Every delivery so far, in the order in which they were made.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.lock().deliveries.clone()
    }

    /// The shards whose end was acknowledged, in order.
    pub fn ended(&self) -> Vec<ShardId> {
        self.lock().ended.clone()
    }

    /// The shards whose lease was lost, in order.
    pub fn lost(&self) -> Vec<ShardId> {
        self.lock().lost.clone()
    }

    /// How many different records were delivered.
    pub fn distinct(&self) -> usize {
        self.lock()
            .deliveries
            .iter()
            .map(|d| d.sequence_number)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// How many deliveries were repetitions.
    pub fn repeated(&self) -> usize {
        let distinct = self.distinct();
        self.lock().deliveries.len() - distinct
    }

    /// Records whose *first* delivery came after the first delivery of a later change of the same item.
    pub fn out_of_order(&self) -> Vec<Delivery> {
        out_of_order(self.lock().deliveries.iter())
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One processor of a [`Recorder`].
#[derive(Debug)]
pub struct Recording(Recorder);

impl RecordProcessor for Recording {
    type Error = Infallible;

    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, Infallible> {
        let deliveries = Delivery::all_of(&batch, cx);
        self.0.lock().deliveries.extend(deliveries);
        Ok(Progress::Done)
    }

    async fn shard_ended(&mut self, cx: &ShardContext) -> Result<(), Infallible> {
        self.0.lock().ended.push(cx.shard_id().clone());
        Ok(())
    }

    async fn lease_lost(&mut self, cx: &ShardContext) {
        self.0.lock().lost.push(cx.shard_id().clone());
    }
}
