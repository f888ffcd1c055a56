//! The calls of user code, and what they come to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use shardkeeper_core::consumer::{Event as Happened, Stage};
use shardkeeper_core::event::Event;
use shardkeeper_core::planted;

use super::{Order, ShardConsumer};
use crate::processor::{Boxed, Outcome, Processed, Progress, Remedy};
use crate::user_call::{UserCall, UserDone};

impl ShardConsumer {
    /// The last look before user code: nothing is called by a worker that no longer believes in itself (S11).
    pub(super) fn may_call(&mut self) -> bool {
        // An order that came while user code blocked this task has not been obeyed yet.
        let holds = self.world.standing.holds() && *self.orders.borrow() != Order::Lost;
        if !holds {
            self.happened(Happened::LeaseLost);
        }
        holds
    }

    /// A processor from the user's factory; `None` when it panicked.
    fn make(&self) -> Option<Boxed> {
        let make = || (self.world.factory)(&self.cx);
        catch_unwind(AssertUnwindSafe(make)).ok()
    }

    pub(super) fn call_initialize(&mut self) {
        if !self.may_call() {
            return;
        }
        let Some(processor) = self.processor.take().or_else(|| self.make()) else {
            self.call_failed(None);
            return;
        };
        self.calling = Some(UserCall::initialize(processor, self.cx.clone()));
    }

    pub(super) fn call_shard_ended(&mut self) {
        if !self.may_call() {
            return;
        }
        match self.processor.take() {
            Some(processor) => {
                self.calling = Some(UserCall::shard_ended(processor, self.cx.clone()))
            }
            // After a panic: a new instance first, then this again.
            None => self.call_initialize(),
        }
    }

    pub(super) fn deliver(&mut self) {
        if !self.may_call() {
            return;
        }
        let Some(hand) = &self.hand else { return };
        let Some(processor) = self.processor.take().filter(|_| self.initialized) else {
            self.call_initialize();
            return;
        };
        let delivery = hand.delivery();
        if let (Some(first), Some(last)) = (delivery.first(), delivery.last()) {
            let (shard, epoch, attempt) = (self.shard(), self.cx.epoch, hand.attempt());
            let records = delivery.len();
            self.emit(&Event::BatchDelivered {
                stream: self.stream(),
                shard,
                epoch,
                records,
                first,
                last,
                attempt,
            });
        }
        let now = self.world.env.now();
        self.calling = Some(UserCall::process(processor, self.cx.clone(), hand, now));
    }

    pub(super) fn call_returned(&mut self, done: UserDone) {
        match done {
            UserDone::Initialized(Outcome::Returned((processor, result))) => {
                self.processor = Some(processor);
                self.initialized = result.is_ok();
                if let Err(error) = result {
                    self.call_failed(Some(error));
                    return;
                }
                match self.life.stage() {
                    // A new instance after a panic: what panicked has not succeeded by that.
                    Stage::Processing => self.deliver(),
                    Stage::Notifying => self.call_shard_ended(),
                    _ => {
                        self.retry.succeeded();
                        self.happened(Happened::Initialized);
                    }
                }
            }
            UserDone::Processed(Outcome::Returned((processor, processed)), began) => {
                self.processor = Some(processor);
                self.processed(processed, began);
            }
            UserDone::ShardEnded(Outcome::Returned((processor, result))) => {
                self.processor = Some(processor);
                match result {
                    Ok(()) => self.happened(Happened::EndAcknowledged),
                    Err(error) => self.call_failed(Some(error)),
                }
            }
            UserDone::ShutdownRequested(Outcome::Returned((processor, ()))) => {
                self.processor = Some(processor);
            }
            UserDone::ShutdownRequested(Outcome::Panicked) => self.initialized = false,
            UserDone::Processed(Outcome::Panicked, _) if planted!(PanicEndsWorker) => {
                self.world.standing.end("a processor panicked");
            }
            UserDone::Processed(Outcome::Panicked, _) => {
                self.initialized = false;
                self.batch_failed(None, None);
            }
            UserDone::Initialized(Outcome::Panicked) | UserDone::ShardEnded(Outcome::Panicked) => {
                self.initialized = false;
                self.call_failed(None);
            }
        }
    }

