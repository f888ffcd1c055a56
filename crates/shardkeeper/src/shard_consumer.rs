//! Performs one shard's life: feeds what happens to [`Consumer::step`] and does what it says.
//!
//! One task for each shard that this worker owns. At any time it has at most one call of user code, one
//! write of the lease row and one fetch under way, and it owns everything they need.

mod lease_writes;
mod parting;
mod user_code;
mod watchdog;

use std::collections::VecDeque;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::consumer::{Action, Consumer, Event as Happened, Outcome as Fate, Stage};
use shardkeeper_core::event::{DataLoss, Event, LossCause};
use shardkeeper_core::hand::Hand;
use shardkeeper_core::headroom::Headroom;
use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lease::{Departure, Held, Lease};
use shardkeeper_core::lineage::Shard;
use shardkeeper_core::planted;
use shardkeeper_core::record::Batch;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use self::parting::Out;
use self::watchdog::Watchdog;
use crate::env::Env;
use crate::fetch_budget::Share;
use crate::lease_writer::LeaseWriter;
use crate::listing::{End, Listing};
use crate::observer::Observers;
use crate::processor::{Boxed, Decision, Factory, OnDataLoss, ShardContext};
use crate::retry::Retry;
use crate::settings::Settings;
use crate::shard_discovery::StartPosition;
use crate::shard_reader::{Gap, Read, ReaderWorld, ShardReader};
use crate::sources::Sources;
use crate::standing::Standing;
use crate::user_call::{UserCall, UserDone};

/// How long an end that the listing does not confirm is left alone before it is looked at again: a child that is
/// listed late waits no longer than this on top of its own lateness (L2).
const FIRST_DOUBT: Duration = Duration::from_millis(50);
const LONGEST_DOUBT: Duration = Duration::from_secs(2);

/// What every consumer of a worker shares.
#[derive(Clone)]
pub(crate) struct ConsumerWorld {
    pub(crate) env: Env,
    pub(crate) observers: Observers,
    pub(crate) settings: Arc<Settings>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) writer: LeaseWriter,
    pub(crate) listing: Listing,
    pub(crate) reading: ReaderWorld,
    pub(crate) factory: Factory,
    /// What the user said about the beginning.
    pub(crate) start: Arc<StartPosition>,
    /// What the worker reads.
    pub(crate) sources: Sources,
    pub(crate) on_data_loss: OnDataLoss,
}

/// What `lease_keeper` wants of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Stay,
    /// Finish what is in hand and let the lease go.
    Leave(Departure),
    /// The row says that the lease is no longer ours.
    Lost,
}

/// How a shard's life with this worker ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) lease: Lease,
    pub(crate) how: Fate,
    /// Where the lease went, when it was let go.
    pub(crate) departure: Option<Departure>,
    /// Children whose leases are ours now.
    pub(crate) born: Vec<Lease>,
}

impl Finished {
    /// The task panicked outside of a processor's future. The row still names us, so the next sweep begins
    /// the shard again.
    pub(crate) fn by_panic(lease: Lease) -> Self {
        Self {
            lease,
            how: Fate::Lost,
            departure: None,
            born: Vec::new(),
        }
    }
}

type Confirming = Pin<Box<dyn Future<Output = (End, Retry)> + Send>>;
type Fetching = Pin<Box<dyn Future<Output = (ShardReader, Read)> + Send>>;
type Writing = Pin<Box<dyn Future<Output = Written> + Send>>;

/// What became of a write of the lease row.
enum Written {
    Stored(Held, Checkpoint),
    Departed(Departure),
    Ended(Vec<Lease>),
    Lost,
}

