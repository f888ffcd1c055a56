//! Processors from closures, for consumers that need no state of their own per shard.
//!
//! Four functions: [`each_batch`] and [`each_change`], and `.._with` a state that every call gets a clone of. An
//! async closure cannot lend what it has captured to a future that is `Send`, so a client or a channel comes in as
//! that state; a processor that changes what it holds implements [`RecordProcessor`].

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use shardkeeper_core::record::{Batch, Change};

use crate::error::BoxError;
use crate::processor::{Failure, Progress, RecordProcessor, Remedy, ShardContext};

/// Calls `handle` with every batch. `Ok` acknowledges all of it; an error delivers it again after a pause.
///
/// ```no_run
/// use shardkeeper::{Batch, Worker, each_batch};
///
/// # async fn example() -> Result<shardkeeper::Outcome, shardkeeper::Error> {
/// let worker = Worker::builder("orders-counter").table("orders").build().await?;
/// worker
///     .run(|_| {
///         each_batch(async |batch: Batch| {
///             println!("{} records of {}", batch.len(), batch.shard());
///             Ok(())
///         })
///     })
///     .await
/// # }
/// ```
pub fn each_batch<F, Fut>(handle: F) -> EachBatch<F>
where
    F: FnMut(Batch) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send,
{
    EachBatch {
        handle,
        remedy: Box::new(|_| Remedy::Retry),
    }
}

/// As [`each_batch`], with a clone of `state` for each call: a client, a channel, an `Arc` of anything.
///
/// ```no_run
/// # use shardkeeper::{Batch, Worker, each_batch_with};
/// # #[derive(Clone)] struct Index;
/// # impl Index { async fn store(&self, _: &str) -> Result<(), std::io::Error> { Ok(()) } }
/// # async fn example(worker: Worker, index: Index) -> Result<shardkeeper::Outcome, shardkeeper::Error> {
/// worker
///     .run(move |_| {
///         each_batch_with(index.clone(), async |index, batch: Batch| {
///             for record in &batch {
///                 index.store(record.keys_json()).await?;
///             }
///             Ok(())
///         })
///     })
///     .await
/// # }
/// ```
pub fn each_batch_with<S, F, Fut>(
    state: S,
    mut handle: F,
) -> EachBatch<impl FnMut(Batch) -> Fut + Send + 'static>
where
    S: Clone + Send + 'static,
    F: FnMut(S, Batch) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send,
{
    each_batch(move |batch| handle(state.clone(), batch))
}

/// Calls `handle` with every change, decoded as `T`, one after the other in the order of the shard.
///
/// What was handled before a change that fails is acknowledged. The failing one is tried again at once, and then
/// after pauses that grow. A record that does not fit `T` is such a failure.
///
/// ```no_run
/// use shardkeeper::{Change, Worker, each_change};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: String,
/// }
///
/// # async fn example(worker: Worker) -> Result<shardkeeper::Outcome, shardkeeper::Error> {
/// worker
///     .run(|_| {
///         each_change(async |change: Change<Order>| {
///             if let Change::Inserted { new } = change {
///                 println!("new order {}", new.id);
///             }
///             Ok(())
///         })
///     })
///     .await
/// # }
/// ```
pub fn each_change<T, F, Fut>(handle: F) -> EachChange<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: FnMut(Change<T>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send,
{
    EachChange {
        handle,
        remedy: Box::new(|_| Remedy::Retry),
        item: PhantomData,
    }
}

/// As [`each_change`], with a clone of `state` for each call.
///
/// ```no_run
/// # use shardkeeper::{Change, Worker, each_change_with};
/// # #[derive(serde::Deserialize, Debug)] struct Order;
/// # async fn example(worker: Worker) -> Result<shardkeeper::Outcome, shardkeeper::Error> {
/// let (orders, _received) = tokio::sync::mpsc::channel(100);
/// worker
///     .run(move |_| {
///         each_change_with(orders.clone(), async |orders, change: Change<Order>| {
///             Ok(orders.send(change).await?)
///         })
///     })
///     .await
/// # }
/// ```
pub fn each_change_with<T, S, F, Fut>(
    state: S,
    mut handle: F,
) -> EachChange<T, impl FnMut(Change<T>) -> Fut + Send + 'static>
where
    T: DeserializeOwned + Send + 'static,
    S: Clone + Send + 'static,
    F: FnMut(S, Change<T>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send,
{
    each_change(move |change| handle(state.clone(), change))
}

type OnError = Box<dyn FnMut(Failure<'_, BoxError>) -> Remedy + Send>;

/// A processor made by [`each_batch`] or [`each_batch_with`].
#[must_use = "a processor does nothing until a worker runs it"]
pub struct EachBatch<F> {
    handle: F,
    remedy: OnError,
}

/// A processor made by [`each_change`] or [`each_change_with`].
#[must_use = "a processor does nothing until a worker runs it"]
pub struct EachChange<T, F> {
    handle: F,
    remedy: OnError,
    item: PhantomData<fn(T)>,
}

impl<F> EachBatch<F> {
    /// Decides what happens when a batch failed; without it the batch is tried again for ever.
    pub fn on_error(
        mut self,
        remedy: impl FnMut(Failure<'_, BoxError>) -> Remedy + Send + 'static,
    ) -> Self {
        self.remedy = Box::new(remedy);
        self
    }
}

impl<T, F> EachChange<T, F> {
    /// Decides what happens when a change failed; without it the change is tried again for ever. The failing record
    /// is the first of the failure's batch.
    ///
    /// ```
    /// # use shardkeeper::{Change, Remedy, each_change};
    /// # let handle = async |_: Change<String>| Ok(());
    /// let processor = each_change(handle).on_error(|failure| match failure.attempt {
    ///     0..5 => Remedy::Retry,
    ///     _ => Remedy::Skip,
    /// });
    /// ```
    pub fn on_error(
        mut self,
        remedy: impl FnMut(Failure<'_, BoxError>) -> Remedy + Send + 'static,
    ) -> Self {
        self.remedy = Box::new(remedy);
        self
    }
}

impl<F, Fut> RecordProcessor for EachBatch<F>
where
    F: FnMut(Batch) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send,
{
    type Error = BoxError;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, BoxError> {
        (self.handle)(batch).await?;
        Ok(Progress::Done)
    }

    fn on_error(&mut self, failure: Failure<'_, BoxError>) -> Remedy {
        (self.remedy)(failure)
    }
}

impl<T, F, Fut> RecordProcessor for EachChange<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: FnMut(Change<T>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send,
{
    type Error = BoxError;

    async fn process(&mut self, batch: Batch, _: &ShardContext) -> Result<Progress, BoxError> {
        let mut handled = None;
        for record in &batch {
            let result = match record.change::<T>() {
                Ok(change) => (self.handle)(change).await,
                Err(error) => Err(error.into()),
            };
            match (result, handled) {
                (Ok(()), _) => handled = Some(record.sequence_number()),
                // The failing record comes again as the first one; if it fails again, that is the error.
                (Err(_), Some(before)) => return Ok(Progress::Through(before)),
                (Err(error), None) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }

    fn on_error(&mut self, failure: Failure<'_, BoxError>) -> Remedy {
        (self.remedy)(failure)
    }
}

impl<F> fmt::Debug for EachBatch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EachBatch").finish_non_exhaustive()
    }
}

impl<T, F> fmt::Debug for EachChange<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EachChange").finish_non_exhaustive()
    }
}
