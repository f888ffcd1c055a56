//! The writes of the lease row, and what they come to.

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::consumer::{Event as Happened, Leave, Stage};
use shardkeeper_core::event::Event;
use shardkeeper_core::lease::{Departure, NewLease};
use shardkeeper_core::lineage::{Shard, child_start};
use shardkeeper_core::planted;

use super::{Order, ShardConsumer, Written};
use crate::lease_writer::Lost;

impl ShardConsumer {
    pub(super) fn store(&mut self, checkpoint: Checkpoint) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        let writer = self.world.writer.clone();
        self.store_at = self.world.env.now() + self.world.settings.checkpoint_interval;
        self.writing = Some(Box::pin(async move {
            match writer.checkpoint(&mut held, &checkpoint).await {
                Ok(()) => Written::Stored(held, checkpoint),
                Err(Lost) => Written::Lost,
            }
        }));
    }

    pub(super) fn store_end(&mut self) {
        let Some(held) = self.held.take() else { return };
        let (writer, lease) = (self.world.writer.clone(), &self.lease);
        let checkpoint = child_start(&self.life.acknowledged());
        let child = |shard: &Shard| NewLease {
            stream: lease.stream.clone(),
            shard: shard.id.clone(),
            parent: Some(lease.shard.clone()),
            checkpoint,
            // Above every epoch of the parent, and so above the floor that the parent was born with.
            epoch: held.epoch().saturating_add(1),
            stopped: None,
        };
        let children: Vec<NewLease> = self.children.iter().map(child).collect();
        self.writing = Some(Box::pin(async move {
            match writer.end(held, &children).await {
                Ok(born) => Written::Ended(born),
                Err(Lost) => Written::Lost,
            }
        }));
    }

    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Stay => {}
            Order::Leave(departure) => {
                self.departure = departure;
                self.happened(Happened::LeaveAsked(Leave::Asked));
                self.leave_between_attempts();
            }
            Order::Lost => self.happened(Happened::LeaseLost),
        }
    }

    /// Between two attempts of `initialize` or `shard_ended` nothing is under way that would have to be
    /// finished first.
    fn leave_between_attempts(&mut self) {
        let hook = matches!(self.life.stage(), Stage::Starting | Stage::Notifying);
        if hook && self.calling.is_none() {
            self.again_at = None;
            self.happened(Happened::Failed);
        }
    }

    pub(super) fn stop(&mut self, why: &str) {
        self.departure = Departure::Stopped {
            why: why.to_owned(),
            at: self.world.reading.source.service_time(),
        };
        if self.life.stage() == Stage::Processing {
            self.happened(Happened::Failed);
        }
        self.again_at = None;
        self.happened(Happened::LeaveAsked(Leave::Stopped));
    }

    pub(super) fn depart(&mut self, checkpoint: Checkpoint, leave: Leave) {
        let Some(held) = self.held.take() else { return };
        // An order that came after a stop must not let the next worker run into the same wall.
        let departure = match (leave, &self.departure) {
            (Leave::Stopped, Departure::Stopped { .. }) | (Leave::Asked, _) => {
                self.departure.clone()
            }
            (Leave::Stopped, _) => Departure::Stopped {
                why: "the shard was stopped".into(),
                at: self.world.reading.source.service_time(),
            },
        };
        let checkpoint = if planted!(LeavesWithOldCheckpoint) {
            self.lease.checkpoint
        } else {
            checkpoint
        };
        let writer = self.world.writer.clone();
        self.writing = Some(Box::pin(async move {
            match writer.depart(held, &checkpoint, departure).await {
                Ok(departure) => Written::Departed(departure),
                Err(Lost) => Written::Lost,
            }
        }));
    }

    pub(super) fn written(&mut self, written: Written) {
        let (stream, shard, epoch) = (self.stream(), self.shard(), self.cx.epoch);
        match written {
            Written::Stored(held, checkpoint) => {
                self.held = Some(held);
                self.emit(&Event::CheckpointStored {
                    stream,
                    shard,
                    epoch,
                    checkpoint,
                });
                self.happened(Happened::Stored(checkpoint));
            }
            Written::Departed(departure) => {
                match &departure {
                    Departure::Stopped { why, .. } => self.emit(&Event::ShardStopped {
                        stream,
                        shard,
                        why: why.clone(),
                    }),
                    Departure::To(_) | Departure::Free => {
                        let to = if let Departure::To(to) = &departure {
                            Some(to.clone())
                        } else {
                            None
                        };
                        let at = self.life.acknowledged();
                        self.emit(&Event::LeaseReleased {
                            stream,
                            shard,
                            epoch,
                            at,
                            to,
                        });
                    }
                }
                self.finished = Some((Some(departure), Vec::new()));
                self.happened(Happened::Departed);
            }
            Written::Ended(born) => {
                let children = self.children.iter().map(|child| child.id.clone()).collect();
                self.emit(&Event::ShardEnded {
                    stream,
                    shard,
                    children,
                });
                self.finished = Some((None, born));
                self.happened(Happened::EndStored);
            }
            Written::Lost => self.happened(Happened::LeaseLost),
        }
    }
}
