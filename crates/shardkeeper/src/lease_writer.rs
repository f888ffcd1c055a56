//! Writes a lease row until it is known what became of the write.
//!
//! An unanswered write is never guessed about (S12): the row is read back, consistently, and says
//! whether one of our attempts is in it, whether the lease is still ours, or whether it is gone
//! (design rule 6).

use std::sync::Arc;

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::lease::{Departure, Held, Lease, NewLease, Resolved};
use shardkeeper_core::membership::WorkerRow;
use shardkeeper_core::planted;
use shardkeeper_core::ports::{Answer, LeaseStore, PortError};
use shardkeeper_core::row::{Row, RowKey, Write};

use crate::env::Env;
use crate::observer::Observers;
use crate::retry::Retry;

/// Does all the writes of owners. One in flight per lease, because each takes the [`Held`].
#[derive(Debug, Clone)]
pub(crate) struct LeaseWriter {
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) env: Env,
    pub(crate) observers: Observers,
}

/// The lease is no longer ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// The rows of those children that have one, and those that have none.
fn partition_by_row(children: &[NewLease], rows: &[Row]) -> (Vec<RowKey>, Vec<NewLease>) {
    let (mut existing, mut absent) = (Vec::new(), Vec::new());
    for child in children {
        let keys = child.keys();
        match rows.iter().find(|row| keys.contains(&row.key)) {
            Some(row) => existing.push(row.key.clone()),
            None => absent.push(child.clone()),
        }
    }
    (existing, absent)
}

/// What a round of writing found out.
enum Round {
    Applied(Option<Lease>),
    NotApplied(Lease),
    Lost,
    /// Nothing was written for sure; try again.
    Again,
    /// A row beside the lease stood in the way.
    Hindered,
}

impl LeaseWriter {
    /// Stores a checkpoint. Tries until it is stored or the lease is lost; the caller drops it when the
    /// worker gives itself up.
    pub(crate) async fn checkpoint(
        &self,
        held: &mut Held,
        checkpoint: &Checkpoint,
    ) -> Result<(), Lost> {
        let mut attempts = Vec::new();
        let mut retry = Retry::new(&self.env);
        loop {
            let write_id = self.attempt(&mut attempts);
            let writes = [held.checkpoint(checkpoint, &write_id)];
            match self.round(held, &writes, &attempts).await {
                Round::Applied(row) => {
                    if let Some(row) = row {
                        held.refresh(&row);
                    }
                    return Ok(());
                }
                Round::NotApplied(row) => held.refresh(&row),
                Round::Lost => return Err(Lost),
                Round::Again | Round::Hindered => {}
            }
            retry.pause().await;
        }
    }

    /// Stores the last checkpoint and lets the lease go. `Ok` tells the new owner: a target that is gone or about
    /// to go is refused, and the lease is freed instead.
    pub(crate) async fn depart(
        &self,
        mut held: Held,
        checkpoint: &Checkpoint,
        mut departure: Departure,
    ) -> Result<Departure, Lost> {
        let mut attempts = Vec::new();
        let mut retry = Retry::new(&self.env);
        loop {
            let write_id = self.attempt(&mut attempts);
            let mut writes = vec![held.depart(checkpoint, &departure, &write_id)];
            if let Departure::To(next) = &departure {
                writes.push(WorkerRow::bump_living(next));
            }
            match self.round(&held, &writes, &attempts).await {
                Round::Applied(_) => return Ok(departure),
                Round::NotApplied(row) => held.refresh(&row),
                Round::Lost => return Err(Lost),
                Round::Hindered => departure = Departure::Free,
                Round::Again => {}
            }
            retry.pause().await;
        }
    }

    /// Stores the end of a shard together with its children's leases. `Ok` has the children that are ours.
    pub(crate) async fn end(
        &self,
        mut held: Held,
        children: &[NewLease],
    ) -> Result<Vec<Lease>, Lost> {
        let names: Vec<ShardId> = children.iter().map(|child| child.shard.clone()).collect();
        // A child may have a lease under the key that KCL gave it.
        let keys: Vec<RowKey> = children.iter().flat_map(NewLease::keys).collect();
        let mut attempts = Vec::new();
        let mut retry = Retry::new(&self.env);
        loop {
            let Some(rows) = self.read(&keys, &mut retry).await else {
                continue;
            };
            let (existing, absent) = partition_by_row(children, &rows);
            let write_id = self.attempt(&mut attempts);
            let mut writes = held.end(&absent, &existing, &names, &write_id);
            if planted!(EndInMemoryOnly) && writes.len() > 1 {
                writes.remove(0);
                drop(self.store.write(&writes).await);
                break;
            }
            match self.round(&held, &writes, &attempts).await {
                Round::Applied(_) => break,
                Round::NotApplied(row) => held.refresh(&row),
                Round::Lost => return Err(Lost),
                Round::Again | Round::Hindered => {}
            }
            retry.pause().await;
        }
        let owner = held.owner().clone();
        let born = loop {
            if let Some(rows) = self.read(&keys, &mut retry).await {
                break rows;
            }
        };
        let born = born.iter().filter_map(|row| Lease::parse(row).ok());
        Ok(born
            .filter(|child| child.owner.as_ref() == Some(&owner))
            .collect())
    }