/// One shard's life, under way.
pub(crate) struct ShardConsumer {
    world: ConsumerWorld,
    orders: watch::Receiver<Order>,
    lease: Lease,
    cx: ShardContext,
    life: Consumer,
    /// `None` while user code has it, and after a panic.
    processor: Option<Boxed>,
    initialized: bool,
    /// `None` while a write has it, and after the lease was let go.
    held: Option<Held>,
    reader: Option<ShardReader>,
    fetching: Option<Fetching>,
    writing: Option<Writing>,
    calling: Option<UserCall>,
    watchdog: Watchdog,
    headroom: Headroom,
    /// Pages that wait; bounded by `prefetch_pages`.
    queue: VecDeque<(Batch, Arc<Share>)>,
    gap: Option<Gap>,
    /// The last gap behind which we go on: where it begins, and why. A record that cannot be read and does not say where it
    /// stands may be read again, and is not told again.
    passed: Option<(Checkpoint, LossCause)>,
    read_to_the_end: bool,
    /// The listing said that the shard is closed: what is read since then to its end is all of it.
    closed: bool,
    hand: Option<Hand>,
    /// What the page of the batch in hand takes of the budget.
    share: Option<Arc<Share>>,
    out: Out,
    /// While parting: when waiting ends.
    part_by: Duration,
    children: Vec<Shard>,
    confirming: Option<Confirming>,
    /// Grows while pages look like the end of a shard that is still open.
    patience: Option<Retry>,
    retry: Retry,
    again_at: Option<Duration>,
    store_at: Duration,
    departure: Departure,
    finished: Option<(Option<Departure>, Vec<Lease>)>,
}

impl ShardConsumer {
    pub(crate) fn new(
        world: ConsumerWorld,
        (held, lease): (Held, Lease),
        why: &str,
        orders: watch::Receiver<Order>,
    ) -> Self {
        let cx = ShardContext {
            stream: lease.stream.clone(),
            shard: lease.shard.clone(),
            worker: held.owner().clone(),
            epoch: held.epoch(),
            started_from: lease.checkpoint,
            why: why.into(),
            lease_lost: tokio_util::sync::CancellationToken::new(),
        };
        let reader = ShardReader::new(
            world.reading.clone(),
            lease.stream.clone(),
            lease.shard.clone(),
            lease.checkpoint,
        );
        Self {
            life: Consumer::new(lease.checkpoint),
            processor: None,
            initialized: false,
            held: Some(held),
            reader: Some(reader),
            fetching: None,
            writing: None,
            calling: None,
            watchdog: Watchdog::default(),
            headroom: Headroom::default(),
            queue: VecDeque::new(),
            gap: None,
            passed: None,
            read_to_the_end: false,
            closed: false,
            hand: None,
            share: None,
            out: Out::default(),
            part_by: Duration::ZERO,
            children: Vec::new(),
            confirming: None,
            patience: None,
            retry: Retry::new(&world.env),
            again_at: None,
            store_at: Duration::ZERO,
            departure: Departure::Free,
            finished: None,
            cx,
            lease,
            orders,
            world,
        }
    }

    /// Lives. Leaves when `orders` says where the lease is to go.
    pub(crate) async fn run(mut self) -> Finished {
        self.call_initialize();
        loop {
            self.feed();
            if let Stage::Over(how) = self.life.stage() {
                return self.finish(how).await;
            }
            self.prefetch();
            self.watch_the_call();
            let due = self.next_due();
            let deferred = self.out.changed();
            let env = self.world.env.clone();
            let standing = Arc::clone(&self.world.standing);
            tokio::select! {
                biased;
                () = standing.over().cancelled() => self.happened(Happened::LeaseLost),
                Ok(()) = self.orders.changed() => {
                    let order = self.orders.borrow_and_update().clone();
                    self.obey(order);
                }
                done = under_way(&mut self.calling) => {
                    self.watchdog.returned();
                    self.call_returned(done);
                }
                written = under_way(&mut self.writing) => self.written(written),
                () = deferred => {}
                (end, patience) = under_way(&mut self.confirming) => self.judged(end, patience),
                (reader, read) = under_way(&mut self.fetching) => self.fetched(reader, read),
                () = until(&env, due) => self.time_passed(),
            }
        }
    }

    /// Tells the table what waits: it is asked again after everything that happens.
    fn feed(&mut self) {
        self.settle();
        match self.life.stage() {
            // While it is to leave, a checkpoint is on its way, and what is behind it is the next owner's to tell, or was
            // told and stopped at.
            Stage::Idle if self.again_at.is_none() && !self.life.is_to_leave() => self.feed_idle(),
            Stage::Parting => self.part(),
            _ => {}
        }
        if self.life.wants_store() && self.world.env.now() >= self.store_at {
            self.happened(Happened::StoreDue);
        }
    }

