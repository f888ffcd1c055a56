//! Processors that do what a test says and write down every call, with its time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardkeeper::{
    Batch, BoxError, Failure, Progress, RecordProcessor, Remedy, SequenceNumber, ShardContext,
    ShardId, StreamArn, WorkerId,
};
use shardkeeper_testkit::emulator::Clock;

/// What a processor does with a batch.
#[derive(Debug, Clone)]
pub enum Act {
    /// All of it.
    Done,
    /// The first so many records of it.
    Through(usize),
    /// Fails, and wants this.
    Fail(Remedy),
    /// Panics.
    Panic,
    /// All of it, but not at once.
    Slow(Duration),
    /// Never returns.
    Hang,
}

/// One call of `process`.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// When it began, on the emulator's clock.
    pub at: Duration,
    /// When it returned; `None` before that, and when it never did.
    pub returned: Option<Duration>,
    /// By which worker.
    pub worker: WorkerId,
    /// Of which stream.
    pub stream: StreamArn,
    /// Of which shard.
    pub shard: ShardId,
    /// Under which fencing token.
    pub epoch: u64,
    /// With which records: position and key.
    pub records: Vec<(SequenceNumber, String)>,
    /// What the processor did.
    pub act: Act,
}

impl Dispatch {
    /// Where its records stand: streams of one table follow each other by their labels.
    fn positions(&self) -> impl Iterator<Item = (StreamArn, SequenceNumber)> {
        let place = |(number, _): &(SequenceNumber, String)| (self.stream.clone(), *number);
        self.records.iter().map(place)
    }
}

/// Everything that the processors of a world were asked. A clone shares the memory.
#[derive(Clone)]
pub struct Ledger {
    clock: Clock,
    pages: Arc<Mutex<Pages>>,
}

#[derive(Debug, Default)]
struct Pages {
    dispatches: Vec<Dispatch>,
    /// Every record that was given out: tests ask every few milliseconds how many there are.
    distinct: BTreeSet<(StreamArn, SequenceNumber)>,
    initialized: Vec<ShardId>,
    ended: Vec<ShardId>,
    lost: Vec<ShardId>,
}

