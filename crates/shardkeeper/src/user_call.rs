//! One call of user code, under way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use shardkeeper_core::hand::Hand;

use crate::processor::{Attempt, Boxed, Call, Outcome, Processed, ShardContext};

/// A call that has not returned. It owns the processor.
pub(crate) enum UserCall {
    Initialize(Call<Result<(), String>>),
    Process(Call<Processed>, Duration),
    ShardEnded(Call<Result<(), String>>),
    ShutdownRequested(Call<()>),
}

/// A call that has returned, with the processor unless it panicked.
pub(crate) enum UserDone {
    Initialized(Outcome<(Boxed, Result<(), String>)>),
    /// With the time at which the call began.
    Processed(Outcome<(Boxed, Processed)>, Duration),
    ShardEnded(Outcome<(Boxed, Result<(), String>)>),
    ShutdownRequested(Outcome<(Boxed, ())>),
}

impl UserCall {
    pub(crate) fn initialize(processor: Boxed, cx: ShardContext) -> Self {
        Self::Initialize(processor.initialize(cx))
    }

    pub(crate) fn process(processor: Boxed, cx: ShardContext, hand: &Hand, now: Duration) -> Self {
        let since = now.saturating_sub(hand.since());
        let attempt = Attempt {
            batch: hand.delivery(),
            number: hand.attempt(),
            since,
        };
        Self::Process(processor.process(attempt, cx), now)
    }

    pub(crate) fn shard_ended(processor: Boxed, cx: ShardContext) -> Self {
        Self::ShardEnded(processor.shard_ended(cx))
    }

    pub(crate) fn shutdown_requested(processor: Boxed, cx: ShardContext) -> Self {
        Self::ShutdownRequested(processor.shutdown_requested(cx))
    }
}

impl Future for UserCall {
    type Output = UserDone;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<UserDone> {
        match self.get_mut() {
            Self::Initialize(call) => call.as_mut().poll(cx).map(UserDone::Initialized),
            Self::Process(call, began) => {
                let began = *began;
                call.as_mut()
                    .poll(cx)
                    .map(|outcome| UserDone::Processed(outcome, began))
            }
            Self::ShardEnded(call) => call.as_mut().poll(cx).map(UserDone::ShardEnded),
            Self::ShutdownRequested(call) => {
                call.as_mut().poll(cx).map(UserDone::ShutdownRequested)
            }
        }
    }
}

impl UserDone {
    /// The processor, unless it panicked.
    pub(crate) fn into_processor(self) -> Option<Boxed> {
        match self {
            Self::Initialized(Outcome::Returned((processor, _)))
            | Self::ShardEnded(Outcome::Returned((processor, _)))
            | Self::ShutdownRequested(Outcome::Returned((processor, ())))
            | Self::Processed(Outcome::Returned((processor, _)), _) => Some(processor),
            _ => None,
        }
    }
}
