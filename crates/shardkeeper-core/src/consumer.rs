//! One shard's life, as a table: the only place that knows what may follow what.
//!
//! ```text
//!             Initialized        Ready                    Processed (all)
//!  Starting ──────────────▶ Idle ──────▶ Processing ──────────────────────▶ Idle
//!                            ▲ │             │  ▲ └── Processed (part) ─▶ Processing
//!                            │ │      Failed │  │ RetryDue
//!                            │ │             ▼  │
//!                            │ │           Pausing
//!                            │ │ Drained                 EndConfirmed
//!                            │ └────────▶ Confirming ──────────────────▶ Notifying
//!                            └── EndDenied ───┘
//!                                                                          │ EndAcknowledged
//!      LeaveAsked: from Idle, Pausing, Confirming, after a failure         ▼
//!         └─▶ Parting ── Parted ─▶ Leaving ── Departed ─▶ Over ◀─ EndStored ─ Closing
//!
//!  LeaseLost: from everywhere ─▶ Over, and nothing more is done.
//! ```
//!
//! Beside the stage runs one write of the lease row at a time: a checkpoint may be stored while the next
//! batch is processed; leaving and ending wait for it.
//!
//! Numbered invariants, checked over every life of seven events by the test below:
//!
//! 1. At most one call of user code is in flight (G2).
//! 2. At most one write of the lease row is in flight (S12).
//! 3. After the lease is lost or has departed nothing is done at all (S11).
//! 4. What is stored was acknowledged before and never moves left (G4, S6, S7).
//! 5. The end is stored only after drained, confirmed and acknowledged, in this order (G3, S8).
//! 6. A departure carries everything that was acknowledged (G6, S10).
//! 7. Nothing is delivered after a departure was asked for.

use crate::checkpoint::Checkpoint;

/// Where a shard stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The processor's `initialize` runs.
    Starting,
    /// Nothing in hand: waiting for records.
    Idle,
    /// A batch is with the processor.
    Processing,
    /// Between two attempts of a batch that failed.
    Pausing,
    /// Everything was read and acknowledged; looking for proof that the shard ended, and for children.
    Confirming,
    /// The processor's `shard_ended` runs.
    Notifying,
    /// The end is being stored together with the children's leases.
    Closing,
    /// The processor's `shutdown_requested` runs; acknowledgements that are still out may come in.
    Parting,
    /// The last checkpoint is being stored and the lease let go.
    Leaving,
    /// Nothing more will happen.
    Over(Outcome),
}

/// How a shard's life with this owner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The shard is finished.
    Ended,
    /// The lease was handed over, freed or stopped.
    Departed,
    /// Somebody else has the lease, or we must assume so.
    Lost,
}

/// Why a lease is to be let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leave {
    /// Somebody asked for it, or the worker shuts down.
    Asked,
    /// The shard is to stand still until somebody decides.
    Stopped,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// `initialize` returned.
    Initialized,
    /// A batch waits.
    Ready,
    /// The last page was read and everything in it is acknowledged.
    Drained,
    /// `process` acknowledged everything up to here.
    Processed {
        /// The position that is acknowledged now.
        through: Checkpoint,
        /// True when records of the batch are left, to be delivered again.
        rest: bool,
    },
    /// Records that were given out earlier were acknowledged up to here.
    Acknowledged(Checkpoint),
    /// The call of user code failed and is to be made again later.
    Failed,
    /// It is later.
    RetryDue,
    /// It is time to store what was acknowledged.
    StoreDue,
    /// A checkpoint was stored.
    Stored(Checkpoint),
    /// The end of the shard is confirmed and its children are known.
    EndConfirmed,
    /// The shard has not ended after all: it is read on.
    EndDenied,
    /// `shard_ended` returned `Ok`.
    EndAcknowledged,
    /// The end was stored.
    EndStored,
    /// The lease is to be let go.
    LeaveAsked(Leave),
    /// The processor was told, and had its time.
    Parted,
    /// It was let go.
    Departed,
    /// The lease is no longer ours.
    LeaseLost,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Give the waiting batch, or what is left of it, to the processor.
    Deliver,
    /// Wait, then report [`Event::RetryDue`].
    Pause,
    /// Store this checkpoint.
    Store(Checkpoint),
    /// Find proof of the end and the children.
    ConfirmEnd,
    /// Call `shard_ended`.
    NotifyEnd,
    /// Store the end and the children's leases.
    StoreEnd,
    /// Call `shutdown_requested` and wait a bounded time for acknowledgements that are still out.
    NotifyLeave,
    /// Store this checkpoint and let the lease go.
    Depart(Checkpoint, Leave),
    /// Tell the processor that the lease is gone and drop everything.
    Abandon,
}

