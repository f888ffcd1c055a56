//! The line between one worker and the service: both ports, with both legs of every call.
//!
//! A request travels, is served at the moment at which it arrives, and its answer travels back. Whoever drops a
//! call, by a time-out, a cancellation or a crash, does not call the request back: it is served all the same.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::ports::{
    Answer, FailureKind, Fetched, LeaseStore, PortError, Position, ShardIterator, ShardPage,
    StreamSource, StreamsPage, TableCreation,
};
use shardkeeper_core::row::{Condition, Row, RowKey, Write};
use tokio::sync::oneshot;

use super::reading::shard_behind;
use super::shards::service_millis;
use super::weather::{Op, Passage, Twist};
use super::{Shared, World};
use crate::sim::chaos::Fault;
use crate::sim::ground::Time;
use crate::sim::oracle::Fact;

/// The ports of one worker.
#[derive(Clone)]
pub(crate) struct Line {
    pub(super) world: Shared,
    pub(super) seat: usize,
    /// How long a call may take.
    limit: Time,
}

/// Sweeps of which the pages are read at different moments, in ten thousand.
pub(super) const TORN: u32 = 3_000;

impl Line {
    pub(crate) fn new(world: Shared, seat: usize, limit: Time) -> Self {
        Self { world, seat, limit }
    }

    /// One page of a sweep.
    async fn rows(
        &self,
        wanted: impl Fn(&RowKey) -> bool + Send + 'static,
    ) -> Result<Vec<Row>, PortError> {
        self.call(Op::Sweep, move |world, twist| match twist {
            Twist::Empty => Err(odd(Op::Sweep)),
            _ => Ok(world
                .table
                .rows
                .values()
                .filter(|row| wanted(&row.key))
                .cloned()
                .collect()),
        })
        .await
    }

    /// Makes a call. `serve` may be asked more than once, when the request arrives again.
    pub(super) async fn call<T, F>(&self, op: Op, serve: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: Fn(&mut World, Twist) -> Result<T, PortError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        self.world.with(|world| {
            let passage = world.passage(self.seat, op);
            if op.is_listing() || op == Op::ListStreams {
                let seat = self.seat;
                world.happened(Fact::Called { seat, op });
            }
            if world.oracle.story.is_told()
                && let Some(how) = passage.tells()
            {
                let seat = self.seat;
                world.happened(Fact::Fared { seat, op, how });
            }
            self.send(world, (op, passage), serve, tell);
        });
        match told.await {
            Ok(answer) => answer,
            // The world is over: nobody will ever answer.
            Err(_) => std::future::pending().await,
        }
    }

    fn send<T, F>(
        &self,
        world: &mut World,
        (op, passage): (Op, Passage),
        serve: F,
        tell: oneshot::Sender<Result<T, PortError>>,
    ) where
        T: Send + 'static,
        F: Fn(&mut World, Twist) -> Result<T, PortError> + Send + 'static,
    {
        let Passage {
            request,
            answer,
            before,
            again,
            twist,
        } = passage;
        let total = request.zip(answer).map(|(there, back)| there + back);
        let answered = total.is_some_and(|total| total < self.limit);
        let mut tell = Some(tell);
        if !answered {
            let tell = tell.take();
            let lost = move |_: &mut World| {
                let timed_out =
                    PortError::new(FailureKind::Unavailable, op.name(), "no answer in time");
                tell.map(|tell| tell.send(Err(timed_out)).ok());
            };
            world.after(self.limit, lost);
        }
        let Some(arrives) = request else { return };
        let sent = world.now;
        let arrival = move |world: &mut World| {
            let result = served(world, (op, sent), twist, &serve);
            if let Some(tell) = tell {
                world.after(answer.unwrap_or(0), move |_| drop(tell.send(result)));
            }
            if let Some(again) = again {
                let serve = move |world: &mut World| drop(served(world, (op, sent), twist, &serve));
                world.after(again, serve);
            }
        };
        match before {
            Some(row) => world.hold_back(row, arrives, Box::new(arrival)),
            None => world.after(arrives, arrival),
        }
    }
}

fn served<T>(
    world: &mut World,
    (op, sent): (Op, Time),
    twist: Twist,
    serve: &impl Fn(&mut World, Twist) -> Result<T, PortError>,
) -> Result<T, PortError> {
    if op.is_of_table() && world.weather.lease_table_missing {
        let message = "the lease table was deleted";
        return Err(PortError::new(FailureKind::NotFound, op.name(), message));
    }
    world.served = Some(sent);
    let answer = match twist {
        Twist::Unserved(kind) => Err(PortError::new(kind, op.name(), "refused by the weather")),
        Twist::Served(kind) => {
            drop(serve(world, Twist::Straight));
            Err(PortError::new(kind, op.name(), "internal error"))
        }
        twist => serve(world, twist),
    };
    world.served = None;
    answer
}

pub(super) fn odd(op: Op) -> PortError {
    PortError::new(FailureKind::Protocol, op.name(), "the answer is empty")
}

