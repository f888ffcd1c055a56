//! Beats: the one small write a second that keeps a worker's leases.
//!
//! Runs where user code cannot starve it, and stops when `lease_keeper` has not been at work for a while, so
//! that a beating worker is a working one. One beat is in flight at a time.

use std::sync::Arc;
use std::time::Duration;

use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::membership::{BeatFound, WorkerRow, WorkerState, beat_found, worker_key};
use shardkeeper_core::planted;
use shardkeeper_core::ports::{Answer, FailureKind, LeaseStore, PortError};

use crate::env::Env;
use crate::observer::Observers;
use crate::settings::Settings;
use crate::standing::Standing;

/// Beats for one incarnation until it is over.
pub(crate) struct Beater {
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) env: Env,
    pub(crate) observers: Observers,
    pub(crate) settings: Arc<Settings>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) me: WorkerId,
    /// The latest beat that is known to be in the row.
    pub(crate) acknowledged: String,
    /// How many beats the row has counted, at least.
    pub(crate) counted: u64,
}

/// What one beat came to.
enum Beat {
    Acknowledged(WorkerRow),
    /// An earlier beat of ours had landed after all: go on from it.
    Behind(WorkerRow),
    /// The row is not ours any more.
    Foreign(&'static str),
    /// The row is ours as it once was.
    SetBack,
    Unanswered,
}

impl Beater {
    /// Beats until the incarnation is over.
    pub(crate) async fn run(mut self) {
        let _over = self.standing.depends_on_me("the beats stopped");
        let mut said = self.standing.said();
        // Beats whose answers were lost; bounded by the lease duration, after which we give up.
        let mut unresolved: Vec<String> = Vec::new();
        loop {
            let state = *said.borrow_and_update();
            if let Some(why) = self.must_stop() {
                self.standing.end(why);
                return;
            }
            let sent = self.env.now();
            match self.beat(state, &mut unresolved).await {
                Beat::Acknowledged(row) => {
                    unresolved.clear();
                    self.acknowledged_at(sent, &row);
                    if state == WorkerState::Left {
                        self.standing.end("the worker has left");
                        return;
                    }
                }
                Beat::Behind(row) => {
                    self.acknowledged = row.beat_id;
                    self.counted = row.beat;
                    continue;
                }
                Beat::Foreign(why) => {
                    self.standing.end(why);
                    return;
                }
                Beat::SetBack => {
                    self.standing.end_set_back();
                    return;
                }
                Beat::Unanswered => {}
            }
            let wait = self
                .settings
                .beat_interval
                .saturating_sub(self.env.now().saturating_sub(sent));
            tokio::select! {
                biased;
                () = self.standing.over().cancelled() => return,
                _ = said.changed() => {}
                () = self.env.sleep(wait) => {}
            }
        }
    }

    fn must_stop(&self) -> Option<&'static str> {
        let now = self.env.now();
        if now >= self.standing.valid_until() {
            return Some("no beat was acknowledged in time");
        }
        let bound = self
            .settings
            .lease_duration
            .saturating_sub(self.settings.margin);
        let silent = now.saturating_sub(self.standing.last_tick());
        (silent > bound.saturating_mul(2)).then_some("lease_keeper has not been at work")
    }

    fn acknowledged_at(&self, sent: Duration, row: &WorkerRow) {
        let entitled = self
            .settings
            .lease_duration
            .saturating_sub(self.settings.margin);
        let from = if planted!(StampAfterAnswer) {
            self.env.now()
        } else {
            sent
        };
        self.standing.extend(from + entitled);
        self.standing.deliver(row.inbox);
    }

    async fn beat(&mut self, state: WorkerState, unresolved: &mut Vec<String>) -> Beat {
        let beat_id = self.env.fresh_beat();
        let write = WorkerRow::beat(
            &self.me,
            state,
            self.standing.leases(),
            &self.acknowledged,
            &beat_id,
        );
        unresolved.push(beat_id.clone());
        let writes = [write];
        let answer = self
            .env
            .within(self.settings.beat_timeout(), self.store.write(&writes))
            .await;
        match answer {
            Some(Ok(Answer::Applied(rows))) => {
                let row = rows.into_iter().next().flatten();
                match row.and_then(|row| WorkerRow::parse(&row)) {
                    Some(row) => {
                        self.acknowledged = beat_id;
                        self.counted = row.beat;
                        Beat::Acknowledged(row)
                    }
                    // An answer without the row proves nothing.
                    None => self.look(unresolved).await,
                }
            }
            Some(Ok(Answer::Refused(_))) => self.look(unresolved).await,
            Some(Ok(Answer::Conflict)) => Beat::Unanswered,
            Some(Err(error))
                if planted!(ThrottledBeatIsForeign) && error.kind == FailureKind::Throttled =>
            {
                Beat::Foreign("a beat was throttled")
            }
            Some(Err(error)) => {
                self.observers.call_failed(&error);
                Beat::Unanswered
            }
            None => {
                let message = format!(
                    "a beat was not answered within {:?}",
                    self.settings.beat_timeout()
                );
                let error = PortError::new(FailureKind::Unavailable, "UpdateItem", message);
                self.observers.call_failed(&error);
                Beat::Unanswered
            }
        }
    }

    /// The condition failed: whose beat is in the row?
    async fn look(&self, unresolved: &[String]) -> Beat {
        let keys = [worker_key(&self.me)];
        let read = self
            .env
            .within(self.settings.beat_timeout(), self.store.read(&keys))
            .await;
        let Some(Ok(rows)) = read else {
            return Beat::Unanswered;
        };
        let row = rows.values().next().and_then(WorkerRow::parse);
        let set_back = |row: WorkerRow| row.was_set_back(self.counted, self.standing.holds());
        match beat_found(row.as_ref(), &self.acknowledged, unresolved) {
            BeatFound::Gone => Beat::Foreign("the worker's row is gone"),
            BeatFound::Unresolved => row.map_or(Beat::Unanswered, Beat::Behind),
            BeatFound::Known => Beat::Unanswered,
            BeatFound::Foreign if row.is_some_and(set_back) => Beat::SetBack,
            BeatFound::Foreign => Beat::Foreign(
                "somebody else wrote the worker's beat: it was found dead, or it was cloned",
            ),
        }
    }
}