/// One shard's life.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Consumer {
    stage: Stage,
    leave: Option<Leave>,
    storing: bool,
    acknowledged: Checkpoint,
    stored: Checkpoint,
}

impl Consumer {
    /// A life that begins at the checkpoint of the lease.
    pub fn new(checkpoint: Checkpoint) -> Self {
        let (acknowledged, stored) = (checkpoint, checkpoint);
        Self {
            stage: Stage::Starting,
            leave: None,
            storing: false,
            acknowledged,
            stored,
        }
    }

    /// Where the shard stands.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Everything up to here is acknowledged by the processor.
    pub fn acknowledged(&self) -> Checkpoint {
        self.acknowledged
    }

    /// True when the lease is to be let go as soon as what is under way allows it.
    pub fn is_to_leave(&self) -> bool {
        self.leave.is_some()
    }

    /// True when [`Event::StoreDue`] would store something.
    pub fn wants_store(&self) -> bool {
        let settled = matches!(
            self.stage,
            Stage::Closing | Stage::Parting | Stage::Leaving | Stage::Over(_)
        );
        !settled && !self.storing && self.acknowledged > self.stored
    }

    /// What follows. An event that cannot happen in this stage changes nothing: it comes from a call
    /// that was still under way when the stage changed.
    #[must_use]
    pub fn step(mut self, event: Event) -> (Self, Vec<Action>) {
        use Stage::{
            Closing, Confirming, Idle, Leaving, Notifying, Over, Parting, Pausing, Processing,
            Starting,
        };
        let actions = match (self.stage, event) {
            (Over(_), _) => vec![],
            (_, Event::LeaseLost) => self.go(Over(Outcome::Lost), Action::Abandon),
            (_, Event::LeaveAsked(leave)) => self.ask_to_leave(leave),
            (_, Event::Stored(checkpoint)) => self.stored(checkpoint),
            (_, Event::StoreDue) => self.store(),
            (_, Event::Acknowledged(through)) => self.acknowledge(through),

            (Starting, Event::Initialized) => self.settle(Idle),
            (Idle, Event::Ready) if self.leave.is_none() => self.go(Processing, Action::Deliver),
            (Idle, Event::Drained) if self.leave.is_none() => {
                self.go(Confirming, Action::ConfirmEnd)
            }
            (Processing, Event::Processed { through, rest }) => self.processed(through, rest),
            (Starting | Processing | Notifying, Event::Failed) if self.leave.is_some() => {
                self.settle(Pausing)
            }
            (Processing, Event::Failed) => self.go(Pausing, Action::Pause),
            (Pausing, Event::RetryDue) if self.leave.is_none() => {
                self.go(Processing, Action::Deliver)
            }
            (Confirming, Event::EndConfirmed) if self.leave.is_none() => {
                self.go(Notifying, Action::NotifyEnd)
            }
            (Confirming, Event::EndDenied) => self.settle(Idle),
            (Notifying, Event::EndAcknowledged) => self.settle(Closing),
            (Closing, Event::EndStored) => self.over(Outcome::Ended),
            (Parting, Event::Parted) => self.depart(),
            (Leaving, Event::Departed) => self.over(Outcome::Departed),
            _ => vec![],
        };
        (self, actions)
    }

    fn go(&mut self, stage: Stage, action: Action) -> Vec<Action> {
        self.stage = stage;
        vec![action]
    }