impl Ledger {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            pages: Arc::default(),
        }
    }

    /// Makes processors that do what `behave` says of each batch.
    pub fn processors<F>(
        &self,
        behave: F,
    ) -> impl Fn(&ShardContext) -> Scripted + Send + Sync + 'static
    where
        F: Fn(&Batch, &ShardContext) -> Act + Send + Sync + 'static,
    {
        let (ledger, behave): (_, Behave) = (self.clone(), Arc::new(behave));
        move |_| Scripted {
            ledger: ledger.clone(),
            behave: Arc::clone(&behave),
            remedy: Remedy::Retry,
        }
    }

    /// Every call so far.
    pub fn dispatches(&self) -> Vec<Dispatch> {
        self.lock().dispatches.clone()
    }

    /// The shards for which `initialize` was called.
    pub fn initialized(&self) -> Vec<ShardId> {
        self.lock().initialized.clone()
    }

    /// The shards whose end was acknowledged.
    pub fn ended(&self) -> Vec<ShardId> {
        self.lock().ended.clone()
    }

    /// The shards whose lease was lost.
    pub fn lost(&self) -> Vec<ShardId> {
        self.lock().lost.clone()
    }

    /// How many different records were given out.
    pub fn distinct(&self) -> usize {
        self.lock().distinct.len()
    }

    /// How many times records were given out again.
    pub fn repeated(&self) -> usize {
        let distinct = self.distinct();
        let pages = self.lock();
        pages
            .dispatches
            .iter()
            .map(|call| call.records.len())
            .sum::<usize>()
            - distinct
    }

    /// How many times this record was given out.
    pub fn times(&self, key: &str) -> usize {
        let pages = self.lock();
        let all = pages.dispatches.iter().flat_map(|call| &call.records);
        all.filter(|(_, found)| found.contains(&format!("\"{key}\"")))
            .count()
    }

    /// Everything that broke the rules which hold in every run: the order of an item's first deliveries
    /// (S4), rising epochs and rising positions under one epoch (S3, S5).
    pub fn violations(&self) -> Vec<String> {
        let mut found = self.out_of_order();
        found.extend(self.epoch_disorder());
        found
    }

    fn out_of_order(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut latest = BTreeMap::new();
        let mut wrong = Vec::new();
        for call in &self.lock().dispatches {
            for (position, (_, key)) in call.positions().zip(&call.records) {
                if !seen.insert(position.clone()) {
                    continue;
                }
                let number = position.1;
                if latest.get(key).is_some_and(|before| *before > position) {
                    wrong.push(format!(
                        "S4: {key} {number} came after a later change of it"
                    ));
                } else {
                    latest.insert(key.clone(), position);
                }
            }
        }
        wrong
    }

    /// A shard's calls begin under epochs that never fall, and under one epoch a record that was given out
    /// is followed by the same or a later one.
    fn epoch_disorder(&self) -> Vec<String> {
        let mut latest: BTreeMap<ShardId, (u64, SequenceNumber)> = BTreeMap::new();
        let mut wrong = Vec::new();
        for call in &self.lock().dispatches {
            let Some((first, _)) = call.records.first() else {
                wrong.push("an empty batch".to_owned());
                continue;
            };
            let done = !matches!(call.act, Act::Fail(_) | Act::Panic | Act::Through(_));
            match latest.get(&call.shard) {
                Some((epoch, _)) if *epoch > call.epoch => {
                    let (shard, at) = (&call.shard, call.at);
                    wrong.push(format!(
                        "S5: {shard} was given out under epoch {} after {epoch}, at {at:?}",
                        call.epoch
                    ));
                }
                Some((epoch, last)) if *epoch == call.epoch && last >= first => {
                    wrong.push(format!(
                        "S3: {} went back to {first} in one epoch",
                        call.shard
                    ));
                }
                _ => {}
            }
            if let Some((last, _)) = call.records.last().filter(|_| done) {
                latest.insert(call.shard.clone(), (call.epoch, *last));
            }
        }
        wrong
    }

    fn begin(&self, batch: &Batch, cx: &ShardContext, act: &Act) -> usize {
        let records = batch.iter();
        let call = Dispatch {
            at: (self.clock)(),
            returned: None,
            worker: cx.worker_id().clone(),
            stream: cx.stream_arn().clone(),
            shard: cx.shard_id().clone(),
            epoch: cx.fencing_token(),
            records: records
                .map(|record| (record.sequence_number(), record.keys_json().to_owned()))
                .collect(),
            act: act.clone(),
        };
        let mut pages = self.lock();
        pages.distinct.extend(call.positions());
        pages.dispatches.push(call);
        pages.dispatches.len() - 1
    }

    fn returned(&self, call: usize) {
        let now = (self.clock)();
        if let Some(call) = self.lock().dispatches.get_mut(call) {
            call.returned = Some(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger({})", self.lock().dispatches.len())
    }
}

type Behave = Arc<dyn Fn(&Batch, &ShardContext) -> Act + Send + Sync>;

/// One processor of a [`Ledger`].
pub struct Scripted {
    ledger: Ledger,
    behave: Behave,
    remedy: Remedy,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl RecordProcessor for Scripted {
    type Error = BoxError;

    async fn initialize(&mut self, cx: &ShardContext) -> Result<(), BoxError> {
        self.ledger.lock().initialized.push(cx.shard_id().clone());
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a slow processor, on paused time"
    )]
    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, BoxError> {
        let act = (self.behave)(&batch, cx);
        let call = self.ledger.begin(&batch, cx, &act);
        let result = match act {
            Act::Done => Ok(Progress::Done),
            Act::Through(count) => {
                let last = batch.records().get(count.saturating_sub(1));
                Ok(last.map_or(Progress::Done, |last| {
                    Progress::Through(last.sequence_number())
                }))
            }
            Act::Fail(remedy) => {
                self.remedy = remedy;
                Err("as the script says".into())
            }
            Act::Panic => panic!("as the script says"),
            Act::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(Progress::Done)
            }
            Act::Hang => std::future::pending().await,
        };
        self.ledger.returned(call);
        result
    }

    async fn shard_ended(&mut self, cx: &ShardContext) -> Result<(), BoxError> {
        self.ledger.lock().ended.push(cx.shard_id().clone());
        Ok(())
    }

    async fn lease_lost(&mut self, cx: &ShardContext) {
        self.ledger.lock().lost.push(cx.shard_id().clone());
    }

    fn on_error(&mut self, _: Failure<'_, BoxError>) -> Remedy {
        self.remedy
    }
}