    fn feed_idle(&mut self) {
        if let Some(oldest) = self.out.given_up() {
            self.begin_again(oldest);
        } else if self.out.is_full() {
            // Acknowledgements must come in first.
        } else if let Some((batch, share)) = self.queue.pop_front() {
            self.share = Some(share);
            self.hand = Hand::new(batch, self.world.env.now());
            self.look_at_the_age();
            self.happened(Happened::Ready);
        } else if !self.out.is_empty() {
            // What follows is only for a shard of which everything is acknowledged.
        } else if let Some(gap) = self.gap.take() {
            self.decide(&gap);
        } else if self.read_to_the_end {
            self.happened(Happened::Drained);
        }
    }

    fn happened(&mut self, event: Happened) {
        let (life, actions) = self.life.clone().step(event);
        self.life = life;
        for action in actions {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Deliver => self.deliver(),
            Action::Pause | Action::Abandon => {}
            Action::Store(checkpoint) => self.store(checkpoint),
            Action::ConfirmEnd => self.confirm_end(),
            Action::NotifyEnd => self.call_shard_ended(),
            Action::NotifyLeave => self.call_shutdown_requested(),
            Action::StoreEnd => self.store_end(),
            Action::Depart(checkpoint, leave) => self.depart(checkpoint, leave),
        }
    }

    fn emit(&self, event: &Event) {
        self.world.observers.emit(event);
    }

    fn shard(&self) -> ShardId {
        self.lease.shard.clone()
    }

    fn stream(&self) -> StreamArn {
        self.lease.stream.clone()
    }

    fn prefetch(&mut self) {
        let waiting = self.queue.len() + usize::from(self.hand.is_some());
        let room = waiting <= usize::from(self.world.settings.prefetch_pages);
        let room = room && (waiting == 0 || self.world.reading.budget.is_ample());
        let over = self.gap.is_some() || self.read_to_the_end || self.life.is_to_leave();
        if !room || over || self.fetching.is_some() {
            return;
        }
        if let Some(mut reader) = self.reader.take() {
            self.fetching = Some(Box::pin(async move {
                let read = reader.next().await;
                (reader, read)
            }));
        }
    }

    fn fetched(&mut self, reader: ShardReader, read: Read) {
        self.reader = Some(reader);
        match read {
            Read::Records(batch, share) => {
                self.patience = None;
                self.queue.push_back((batch, share));
            }
            Read::Lost(gap) => self.gap = Some(gap),
            Read::Ended => {
                self.read_to_the_end = true;
                self.look_into_the_end();
            }
        }
    }

    fn confirm_end(&mut self) {
        if self.closed || planted!(EmptyBodyIsEnd) {
            self.happened(Happened::EndConfirmed);
        } else {
            self.look_into_the_end();
        }
    }