    fn over(&mut self, outcome: Outcome) -> Vec<Action> {
        self.stage = Stage::Over(outcome);
        vec![]
    }

    /// Enters a stage from which leaving or ending may begin as soon as no write is in flight.
    fn settle(&mut self, stage: Stage) -> Vec<Action> {
        self.stage = stage;
        if self.storing {
            return vec![];
        }
        match (stage, self.leave) {
            (Stage::Closing, _) => vec![Action::StoreEnd],
            (Stage::Idle | Stage::Pausing | Stage::Confirming, Some(Leave::Asked)) => {
                self.go(Stage::Parting, Action::NotifyLeave)
            }
            (Stage::Idle | Stage::Pausing | Stage::Confirming, Some(Leave::Stopped)) => {
                self.depart()
            }
            _ => vec![],
        }
    }

    fn depart(&mut self) -> Vec<Action> {
        let leave = self.leave.unwrap_or(Leave::Asked);
        self.go(Stage::Leaving, Action::Depart(self.acknowledged, leave))
    }

    fn acknowledge(&mut self, through: Checkpoint) -> Vec<Action> {
        if !matches!(self.stage, Stage::Closing | Stage::Leaving) {
            self.acknowledged = self.acknowledged.max(through);
        }
        vec![]
    }

    fn ask_to_leave(&mut self, leave: Leave) -> Vec<Action> {
        if matches!(self.stage, Stage::Closing | Stage::Parting | Stage::Leaving) {
            return vec![];
        }
        // A stop outranks a hand-over: the next owner would run into the same wall.
        if self.leave != Some(Leave::Stopped) {
            self.leave = Some(leave);
        }
        self.settle(self.stage)
    }

    fn processed(&mut self, through: Checkpoint, rest: bool) -> Vec<Action> {
        self.acknowledged = self.acknowledged.max(through);
        if rest && self.leave.is_none() {
            return vec![Action::Deliver];
        }
        self.settle(Stage::Idle)
    }

    fn store(&mut self) -> Vec<Action> {
        if !self.wants_store() {
            return vec![];
        }
        self.storing = true;
        vec![Action::Store(self.acknowledged)]
    }

    fn stored(&mut self, checkpoint: Checkpoint) -> Vec<Action> {
        if !self.storing {
            return vec![];
        }
        self.storing = false;
        self.stored = self.stored.max(checkpoint);
        self.settle(self.stage)
    }
}

#[cfg(test)]
mod tests {
    mod properties;

    use super::*;
    use crate::ids::SequenceNumber;

    fn after(n: u64) -> Checkpoint {
        Checkpoint::After(SequenceNumber::from_service(&n.to_string()).unwrap())
    }

    /// What the world around the table knows: it answers only calls that are under way.
    #[derive(Clone)]
    struct World {
        consumer: Consumer,
        user_call: Option<Action>,
        write: Option<Action>,
        asked: bool,
        drained: bool,
        confirmed: bool,
        notified: bool,
        delivered: u64,
        stored: Checkpoint,
    }

    impl World {
        fn new() -> Self {
            Self {
                consumer: Consumer::new(Checkpoint::TrimHorizon),
                user_call: Some(Action::NotifyEnd),
                write: None,
                asked: false,
                drained: false,
                confirmed: false,
                notified: false,
                delivered: 0,
                stored: Checkpoint::TrimHorizon,
            }
        }

        /// Every event that could come now, and some that could not: those must be harmless.
        fn events(&self) -> Vec<Event> {
            let mut events = vec![
                Event::Initialized,
                Event::Ready,
                Event::Drained,
                Event::Processed {
                    through: after(self.delivered.max(1)),
                    rest: false,
                },
                Event::Processed {
                    through: after(self.delivered.max(1)),
                    rest: true,
                },
                Event::Failed,
                Event::RetryDue,
                Event::StoreDue,
                Event::Acknowledged(after(self.delivered)),
                Event::EndConfirmed,
                Event::EndDenied,
                Event::EndAcknowledged,
                Event::Parted,
                Event::LeaveAsked(Leave::Asked),
                Event::LeaveAsked(Leave::Stopped),
                Event::LeaseLost,
            ];
            match self.write {
                Some(Action::Store(checkpoint)) => events.push(Event::Stored(checkpoint)),
                Some(Action::StoreEnd) => events.push(Event::EndStored),
                Some(Action::Depart(..)) => events.push(Event::Departed),
                _ => {}
            }
            events
        }

