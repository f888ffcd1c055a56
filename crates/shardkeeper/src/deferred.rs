//! Acknowledging later: in any order, from any task.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shardkeeper_core::acks::Acks as Table;
use shardkeeper_core::ids::SequenceNumber;
use shardkeeper_core::record::Batch;
use tokio::sync::Notify;

use crate::processor::Progress;

/// Puts the acknowledgement of a batch off.
pub trait Defer {
    /// Gives what `process` returns now, and the handle that acknowledges the records later.
    ///
    /// ```
    /// # use shardkeeper::{Batch, BoxError, Defer, Progress, RecordProcessor, ShardContext};
    /// # struct Sink;
    /// # impl Sink { async fn send(&self, _: String) -> Result<(), BoxError> { Ok(()) } }
    /// # struct Forward { sink: std::sync::Arc<Sink> }
    /// impl RecordProcessor for Forward {
    ///     type Error = BoxError;
    ///     async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, BoxError> {
    ///         let (progress, acks) = batch.defer();
    ///         let sink = self.sink.clone();
    ///         tokio::spawn(async move {
    ///             for record in &batch {
    ///                 if sink.send(record.keys_json().to_owned()).await.is_ok() {
    ///                     acks.acknowledge(record.sequence_number());
    ///                 }
    ///             }
    ///         }); // what is not acknowledged when `acks` is dropped is delivered again
    ///         Ok(progress)
    ///     }
    /// }
    /// ```
    fn defer(&self) -> (Progress, Acks);
}

impl Defer for Batch {
    fn defer(&self) -> (Progress, Acks) {
        let deferral = Deferral(Arc::new(Shared {
            table: Mutex::new(Table::new(self)),
            changed: Notify::new(),
        }));
        (Progress::Deferred(deferral.clone()), Acks(deferral))
    }
}

/// Acknowledges the records of one batch. Dropping it gives up what is not acknowledged: those records, and
/// everything after them, are delivered again.
#[derive(Debug)]
#[must_use = "dropping the handle means that every record is delivered again"]
pub struct Acks(Deferral);

impl Acks {
    /// Acknowledges one record. Only the contiguous prefix of acknowledged records becomes the checkpoint.
    pub fn acknowledge(&self, sequence_number: SequenceNumber) {
        let moved = {
            let mut table = self.0.table();
            let before = table.frontier();
            table.acknowledge(sequence_number);
            table.frontier() != before
        };
        if moved {
            self.0.0.changed.notify_one();
        }
    }
}

impl Drop for Acks {
    fn drop(&mut self) {
        self.0.table().abandon();
        self.0.0.changed.notify_one();
    }
}

/// The other side of [`Acks`], which `process` returns inside [`Progress::Deferred`].
#[derive(Debug, Clone)]
pub struct Deferral(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    changed: Notify,
}

impl Deferral {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn frontier(&self) -> Option<SequenceNumber> {
        self.table().frontier()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.table().is_settled()
    }

    /// The oldest record that nobody will acknowledge.
    pub(crate) fn given_up(&self) -> Option<SequenceNumber> {
        let table = self.table();
        table.oldest().filter(|_| table.is_abandoned())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.table().bytes()
    }

    /// Waits until the frontier moved or the handle was dropped.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

impl PartialEq for Deferral {
    /// Two deferrals are equal when they are of the same batch.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Deferral {}
