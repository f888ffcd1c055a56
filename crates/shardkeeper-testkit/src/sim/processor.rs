//! The processor of simulated workers: tells the oracle everything, and behaves as badly as the seed wants.

use std::time::Duration;

use shardkeeper::{
    Batch, BoxError, Defer, Env, Failure, Progress, RecordProcessor, Remedy, ShardContext,
};

use super::chaos::Fault;
use super::ground::SECOND;
use super::oracle::{DONE, Dispatch, Fact, LATER};
use super::world::shards::number_of;
use super::world::{ShardNo, Shared, World};

/// How often a processor that hangs looks whether the world has healed.
const HANGING: Duration = Duration::from_secs(30);

/// The pause after a failure of the one shard that fails while everything else is well.
const CURSED: Duration = Duration::from_secs(5);

/// One processor.
pub(crate) struct Probe {
    world: Shared,
    seat: usize,
    env: Env,
    /// `None` for a shard that nobody knows, which is told when it is delivered.
    shard: Option<ShardNo>,
    remedy: Remedy,
}

/// What a processor does with a batch.
enum Act {
    Done,
    Through(usize),
    Fail(Remedy),
    Panic,
    Slow(Duration),
    Hang,
    /// Acknowledges later, so far apart, all but so many.
    Defer(Duration, Drops),
}

/// What of a batch is never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drops {
    Nothing,
    /// Whichever would come last.
    One,
    /// The record behind which nothing else counts.
    TheFirst,
}

impl Probe {
    pub(crate) fn new(world: Shared, seat: usize, env: Env, cx: &ShardContext) -> Self {
        let shard = {
            let world = world.lock();
            let stream = world.streams.stream_of(cx.stream_arn());
            stream.and_then(|stream| stream.by_id.get(cx.shard_id()).copied())
        };
        Self {
            world,
            seat,
            env,
            shard,
            remedy: Remedy::Retry,
        }
    }

    fn returned(&self, cx: &ShardContext, acked: Vec<usize>, how: &'static str) {
        let (seat, epoch) = (self.seat, cx.fencing_token());
        if let Some(shard) = self.shard {
            self.world.with(|world| {
                world.happened(Fact::Returned {
                    seat,
                    shard,
                    epoch,
                    acked,
                    how,
                })
            });
        }
    }
}

impl RecordProcessor for Probe {
    type Error = BoxError;

    async fn process(&mut self, batch: Batch, cx: &ShardContext) -> Result<Progress, BoxError> {
        let Some(shard) = self.shard else {
            return Ok(Progress::Done);
        };
        let numbers: Vec<u128> = batch
            .iter()
            .map(|record| number_of(record.sequence_number()))
            .collect();
        let (act, places) = self.world.with(|world| {
            let places: Vec<Option<usize>> = numbers
                .iter()
                .map(|number| world.streams.shards[shard].place_of(*number))
                .collect();
            world.judge_call(self.seat, shard);
            world.happened(Fact::Dispatched(Dispatch {
                seat: self.seat,
                worker: cx.worker_id().to_string(),
                shard,
                epoch: cx.fencing_token(),
                places: places.clone(),
            }));
            (
                world.act(shard, &places),
                places.into_iter().flatten().collect::<Vec<usize>>(),
            )
        });
        match act {
            Act::Done => {}
            Act::Slow(time) => self.env.sleep(time).await,
            Act::Hang => {
                while !self.world.lock().healing {
                    self.env.sleep(HANGING).await;
                }
            }
            Act::Through(count) => {
                self.returned(
                    cx,
                    places.iter().take(count).copied().collect(),
                    "did a part",
                );
                let last = batch.records().get(count.saturating_sub(1));
                return Ok(last.map_or(Progress::Done, |last| {
                    Progress::Through(last.sequence_number())
                }));
            }
            Act::Fail(remedy) => {
                self.remedy = remedy;
                self.returned(cx, Vec::new(), "failed");
                return Err("as the seed wants".into());
            }
            Act::Panic => {
                self.returned(cx, Vec::new(), "panicked");
                std::panic::resume_unwind(Box::new("as the seed wants"));
            }
            Act::Defer(apart, drops) => return Ok(self.defer(&batch, cx, places, (apart, drops))),
        }
        self.returned(cx, places, DONE);
        Ok(Progress::Done)
    }

    async fn shard_ended(&mut self, cx: &ShardContext) -> Result<(), BoxError> {
        let Some(shard) = self.shard else {
            return Ok(());
        };
        let (seat, epoch) = (self.seat, cx.fencing_token());
        let fails = self
            .world
            .with(|world| world.strikes(Fault::ProcessorFails, 600));
        if fails {
            return Err("as the seed wants".into());
        }
        self.world.with(|world| {
            world.judge_call(seat, shard);
            world.happened(Fact::EndAccepted { seat, shard, epoch });
        });
        Ok(())
    }