        fn step(mut self, event: Event) -> Self {
            let before = self.consumer.clone();
            let over = matches!(before.stage(), Stage::Over(_));
            let (consumer, actions) = self.consumer.step(event);
            self.consumer = consumer;
            self.note(before.stage(), event);
            for action in actions {
                assert!(!over, "invariant 3: {action:?} after the end");
                self.check(action);
            }
            assert!(
                self.consumer.acknowledged() >= before.acknowledged(),
                "invariant 4"
            );
            self
        }

        fn note(&mut self, stage: Stage, event: Event) {
            match (stage, event) {
                (Stage::Starting, Event::Initialized)
                | (Stage::Processing, Event::Processed { .. } | Event::Failed) => {
                    self.user_call = None
                }
                // A failed `initialize` or `shard_ended` has returned; it is called again unless we leave.
                (Stage::Starting | Stage::Notifying, Event::Failed) if self.asked => {
                    self.user_call = None;
                }
                (Stage::Notifying, Event::EndAcknowledged) => {
                    self.user_call = None;
                    self.notified = true;
                }
                (Stage::Parting, Event::Parted) => self.user_call = None,
                (Stage::Idle, Event::Drained) => self.drained = true,
                (Stage::Confirming, Event::EndConfirmed) => self.confirmed = self.drained,
                (Stage::Confirming, Event::EndDenied) => self.drained = false,
                (_, Event::Stored(checkpoint)) => {
                    self.stored = checkpoint;
                    self.write = None;
                }
                (_, Event::EndStored | Event::Departed) => self.write = None,
                (_, Event::LeaveAsked(_)) => self.asked = true,
                _ => {}
            }
        }

        fn check(&mut self, action: Action) {
            match action {
                Action::Deliver | Action::NotifyEnd | Action::NotifyLeave => {
                    assert!(self.user_call.is_none(), "invariant 1: {action:?}");
                    assert!(action != Action::Deliver || !self.asked, "invariant 7");
                    self.user_call = Some(action);
                    self.delivered += 1;
                }
                Action::Store(checkpoint) | Action::Depart(checkpoint, _) => {
                    assert!(self.write.is_none(), "invariant 2: {action:?}");
                    assert!(checkpoint >= self.stored, "invariant 4: moved left");
                    assert_eq!(
                        checkpoint,
                        self.consumer.acknowledged(),
                        "invariants 4 and 6"
                    );
                    self.write = Some(action);
                }
                Action::StoreEnd => {
                    assert!(self.write.is_none(), "invariant 2: {action:?}");
                    assert!(
                        self.drained && self.confirmed && self.notified,
                        "invariant 5"
                    );
                    self.write = Some(action);
                }
                Action::Pause | Action::ConfirmEnd | Action::Abandon => {}
            }
        }
    }

    #[test]
    fn every_life_of_seven_events_keeps_the_seven_invariants() {
        fn walk(world: &World, depth: u32, lives: &mut u64) {
            *lives += 1;
            if depth == 0 {
                return;
            }
            for event in world.events() {
                let next = world.clone().step(event);
                // Events that change nothing lead to lives already walked from here.
                if next.consumer != world.consumer {
                    walk(&next, depth - 1, lives);
                }
            }
        }
        let mut lives = 0;
        walk(&World::new(), 7, &mut lives);
        assert!(lives > 1_000, "walked only {lives}");
    }

    fn life(events: &[Event]) -> (Consumer, Vec<Action>) {
        let mut consumer = Consumer::new(Checkpoint::TrimHorizon);
        let mut all = Vec::new();
        for event in events {
            let (next, actions) = consumer.step(*event);
            consumer = next;
            all.extend(actions);
        }
        (consumer, all)
    }

