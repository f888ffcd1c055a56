//! When a worker may call `DescribeStream`: the whole account shares ten calls a second (F10).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardkeeper_core::planted;
use shardkeeper_core::ports::{FailureKind, PortError};
use tokio::sync::Mutex as Queue;

use crate::env::Env;

/// Between two calls of one worker: eight a second leave room for others, because the whole account
/// shares ten (F10).
const BETWEEN_CALLS: Duration = Duration::from_millis(125);
/// The most time between two calls of a worker whose calls are refused: others use up what the account has.
const LONGEST_TURN: Duration = Duration::from_secs(2);

/// Who calls. Each asks for one turn at a time, so thousands of shards that end at once do not hold up a listing, nor
/// does a listing of a thousand pages hold up one of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// A listing, for its next page.
    Page,
    /// The end of a shard.
    End,
}

/// When a worker may call next; its discovery and all its shards that end share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    turn: Mutex<Turn>,
    pages: Queue<()>,
    ends: Queue<()>,
}

#[derive(Debug)]
struct Turn {
    next: Duration,
    /// The time between two calls.
    space: Duration,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            next: Duration::ZERO,
            space: BETWEEN_CALLS,
        }
    }
}

impl Turns {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a call ended: after a refusal there is twice as much space, after an answer a little less. So few refusals keep several
    /// workers together within what the account has.
    pub(crate) fn learn<T>(&self, answer: &Result<T, PortError>) {
        let mut turn = self.turn();
        turn.space = match answer {
            Err(error) if error.kind == FailureKind::Throttled => turn.space * 2,
            _ => turn.space - turn.space / 20,
        }
        .clamp(BETWEEN_CALLS, LONGEST_TURN);
    }

    /// Waits until this caller may call. May be cancelled by dropping it: its turn is lost then.
    pub(crate) async fn take(&self, env: &Env, caller: Caller) {
        if planted!(ListsWithoutPause) {
            return;
        }
        let queue = match caller {
            Caller::Page => &self.0.pages,
            Caller::End => &self.0.ends,
        };
        let _first = queue.lock().await;
        let now = env.now();
        let mine = {
            let mut turn = self.turn();
            // One call may come early, so that the end of a shard does not wait behind a page of discovery.
            let mine = now.max(turn.next.saturating_sub(BETWEEN_CALLS));
            turn.next = now.max(turn.next) + turn.space;
            mine
        };
        if mine > now {
            env.sleep(mine - now).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn l7_a_page_waits_for_one_end_at_most_however_many_there_are() {
        let (env, turns) = (Env::simulated(1), Turns::default());
        let began = env.now();
        let ends = (0..1_000).map(|_| turns.take(&env, Caller::End));
        let pages = async {
            for _ in 0..20 {
                turns.take(&env, Caller::Page).await;
            }
            env.now() - began
        };
        let (_, time) = futures_util::future::join(join_all(ends), pages).await;
        assert!(time <= BETWEEN_CALLS * 2 * 21, "{time:?} for twenty pages");
        let time = env.now() - began;
        assert!(time >= BETWEEN_CALLS * 1_018, "{time:?} for all of them");
    }
}
