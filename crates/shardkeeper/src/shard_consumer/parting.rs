//! Acknowledgements that are still out, and the time that a processor gets before its lease is handed over.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::consumer::Event as Happened;
use shardkeeper_core::event::Event;
use shardkeeper_core::ids::SequenceNumber;
use shardkeeper_core::planted;

use super::ShardConsumer;
use crate::deferred::Deferral;
use crate::fetch_budget::Share;
use crate::shard_reader::ShardReader;
use crate::user_call::UserCall;

/// Fetching stops while records of so many bytes are out unacknowledged.
const MAX_OUT_BYTES: u64 = 8 * 1024 * 1024;
/// And while so many batches are out, however small.
const MAX_OUT_BATCHES: usize = 256;

/// Batches that were processed but whose acknowledgement is not the checkpoint yet, in order.
#[derive(Debug, Default)]
pub(super) struct Out(VecDeque<Waiting>);

#[derive(Debug)]
enum Waiting {
    /// Acknowledged record by record; until then its page takes its share of the budget.
    For {
        deferral: Deferral,
        #[expect(dead_code, reason = "what counts is when it is dropped")]
        share: Option<Arc<Share>>,
    },
    /// Acknowledged at once, behind one that is not.
    Behind(SequenceNumber),
}

impl Out {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn defer(&mut self, deferral: Deferral, share: Option<Arc<Share>>) {
        self.0.push_back(Waiting::For { deferral, share });
    }

    /// `through` was acknowledged; it counts when everything before it is.
    pub(super) fn behind(&mut self, through: SequenceNumber) {
        self.0.push_back(Waiting::Behind(through));
    }

    pub(super) fn is_full(&self) -> bool {
        let bytes = self.0.iter().map(|waiting| match waiting {
            Waiting::For { deferral, .. } => deferral.bytes(),
            Waiting::Behind(_) => 0,
        });
        self.0.len() >= MAX_OUT_BATCHES || bytes.sum::<u64>() >= MAX_OUT_BYTES
    }

    /// Removes what is settled and says how far that goes.
    fn settle(&mut self) -> Option<SequenceNumber> {
        let mut frontier = None;
        while let Some(front) = self.0.front() {
            let settled = match front {
                Waiting::Behind(through) => {
                    frontier = Some(*through);
                    true
                }
                Waiting::For { deferral, .. } => {
                    frontier = deferral.frontier().or(frontier);
                    deferral.is_settled()
                }
            };
            if !settled {
                break;
            }
            self.0.pop_front();
        }
        frontier
    }

    /// The oldest record that waits, when it will never be acknowledged.
    pub(super) fn given_up(&self) -> Option<SequenceNumber> {
        match self.0.front() {
            Some(Waiting::For { deferral, .. }) => deferral.given_up(),
            _ => None,
        }
    }

    /// Waits until the first thing that waits has moved; for ever when nothing waits.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let front = match self.0.front() {
            Some(Waiting::For { deferral, .. }) => Some(deferral.clone()),
            _ => None,
        };
        async move {
            match front {
                Some(deferral) => deferral.changed().await,
                None => std::future::pending().await,
            }
        }
    }
}

impl ShardConsumer {
    /// Acknowledgements came in. Only what moves the checkpoint is a success: a batch whose acknowledgement is
    /// put off and then given up has failed.
    pub(super) fn settle(&mut self) {
        if let Some(frontier) = self.out.settle() {
            let frontier = Checkpoint::After(frontier);
            if frontier > self.life.acknowledged() {
                self.retry.succeeded();
            }
            self.happened(Happened::Acknowledged(frontier));
        }
    }

    /// Records were given up: reads again from the oldest of them, after a pause. Not from what is acknowledged: were they
    /// gone by now, it could not be told from a gap that was passed, or from a start with nothing before it.
    pub(super) fn begin_again(&mut self, oldest: SequenceNumber) {
        // Nothing is acknowledged after the handle was dropped: this is all.
        self.settle();
        let from = self.life.acknowledged();
        self.emit(&Event::DeferralDropped {
            stream: self.stream(),
            shard: self.shard(),
            after: from,
        });
        self.out = Out::default();
        self.queue.clear();
        self.hand = None;
        self.share = None;
        self.gap = None;
        if !planted!(GivenUpFromCheckpoint) {
            self.passed = None;
        }
        self.fetching = None;
        self.confirming = None;
        self.read_to_the_end = false;
        let (stream, shard) = (self.lease.stream.clone(), self.shard());
        let reader = ShardReader::new(self.world.reading.clone(), stream, shard, from);
        self.reader = Some(
            if planted!(GapToldTwice) || planted!(GivenUpFromCheckpoint) {
                reader
            } else {
                reader.beginning_with(oldest)
            },
        );
        self.again_at = Some(self.world.env.now() + self.retry.next_pause());
    }

    /// Tells the processor that the lease is about to go.
    pub(super) fn call_shutdown_requested(&mut self) {
        if !self.may_call() {
            return;
        }
        self.part_by = self.world.env.now() + self.world.settings.hand_off_timeout / 3;
        if let Some(processor) = self.processor.take().filter(|_| self.initialized) {
            self.calling = Some(UserCall::shutdown_requested(processor, self.cx.clone()));
        }
    }

    /// The lease goes when the processor has returned and nothing is out, or when its time is over.
    pub(super) fn part(&mut self) {
        let now = self.world.env.now();
        let nothing_to_wait_for = self.out.is_empty() || self.out.given_up().is_some();
        if now >= self.part_by || (self.calling.is_none() && nothing_to_wait_for) {
            self.calling = None;
            self.settle();
            self.happened(Happened::Parted);
        }
    }
}