    const ALL_OF_IT: fn(u64) -> Event = |n| Event::Processed {
        through: after(n),
        rest: false,
    };

    #[test]
    fn a_quiet_life_ends_with_its_children_leased() {
        let (consumer, actions) = life(&[
            Event::Initialized,
            Event::Ready,
            ALL_OF_IT(9),
            Event::Drained,
            Event::EndConfirmed,
            Event::EndAcknowledged,
            Event::EndStored,
        ]);
        assert_eq!(consumer.stage(), Stage::Over(Outcome::Ended));
        let walked = [
            Action::Deliver,
            Action::ConfirmEnd,
            Action::NotifyEnd,
            Action::StoreEnd,
        ];
        assert_eq!(actions, walked);
    }

    #[test]
    fn s8_after_an_end_that_was_none_the_shard_is_read_on() {
        let (consumer, actions) = life(&[
            Event::Initialized,
            Event::Drained,
            Event::EndDenied,
            Event::Ready,
        ]);
        assert_eq!(consumer.stage(), Stage::Processing);
        assert_eq!(actions, [Action::ConfirmEnd, Action::Deliver]);
    }

    #[test]
    fn a_departure_finishes_the_batch_in_hand_and_carries_its_checkpoint() {
        let (_, actions) = life(&[
            Event::Initialized,
            Event::Ready,
            Event::LeaveAsked(Leave::Asked),
            ALL_OF_IT(9),
            Event::Parted,
        ]);
        let leaves = Action::Depart(after(9), Leave::Asked);
        assert_eq!(actions, [Action::Deliver, Action::NotifyLeave, leaves]);
    }

    #[test]
    fn a_departure_carries_what_was_acknowledged_while_the_processor_was_told() {
        let (_, actions) = life(&[
            Event::Initialized,
            Event::LeaveAsked(Leave::Asked),
            Event::Acknowledged(after(4)),
            Event::Parted,
        ]);
        assert_eq!(
            actions,
            [Action::NotifyLeave, Action::Depart(after(4), Leave::Asked)]
        );
    }

    #[test]
    fn a_departure_does_not_wait_for_a_batch_that_keeps_failing() {
        let (_, actions) = life(&[
            Event::Initialized,
            Event::Ready,
            Event::Failed,
            Event::LeaveAsked(Leave::Asked),
            Event::Parted,
        ]);
        let leaves = Action::Depart(Checkpoint::TrimHorizon, Leave::Asked);
        assert_eq!(
            actions,
            [Action::Deliver, Action::Pause, Action::NotifyLeave, leaves]
        );
    }

    #[test]
    fn a_departure_waits_for_the_checkpoint_that_is_being_stored() {
        let (_, actions) = life(&[
            Event::Initialized,
            Event::Ready,
            ALL_OF_IT(9),
            Event::StoreDue,
            Event::LeaveAsked(Leave::Asked),
            Event::Stored(after(9)),
            Event::Parted,
        ]);
        let stores = Action::Store(after(9));
        let leaves = Action::Depart(after(9), Leave::Asked);
        assert_eq!(
            actions,
            [Action::Deliver, stores, Action::NotifyLeave, leaves]
        );
    }

    #[test]
    fn what_is_left_of_a_batch_is_delivered_again() {
        let part = Event::Processed {
            through: after(4),
            rest: true,
        };
        let (consumer, actions) = life(&[Event::Initialized, Event::Ready, part]);
        assert_eq!(consumer.stage(), Stage::Processing);
        assert_eq!(actions, [Action::Deliver, Action::Deliver]);
    }

    #[test]
    fn s11_nothing_follows_a_lost_lease() {
        let (consumer, actions) = life(&[
            Event::Initialized,
            Event::Ready,
            Event::LeaseLost,
            ALL_OF_IT(9),
            Event::StoreDue,
            Event::Ready,
            Event::LeaveAsked(Leave::Asked),
        ]);
        assert_eq!(consumer.stage(), Stage::Over(Outcome::Lost));
        assert_eq!(actions, [Action::Deliver, Action::Abandon]);
    }
}