    /// A page looks like the end of the shard. Looked into at once, whatever is still in hand: the longer it waits, the
    /// more of a shard that goes on after all may be gone by then.
    fn look_into_the_end(&mut self) {
        if self.closed || self.confirming.is_some() {
            return;
        }
        let (listing, lease) = (self.world.listing.clone(), self.lease.clone());
        let patience = self.patience.take();
        let env = &self.world.env;
        let mut patience =
            patience.unwrap_or_else(|| Retry::bounded(env, FIRST_DOUBT, LONGEST_DOUBT));
        // A task of its own: others wait for what it lists, and user code may block this one.
        let looking = AbortOnDropHandle::new(env.spawn(async move {
            let end = listing.end_of(&lease.stream, &lease.shard, &mut patience);
            (end.await, patience)
        }));
        self.confirming = Some(Box::pin(async move {
            match looking.await {
                Ok(looked) => looked,
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // The runtime is shutting down, and this task is next.
                    Err(_) => std::future::pending().await,
                },
            }
        }));
    }

    /// A page looked like the end of the shard: was it?
    fn judged(&mut self, end: End, patience: Retry) {
        match end {
            // The page that said so may have been mistaken, and the shard may have got records before it really
            // closed. Now that it is closed, it is read to its end once more.
            End::Confirmed(children) => {
                self.children = children;
                self.closed = true;
            }
            End::Denied => self.patience = Some(patience),
        }
        self.read_to_the_end = self.closed && planted!(FirstEndIsBelieved);
        if let Some(reader) = &mut self.reader {
            reader.read_on(self.closed);
        }
        if self.life.stage() == Stage::Confirming {
            self.happened(Happened::EndDenied);
        }
    }

    /// Everything before the gap is acknowledged; what about the gap (G7, S2)?
    fn decide(&mut self, gap: &Gap) {
        let same = self.passed == Some((gap.from, gap.why)) && !planted!(GapToldTwice);
        if same && (gap.why == LossCause::Undecodable || planted!(GivenUpFromCheckpoint)) {
            return self.go_on(gap);
        }
        let loss = DataLoss {
            stream: self.stream(),
            shard: self.shard(),
            from: gap.from,
            to: gap.to,
            why: gap.why,
            noticed: self.world.reading.source.service_time(),
        };
        self.emit(&Event::DataLost(loss.clone()));
        match (self.world.on_data_loss)(&loss) {
            Decision::GoOn => {
                self.passed = Some((gap.from, gap.why));
                self.go_on(gap);
            }
            Decision::Stop => self.stop(&stopped_by_loss(gap)),
        }
    }

    fn go_on(&mut self, gap: &Gap) {
        if let Some(reader) = &mut self.reader {
            reader.go_on(gap);
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let store = self.life.wants_store().then_some(self.store_at);
        let part = (self.life.stage() == Stage::Parting).then_some(self.part_by);
        let report = self.calling.as_ref().map(|_| self.watchdog.report_at());
        let due = self.again_at.into_iter().chain(store).chain(part);
        due.chain(report).min()
    }

    fn time_passed(&mut self) {
        if self.again_at.is_some_and(|at| at <= self.world.env.now()) {
            self.again_at = None;
            match self.life.stage() {
                Stage::Starting => self.call_initialize(),
                Stage::Notifying => self.call_shard_ended(),
                _ => self.happened(Happened::RetryDue),
            }
        }
    }

    async fn finish(mut self, how: Fate) -> Finished {
        if how == Fate::Lost {
            self.emit(&Event::LeaseLost {
                stream: self.stream(),
                shard: self.shard(),
                epoch: self.cx.epoch,
            });
            self.abandon().await;
        }
        let (departure, born) = self.finished.take().unwrap_or_default();
        Finished {
            lease: self.lease,
            how,
            departure,
            born,
        }
    }

    /// Gives the user's code a moment to notice that the lease is gone.
    async fn abandon(&mut self) {
        self.writing = None;
        self.fetching = None;
        self.confirming = None;
        self.cx.lease_lost.cancel();
        let moment = self.world.settings.margin;
        let env = self.world.env.clone();
        if self.calling.is_some() {
            let done = env.within(moment, under_way(&mut self.calling)).await;
            self.processor = done.and_then(UserDone::into_processor);
        }
        if let Some(processor) = self.processor.take() {
            let _ = env
                .within(moment, processor.lease_lost(self.cx.clone()))
                .await;
        }
    }
}

fn stopped_by_loss(gap: &Gap) -> String {
    let what = match gap.why {
        LossCause::Trimmed => "records were trimmed before they were processed",
        LossCause::Undecodable => "a record could not be decoded",
        _ => "the shard vanished before it was processed to its end",
    };
    format!(
        "{what} (after {}); to go on behind the gap, build the worker with on_data_loss(|_| Decision::GoOn) and clear stoppedWhy of this lease",
        gap.from
    )
}

/// Waits for what is under way, for ever when nothing is, and clears it when it is done.
pub(crate) async fn under_way<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    match slot {
        Some(future) => {
            let output = future.await;
            *slot = None;
            output
        }
        None => std::future::pending().await,
    }
}

async fn until(env: &Env, due: Option<Duration>) {
    match due {
        Some(due) => env.sleep(due.saturating_sub(env.now())).await,
        None => std::future::pending().await,
    }
}
