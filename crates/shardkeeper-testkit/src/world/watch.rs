//! Stands around a processor: takes down what it is given and what it makes of it, and crashes its worker on cue.

use shardkeeper::{
    Batch, Failure, Progress, RecordProcessor, Remedy, SequenceNumber, ShardContext,
};

use super::builder::Adversity;
use super::line::span;
use super::run::Handed;
use super::stage::{Stage, State};
use crate::processor::Delivery;

/// A processor that is watched.
pub(super) struct Watch<P> {
    pub(super) inner: P,
    pub(super) stage: Stage,
    pub(super) seat: usize,
    pub(super) attempt: u32,
}

impl<P: RecordProcessor> RecordProcessor for Watch<P> {
    type Error = P::Error;

    async fn initialize(&mut self, cx: &ShardContext) -> Result<(), P::Error> {
        self.inner.initialize(cx).await
    }

    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, P::Error> {
        self.attempt += 1;
        let mut call = Call::new(self, &batch, cx);
        let result = self.inner.process(batch, cx).await;
        let cue = call.returned(&result);
        if result.is_ok() {
            self.attempt = 0;
        }
        if cue {
            // The machine is gone: nothing of it goes on.
            std::future::pending::<()>().await;
        }
        result
    }

    async fn shard_ended(&mut self, cx: &ShardContext) -> Result<(), P::Error> {
        self.inner.shard_ended(cx).await
    }

    async fn lease_lost(&mut self, cx: &ShardContext) {
        self.inner.lease_lost(cx).await;
    }

    async fn shutdown_requested(&mut self, cx: &ShardContext) {
        self.inner.shutdown_requested(cx).await;
    }

    fn on_error(&mut self, failure: Failure<'_, P::Error>) -> Remedy {
        self.inner.on_error(failure)
    }
}

/// One call of `process`, which may be dropped or panic.
struct Call {
    stage: Stage,
    seat: usize,
    batch: Batch,
    /// Where its deliveries are in [`State::handed`].
    from: usize,
    over: bool,
}

impl Call {
    fn new<P>(watch: &Watch<P>, batch: &Batch, cx: &ShardContext) -> Self {
        let (stage, seat) = (watch.stage.clone(), watch.seat);
        let mut state = stage.lock();
        let what = span(batch.first(), batch.last());
        let (epoch, attempt) = (cx.fencing_token(), watch.attempt);
        let text = format!("w{seat} is given {what} under token {epoch}, attempt {attempt}");
        state.tell(Some(batch.shard()), text);
        let (from, at) = (state.handed.len(), state.now());
        let deliveries = Delivery::all_of(batch, cx);
        state
            .handed
            .extend(deliveries.into_iter().map(|delivery| Handed {
                delivery,
                at,
                attempt,
                handled: false,
            }));
        drop(state);
        Self {
            stage,
            seat,
            batch: batch.clone(),
            from,
            over: false,
        }
    }

    /// Takes down the result; true when the worker crashes now.
    fn returned<E>(&mut self, result: &Result<Progress, E>) -> bool {
        self.over = true;
        let (how, through) = match result {
            Ok(Progress::Done) => ("is done with them", self.batch.last()),
            Ok(Progress::Through(number)) => ("is done with some", Some(*number)),
            Ok(_) => ("will acknowledge them later", None),
            Err(_) => ("fails", None),
        };
        let mut state = self.stage.lock();
        let text = format!("the processor of w{} {how}", self.seat);
        state.tell(Some(self.batch.shard()), text);
        let handed = state.handed.iter_mut().skip(self.from);
        for handed in handed.take(self.batch.len()) {
            handed.handled = through.is_some_and(|to| handed.delivery.sequence_number <= to);
        }
        result.is_ok() && self.crashes(&mut state, self.batch.last())
    }

    fn crashes(&self, state: &mut State, last: Option<SequenceNumber>) -> bool {
        let Some(shard) = state.shards.get_mut(self.batch.shard()) else {
            return false;
        };
        let cue = shard.crash_after.is_some_and(|cue| last >= Some(cue));
        if cue {
            shard.crash_after = None;
        } else if state.redeliveries == 0 || state.dice.bool() {
            return false;
        } else {
            state.redeliveries -= 1;
        }
        state.meet(Adversity::Redelivery);
        state.crash(self.seat, " before its checkpoint is stored");
        true
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let how = if std::thread::panicking() {
            "panics"
        } else {
            "is interrupted"
        };
        let text = format!("the processor of w{} {how}", self.seat);
        self.stage.lock().tell(Some(self.batch.shard()), text);
    }
}