    pub(super) fn processed(&mut self, processed: Processed, began: Duration) {
        let now = self.world.env.now();
        let Some(hand) = &mut self.hand else { return };
        let mut deferral = None;
        let through = match processed {
            Processed::Ok(Progress::Done) => None,
            Processed::Ok(Progress::Through(position)) => Some(position),
            Processed::Ok(Progress::Deferred(later)) => {
                deferral = Some(later);
                None
            }
            Processed::Err { remedy, error } => {
                match remedy {
                    Remedy::Retry => self.batch_failed(None, Some(error)),
                    Remedy::RetryAfter(pause) => self.batch_failed(Some(pause), Some(error)),
                    Remedy::Skip => {
                        self.tell_failure(error);
                        self.skip();
                    }
                    Remedy::Stop => {
                        self.tell_failure(error);
                        self.stop(
                            "the processor said stop; start the shard again when its cause is mended",
                        );
                    }
                }
                return;
            }
        };
        let iterator_age = self
            .world
            .reading
            .source
            .service_time()
            .and_then(|time| Some(time.since(hand.delivery().records().last()?.created_at()?)));
        let Some(done) = hand.acknowledge(through, now) else {
            self.batch_failed(None, Some("Progress::Through did not advance".into()));
            return;
        };
        let (shard, records, took) = (self.shard(), done.records, now.saturating_sub(began));
        self.emit(&Event::BatchProcessed {
            stream: self.stream(),
            shard,
            records,
            took,
            iterator_age,
        });
        match deferral {
            Some(deferral) => self.out.defer(deferral, self.share.clone()),
            None => self.out.behind(done.through),
        }
        self.worked_off(done.rest);
    }

    /// Part of the batch in hand, or all of it, is worked off; what counts of it waits for what is before it.
    fn worked_off(&mut self, rest: bool) {
        if !rest {
            self.hand = None;
            self.share = None;
        }
        self.settle();
        let through = self.life.acknowledged();
        self.happened(Happened::Processed { through, rest });
    }

    pub(super) fn skip(&mut self) {
        let now = self.world.env.now();
        match self.hand.as_mut().and_then(|hand| hand.skip(now)) {
            Some(skipped) => {
                let (shard, sequence_number) = (self.shard(), skipped.through);
                self.emit(&Event::RecordSkipped {
                    stream: self.stream(),
                    shard,
                    sequence_number,
                });
                self.out.behind(skipped.through);
                self.worked_off(skipped.rest);
            }
            None => {
                self.again_at = Some(now);
                self.happened(Happened::Failed);
            }
        }
    }

    /// The error of an attempt that has no next one: otherwise nobody would ever learn it.
    fn tell_failure(&self, error: String) {
        self.emit(&Event::BatchFailed {
            stream: self.stream(),
            shard: self.shard(),
            attempt: self.hand.as_ref().map_or(1, |hand| hand.attempt()),
            retry_in: Duration::ZERO,
            error: Some(error),
        });
    }

    pub(super) fn batch_failed(&mut self, pause: Option<Duration>, error: Option<String>) {
        let retry_in = pause.unwrap_or_else(|| self.retry.next_pause());
        let attempt = self.hand.as_mut().map_or(1, |hand| {
            let attempt = hand.attempt();
            hand.failed();
            attempt
        });
        self.emit(&Event::BatchFailed {
            stream: self.stream(),
            shard: self.shard(),
            attempt,
            retry_in,
            error,
        });
        self.again_at = Some(self.world.env.now().saturating_add(retry_in));
        self.look_at_the_age();
        self.happened(Happened::Failed);
    }

    /// `initialize` or `shard_ended` failed. With a batch in hand that is the batch's failure; otherwise the
    /// stage stays, and the call is made again.
    pub(super) fn call_failed(&mut self, error: Option<String>) {
        if self.life.stage() == Stage::Processing {
            self.batch_failed(None, error);
            return;
        }
        let attempt = self.retry.attempts() + 1;
        let retry_in = self.retry.next_pause();
        self.emit(&Event::BatchFailed {
            stream: self.stream(),
            shard: self.shard(),
            attempt,
            retry_in,
            error,
        });
        self.again_at = Some(self.world.env.now().saturating_add(retry_in));
        self.happened(Happened::Failed);
    }
}