    fn on_error(&mut self, _: Failure<'_, BoxError>) -> Remedy {
        self.remedy
    }
}

impl Probe {
    /// Acknowledges record by record, later and out of order.
    fn defer(
        &self,
        batch: &Batch,
        cx: &ShardContext,
        places: Vec<usize>,
        (apart, drops): (Duration, Drops),
    ) -> Progress {
        let (progress, acks) = batch.defer();
        let mut order: Vec<(usize, shardkeeper::SequenceNumber)> = places
            .into_iter()
            .zip(batch.iter().map(|record| record.sequence_number()))
            .collect();
        if drops == Drops::TheFirst {
            order.drain(..order.len().min(1));
        }
        self.world.with(|world| world.dice.shuffle(&mut order));
        if drops == Drops::One {
            order.pop();
        }
        let later = Self {
            world: self.world.clone(),
            env: self.env.clone(),
            ..*self
        };
        let cx = cx.clone();
        drop(self.env.spawn(async move {
            for (place, number) in order {
                later.env.sleep(apart).await;
                later.returned(&cx, vec![place], LATER);
                acks.acknowledge(number);
            }
        }));
        progress
    }
}

impl World {
    /// Decides what the processor of a shard does with a batch of these records.
    fn act(&mut self, shard: ShardNo, places: &[Option<usize>]) -> Act {
        if self.calm.cursed == Some(shard) {
            return Act::Fail(Remedy::RetryAfter(CURSED));
        }
        if self.strikes(Fault::ProcessorFails, 500) {
            return self.failing(places.len());
        }
        // When it is given up nothing behind the gap is acknowledged, or nothing at all, and it may be gone by the time it is
        // read again.
        let edge = self.edge(shard, places);
        if edge > 0 && self.strikes(Fault::ProcessorSlow, edge) {
            if self.dice.bool() {
                let wait = self.dice.u64(0..3 * SECOND);
                self.after(wait, move |world| world.trim_if_kept(shard));
            }
            return Act::Defer(
                Duration::from_millis(self.dice.u64(1..400)),
                Drops::TheFirst,
            );
        }
        if self.strikes(Fault::ProcessorSlow, 800) {
            let longest = 10 * super::fleet::millis(self.scenario.settings.lease_duration);
            return match self.dice.u8(..) % 4 {
                0 => Act::Slow(Duration::from_millis(self.dice.u64(1..longest))),
                1 => Act::Slow(Duration::from_millis(self.dice.u64(1..3_000))),
                _ => Act::Defer(
                    Duration::from_millis(self.dice.u64(1..400)),
                    if self.dice.u8(..) < 16 {
                        Drops::One
                    } else {
                        Drops::Nothing
                    },
                ),
            };
        }
        match self.dice.u8(..) % 4 {
            0 => Act::Slow(Duration::from_millis(self.dice.u64(1..40))),
            _ => Act::Done,
        }
    }

    /// How often of ten thousand these records are given up because of where they are: the loss of the record before them was
    /// told, and reading goes on; or nothing of their shard was acknowledged yet.
    fn edge(&self, shard: ShardNo, places: &[Option<usize>]) -> u32 {
        let log = self.oracle.ledger.log(shard);
        match places.first().copied().flatten() {
            Some(first @ 1..) if log.mark(first - 1).told => 3_000,
            Some(first) if !log.begun_before(first) => 500,
            _ => 0,
        }
    }

    fn failing(&mut self, records: usize) -> Act {
        let pause = Duration::from_millis(self.dice.u64(1..5_000));
        match self.dice.u8(..) % 64 {
            0..20 => Act::Fail(Remedy::Retry),
            20..30 => Act::Fail(Remedy::RetryAfter(pause)),
            30..40 => Act::Panic,
            40..52 => Act::Through(1 + self.dice.usize(0..records.max(1))),
            52..60 => Act::Fail(Remedy::Skip),
            60..63 => Act::Hang,
            _ => Act::Fail(Remedy::Stop),
        }
    }

    /// Rolls for a fault, and counts it.
    pub(crate) fn strikes(&mut self, fault: Fault, in_ten_thousand: u32) -> bool {
        let strikes = self.weather.is_on(fault) && self.chance(in_ten_thousand);
        if strikes {
            self.weather.injected.count(fault);
            if self.oracle.story.is_told() {
                self.happened(Fact::Rolled { fault });
            }
        }
        strikes
    }
}