    fn attempt(&self, attempts: &mut Vec<String>) -> String {
        let write_id = self.env.fresh_id();
        attempts.push(write_id.clone());
        write_id
    }

    /// One attempt of the first write, with others beside it in a transaction, and what became of it.
    async fn round(&self, held: &Held, writes: &[Write], attempts: &[String]) -> Round {
        let alone = writes.len() == 1;
        let mut refused = false;
        if planted!(WritesTwice) {
            drop(self.store.write(writes).await);
        }
        match self.store.write(writes).await {
            Ok(Answer::Applied(rows)) => {
                let row = rows.into_iter().next().flatten();
                return match row.map(|row| Lease::parse(&row)) {
                    Some(Ok(lease)) => Round::Applied(Some(lease)),
                    _ if planted!(EmptyAnswerIsDone) => Round::Applied(None),
                    _ if alone => self.look(held, attempts, false).await,
                    _ => self.check(held, attempts).await,
                };
            }
            Ok(Answer::Refused(_)) if planted!(RefusedIsLost) || planted!(WritesTwice) => {
                return Round::Lost;
            }
            Ok(Answer::Refused(_)) if planted!(RefusedIsDone) => return Round::Applied(None),
            Ok(Answer::Refused(_)) => refused = true,
            Ok(Answer::Conflict) => return Round::Again,
            Err(error) => {
                self.told(&error);
                if planted!(UnansweredIsDone) && error.is_ambiguous() {
                    return Round::Applied(None);
                }
                if planted!(UnansweredIsLost) && error.is_ambiguous() {
                    return Round::Lost;
                }
                if !error.is_ambiguous() {
                    return Round::Again;
                }
            }
        }
        self.look(held, attempts, refused && !alone).await
    }

    /// A transaction was acknowledged, but answers with nothing, so `{}` from something between here and
    /// the service looks the same: the row must bear it out. A row that has moved on since does.
    async fn check(&self, held: &Held, attempts: &[String]) -> Round {
        match self.look(held, attempts, false).await {
            Round::Lost => Round::Applied(None),
            found => found,
        }
    }

    /// Reads the row and resolves the attempts by it.
    async fn look(&self, held: &Held, attempts: &[String], others_refused: bool) -> Round {
        let mut retry = Retry::new(&self.env);
        let keys = [held.key().clone()];
        let row = loop {
            if let Some(rows) = self.read(&keys, &mut retry).await {
                break rows.into_iter().next();
            }
        };
        let lease = match row.map(|row| Lease::parse(&row)) {
            Some(Ok(lease)) => Some(lease),
            // Somebody damaged the row: nothing of it can be trusted, so it is not ours.
            Some(Err(_)) | None => None,
        };
        match (held.resolve(attempts, lease.as_ref()), lease) {
            (Resolved::Applied, lease) => Round::Applied(lease),
            (Resolved::NotApplied, Some(lease)) if others_refused && self.unmoved(held, &lease) => {
                Round::Hindered
            }
            (Resolved::NotApplied, Some(lease)) => Round::NotApplied(lease),
            _ => Round::Lost,
        }
    }

    /// The row is exactly as we hold it, so its own conditions held.
    fn unmoved(&self, held: &Held, lease: &Lease) -> bool {
        lease.held_by(held.owner()).as_ref() == Some(held)
    }

    /// Consistent read; `None` after a failure that was told and waited for.
    async fn read(&self, keys: &[RowKey], retry: &mut Retry) -> Option<Vec<Row>> {
        if keys.is_empty() {
            return Some(Vec::new());
        }
        match self.store.read(keys).await {
            Ok(rows) => Some(rows.into_values().collect()),
            Err(error) => {
                self.told(&error);
                retry.pause().await;
                None
            }
        }
    }

    fn told(&self, error: &PortError) {
        self.observers.call_failed(error);
    }
}
