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
/// Between two calls of the whole account (F10).
const ACCOUNT: Duration = Duration::from_millis(100);
/// The most time between two calls of a worker whose calls are refused: others use up what the account has.
const LONGEST_TURN: Duration = Duration::from_secs(2);

/// In a large group most have nothing to ask, and who has comes back to this soon.
const LARGEST_SHARE: Duration = Duration::from_millis(800);

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
    /// That time, where everybody calls as often.
    share: Duration,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            next: Duration::ZERO,
            space: BETWEEN_CALLS,
            share: BETWEEN_CALLS,
        }
    }
}

impl Turns {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many workers share what the account has.
    pub(crate) fn shared_by(&self, workers: usize) {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        self.turn().share = ACCOUNT.saturating_mul(workers).min(LARGEST_SHARE);
    }

    /// How a call ended: after a refusal there is twice as much space, after an answer less: soon as little as the worker's share
    /// of the account, and then slowly less, as far as others leave theirs. So few refusals keep several workers together within
    /// what the account has.
    pub(crate) fn learn<T>(&self, answer: &Result<T, PortError>) {
        let mut turn = self.turn();
        let less = if turn.space > turn.share { 30 } else { 100 };
        turn.space = match answer {
            Err(error) if error.kind == FailureKind::Throttled => turn.space * 2,
            _ => turn.space - turn.space / less,
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

    /// So many workers with more ends than they may ask for, in an account that answers ten calls a second: how many
    /// calls they make in the worst ten seconds once they know each other, and which part of all is refused.
    async fn crowd(workers: usize) -> (usize, f64) {
        const MINUTE: Duration = Duration::from_secs(60);
        let env = Env::simulated(workers as u64);
        let account = Mutex::new((Vec::new(), Vec::new()));
        let ask = |now: Duration| {
            let (asked, answered) = &mut *account.lock().unwrap();
            asked.push(now);
            answered.retain(|at| *at + Duration::from_secs(1) > now);
            let room = answered.len() < 10;
            answered.extend(room.then_some(now));
            let refused = || PortError::new(FailureKind::Throttled, "DescribeStream", "too many");
            room.then_some(()).ok_or_else(refused)
        };
        let refusals = std::cell::Cell::new(0);
        let worker = || async {
            let turns = Turns::default();
            turns.shared_by(workers);
            while env.now() < MINUTE * 10 {
                turns.take(&env, Caller::End).await;
                env.sleep(env.up_to(Duration::from_millis(10))).await;
                let answer = ask(env.now());
                refusals.set(refusals.get() + usize::from(answer.is_err()));
                turns.learn(&answer);
            }
        };
        join_all((0..workers).map(|_| worker())).await;
        let (asked, _) = account.into_inner().unwrap();
        let late = asked.iter().copied().skip_while(|at| *at < MINUTE);
        let within = |from: Duration| {
            let window = from..from + Duration::from_secs(10);
            asked.iter().filter(|at| window.contains(*at)).count()
        };
        let refused = refusals.get() as f64 / asked.len() as f64;
        (late.map(within).max().unwrap_or(0), refused)
    }

    #[tokio::test(start_paused = true)]
    async fn l7_f10_workers_that_share_an_account_learn_to_ask_no_more_than_it_answers() {
        for workers in 1..=8 {
            let (most, refused) = crowd(workers).await;
            assert!(most <= 95, "{workers} workers: {most} calls in ten seconds");
            assert!(refused < 0.045, "{workers} workers: {refused} of all");
        }
    }
}
