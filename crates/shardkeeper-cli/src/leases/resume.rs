//! `shardkeeper leases --resume`: goes on after the lease table was set back in time.

use std::time::Duration;

use shardkeeper::Env;
use shardkeeper::core::membership::{GroupRow, WorkerState};
use shardkeeper::core::ports::{Answer, LeaseStore};
use shardkeeper::core::row::Write;

use crate::book::Book;
use crate::connection::Door;
use crate::failure::Failure;

/// A worker beats every second unless it is told otherwise: two beats and a little.
const LISTEN: Duration = Duration::from_millis(2_500);

/// Raises every lease, then takes the stop back. Safe to repeat when it was interrupted.
pub(super) async fn resume(door: &Door, table: &str, before: Book) -> Result<Book, Failure> {
    let group = before.group.as_ref();
    let Some((why, floor)) =
        group.and_then(|group| Some((group.stopped.clone()?, group.epoch_floor)))
    else {
        return Err(Failure::new(
            "the application is not stopped: nothing was changed",
        ));
    };
    let env = Env::production();
    env.sleep(LISTEN).await;
    let now = Book::read(door, table).await?;
    if let Some(alive) = beating(&before, &now) {
        return Err(Failure::new(format!("worker {alive} is alive"))
            .advice("stop all workers of the application, then do this again"));
    }
    let store = door.leases(table);
    for lease in now.leases.iter().filter(|lease| lease.epoch <= floor) {
        apply(&store, &[lease.raise(floor, &env.fresh_id())]).await?;
    }
    apply(&store, &[GroupRow::resume(&why)]).await?;
    Book::read(door, table).await
}

fn beating(before: &Book, now: &Book) -> Option<String> {
    let moved = now.workers.values().find(|worker| {
        let known = before.workers.get(&worker.id);
        worker.state != WorkerState::Left
            && known.is_none_or(|known| known.beat_id != worker.beat_id)
    });
    moved.map(|worker| worker.id.to_string())
}

async fn apply(store: &dyn LeaseStore, writes: &[Write]) -> Result<(), Failure> {
    match store.write(writes).await? {
        Answer::Applied(_) => Ok(()),
        Answer::Refused(_) | Answer::Conflict => Err(Failure::new(
            "a row changed while it was being raised: not everything was written",
        )
        .advice("is a worker running? Stop all of them, then do this again")),
    }
}