#[async_trait]
impl StreamSource for Line {
    async fn latest_stream(&self, table: &str) -> Result<StreamArn, PortError> {
        let table = table.to_owned();
        self.call(Op::DescribeTable, move |world, twist| match twist {
            Twist::Empty => Err(odd(Op::DescribeTable)),
            _ => world.latest_stream(&table),
        })
        .await
    }

    async fn list_streams(
        &self,
        table: &str,
        after: Option<&StreamArn>,
    ) -> Result<StreamsPage, PortError> {
        let (table, after) = (table.to_owned(), after.cloned());
        self.call(Op::ListStreams, move |world, twist| match twist {
            Twist::Empty => Err(odd(Op::ListStreams)),
            _ => Ok(world.list_streams(&table, after.as_ref())),
        })
        .await
    }

    async fn list_shards(
        &self,
        stream: &StreamArn,
        after: Option<&ShardId>,
    ) -> Result<ShardPage, PortError> {
        let (stream, after) = (stream.clone(), after.cloned());
        self.call(Op::ListShards, move |world, twist| match twist {
            Twist::Empty => Err(odd(Op::ListShards)),
            _ => world.list_shards(&stream, after.as_ref()),
        })
        .await
    }

    async fn children_of(
        &self,
        stream: &StreamArn,
        parent: &ShardId,
    ) -> Result<ShardPage, PortError> {
        let (stream, parent) = (stream.clone(), parent.clone());
        self.call(Op::Children, move |world, twist| match twist {
            Twist::Empty => Err(odd(Op::Children)),
            _ => world.children_of(&stream, &parent),
        })
        .await
    }

    async fn open(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
        at: Position,
    ) -> Result<ShardIterator, PortError> {
        let (stream, shard) = (stream.clone(), shard.clone());
        self.world
            .with(|world| world.asked(self.seat, world.shard_of(&stream, &shard)));
        self.call(Op::Open, move |world, twist| match twist {
            Twist::Empty => Err(odd(Op::Open)),
            _ => world.open(&stream, &shard, at),
        })
        .await
    }

    async fn fetch(&self, from: &ShardIterator, limit: u16) -> Result<Fetched, PortError> {
        let (from, asked, seat) = (from.clone(), from.clone(), self.seat);
        self.world
            .with(|world| world.asked(seat, shard_behind(&asked)));
        let fetched = self
            .call(Op::Fetch, move |world, twist| match twist {
                Twist::Empty => world.false_end(&from).ok_or_else(|| odd(Op::Fetch)),
                _ => world.fetch(seat, &from, limit),
            })
            .await?;
        self.world
            .with(|world| world.came(self.seat, shard_behind(&asked), &fetched.page));
        Ok(fetched)
    }

    fn service_time(&self) -> Option<Timestamp> {
        let now = self.world.lock().now;
        Some(Timestamp::from_millis(service_millis(now) / 1000 * 1000))
    }
}

#[async_trait]
impl LeaseStore for Line {
    async fn open(&self, _: TableCreation) -> Result<(), PortError> {
        self.call(Op::TableOpen, |_, _| Ok(())).await
    }

    async fn sweep(&self) -> Result<Vec<Row>, PortError> {
        let (half, torn) = self
            .world
            .with(|world| (world.middle_key(), world.strikes(Fault::StaleReads, TORN)));
        if !torn {
            return self.rows(|_| true).await;
        }
        // Not a snapshot: the second page is read later than the first.
        let (first, second) = (half.clone(), half);
        let mut rows = self.rows(move |key| *key < first).await?;
        rows.extend(self.rows(move |key| *key >= second).await?);
        Ok(rows)
    }

    async fn read(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, Row>, PortError> {
        let keys = keys.to_vec();
        self.call(Op::Read, move |world, twist| match twist {
            Twist::Empty => Err(odd(Op::Read)),
            _ => Ok(world.rows(&keys)),
        })
        .await
    }

    async fn write(&self, writes: &[Write]) -> Result<Answer, PortError> {
        let (writes, seat) = (writes.to_vec(), self.seat);
        let beat = match writes.as_slice() {
            [only] => {
                let makes_it = only.conditions.contains(&Condition::RowAbsent);
                self.world
                    .with(|world| world.beat_sent(seat, &only.key, makes_it))
            }
            _ => None,
        };
        let answer = self.call(Op::Write, move |world, twist| match twist {
            Twist::Empty => Ok(Answer::Applied(vec![None; writes.len()])),
            Twist::Refused => {
                let answer = world.write(seat, &writes)?;
                let keys: Vec<RowKey> = writes.iter().map(|write| write.key.clone()).collect();
                let rows = world.rows(&keys);
                let shown = keys.iter().map(|key| rows.get(key).cloned()).collect();
                Ok(if matches!(answer, Answer::Applied(_)) {
                    Answer::Refused(shown)
                } else {
                    answer
                })
            }
            _ => world.write(seat, &writes),
        });
        let answer = answer.await;
        if let (Some(sent), Ok(Answer::Applied(rows))) = (beat, &answer)
            && rows.iter().any(Option::is_some)
        {
            self.world.with(|world| world.beat_heard(seat, sent));
        }
        answer
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.seat)
    }
}
