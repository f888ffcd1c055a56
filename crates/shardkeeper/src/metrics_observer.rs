//! Metrics from events, through the `metrics` crate: whatever recorder the program installs gets them.

mod catalogue;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Label;
use shardkeeper_core::event::{Acquired, Event, LossCause};
use shardkeeper_core::headroom::RETENTION;
use shardkeeper_core::ids::ShardId;
use shardkeeper_core::ports::FailureKind;

use self::catalogue as named;
use self::catalogue::Metric;
use crate::observer::Observer;

/// Counts what a worker says about itself. docs/METRICS.md has every name, what it means and when to be woken.
///
/// Install a recorder before this is made, because names are described to it once, then add it to a worker:
///
/// ```no_run
/// use shardkeeper::{MetricsObserver, Worker};
///
/// # async fn example() -> Result<(), shardkeeper::Error> {
/// let worker = Worker::builder("orders-printer")
///     .table("orders")
///     .observer(MetricsObserver::new().label("application", "orders-printer"))
///     .build()
///     .await?;
/// # Ok(()) }
/// ```
///
/// No metric is labelled by shard: shards come and go every few hours for ever, and most recorders never forget a
/// label. [`WorkerHandle::status`](crate::WorkerHandle::status) and the command line have the single shards.
pub struct MetricsObserver {
    labels: Vec<Label>,
    shards: Mutex<BTreeMap<ShardId, Progress>>,
}

/// How far a shard that is read has come.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// How old the last acknowledged record was; nothing when a page was empty since.
    age: Option<Duration>,
    /// Records are with the processor.
    in_hand: bool,
}

impl MetricsObserver {
    /// Describes every metric to the recorder that is installed now.
    pub fn new() -> Self {
        for metric in named::ALL {
            metric.describe();
        }
        Self {
            labels: Vec::new(),
            shards: Mutex::default(),
        }
    }

    /// Adds a label to every metric, such as the application when one process runs several.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push(Label::new(name, value.into()));
        self
    }

    fn labels(&self, own: &[(&'static str, &'static str)]) -> Vec<Label> {
        let own = own
            .iter()
            .map(|(name, value)| Label::from_static_parts(name, value));
        self.labels.iter().cloned().chain(own).collect()
    }

    fn count(&self, metric: &Metric, by: usize) {
        self.count_by(metric, by, &[]);
    }

    fn count_by(&self, metric: &Metric, by: usize, labels: &[(&'static str, &'static str)]) {
        let by = u64::try_from(by).unwrap_or(u64::MAX);
        metrics::counter!(metric.name, self.labels(labels)).increment(by);
    }

    fn gauge(&self, metric: &Metric, value: f64) {
        metrics::gauge!(metric.name, self.labels(&[])).set(value);
    }

    fn record(&self, metric: &Metric, value: f64) {
        metrics::histogram!(metric.name, self.labels(&[])).record(value);
    }

    /// Whether the worker is there, and what it leads to.
    fn of_worker(&self, event: &Event) {
        match event {
            Event::WorkerJoined { .. } => self.gauge(&named::LIVING_WORKERS, 1.0),
            Event::WorkerDemoted { .. } => {
                self.count(&named::DEMOTED_WORKERS, 1);
                self.none_living();
            }
            Event::WorkerLeft { abandoned, .. } => {
                self.count(&named::ABANDONED_LEASES, *abandoned);
                self.none_living();
            }
            Event::WorkerFoundDead { .. } => self.count(&named::DEAD_WORKERS, 1),
            Event::DiscoveryTaken { .. } => self.count(&named::TAKEN_TERMS, 1),
            Event::ShardsListed {
                listed,
                created,
                forgotten,
            } => {
                self.gauge(&named::LISTED_SHARDS, *listed as f64);
                self.count(&named::CREATED_LEASES, *created);
                self.count(&named::FORGOTTEN_LEASES, *forgotten);
            }
            Event::CallFailed { action, kind, .. } => {
                let labels = [("action", *action), ("kind", failure(*kind))];
                self.count_by(&named::FAILED_CALLS, 1, &labels);
            }
            _ => {}
        }
    }

    /// Who reads a shard.
    fn of_lease(&self, event: &Event) {
        match event {
            Event::LeaseAcquired { shard, how, .. } => {
                self.count_by(&named::ACQUIRED_LEASES, 1, &[("how", acquired(how))]);
                self.shards().insert(shard.clone(), Progress::default());
            }
            Event::LeaseRequested { .. } => self.count(&named::REQUESTED_LEASES, 1),
            Event::LeaseReleased { shard, .. } => {
                self.count(&named::RELEASED_LEASES, 1);
                self.shards().remove(shard);
            }
            Event::LeaseLost { shard, .. } => {
                self.count(&named::LOST_LEASES, 1);
                self.shards().remove(shard);
            }
            Event::ShardEnded { shard, .. } => {
                self.count(&named::ENDED_SHARDS, 1);
                self.shards().remove(shard);
            }
            Event::ShardStopped { .. } => self.count(&named::STOPPED_SHARDS, 1),
            Event::ShardBlocked { shard, .. } => {
                self.count(&named::BLOCKED_SHARDS, 1);
                self.shards().remove(shard);
            }
            Event::GroupStopped { .. } => self.count(&named::STOPPED_GROUPS, 1),
            Event::CapacityShort { left, .. } => {
                // A count of leases is exact in an f64.
                self.gauge(&named::LEFT_OVER_LEASES, *left as f64);
            }
            Event::LeaseUnreadable { .. } => self.count(&named::UNREADABLE_LEASES, 1),
            _ => return,
        }
        self.tell_shards();
    }

    /// What was read.
    fn of_reading(&self, event: &Event) {
        match event {
            Event::PageFetched {
                shard,
                records,
                bytes,
            } => {
                let holds = if *records == 0 { "nothing" } else { "records" };
                self.count_by(&named::FETCHED_PAGES, 1, &[("holds", holds)]);
                self.count(&named::FETCHED_RECORDS, *records);
                self.count(&named::FETCHED_BYTES, *bytes);
                if *records == 0 {
                    self.idle(shard);
                }
            }
            Event::IteratorExpired { .. } => self.count(&named::EXPIRED_ITERATORS, 1),
            Event::TooManyReaders { .. } => self.count(&named::CROWDED_SHARDS, 1),
            Event::RetentionShort { shard, headroom } => {
                self.aged(shard, Some(RETENTION.saturating_sub(*headroom)));
            }
            Event::DataLost(loss) => {
                self.count_by(&named::DATA_LOSSES, 1, &[("cause", cause(loss.why))]);
            }
            _ => {}
        }
    }

    /// What the processor did with it.
    fn of_processing(&self, event: &Event) {
        match event {
            Event::BatchDelivered {
                shard,
                records,
                attempt,
                ..
            } => {
                let attempt = if *attempt == 1 { "first" } else { "repeated" };
                self.count_by(&named::DELIVERED_RECORDS, *records, &[("attempt", attempt)]);
                if let Some(known) = self.shards().get_mut(shard) {
                    known.in_hand = true;
                }
            }
            Event::BatchProcessed {
                shard,
                records,
                took,
                iterator_age,
            } => {
                self.count(&named::PROCESSED_RECORDS, *records);
                self.count(&named::PROCESSED_BATCHES, 1);
                self.record(&named::BATCH_RECORDS, *records as f64);
                self.record(&named::PROCESSING_SECONDS, took.as_secs_f64());
                if let Some(age) = iterator_age {
                    self.record(&named::ITERATOR_AGE_SECONDS, age.as_secs_f64());
                }
                self.worked_off(shard);
                self.aged(shard, *iterator_age);
            }
            Event::BatchFailed { error, .. } => {
                let how = if error.is_some() { "error" } else { "panic" };
                self.count_by(&named::FAILED_BATCHES, 1, &[("how", how)]);
            }
            Event::ProcessorPending { .. } => self.count(&named::PENDING_CALLS, 1),
            Event::RecordSkipped { .. } => self.count(&named::SKIPPED_RECORDS, 1),
            Event::DeferralDropped { .. } => self.count(&named::DROPPED_DEFERRALS, 1),
            Event::CheckpointStored { .. } => self.count(&named::STORED_CHECKPOINTS, 1),
            _ => {}
        }
    }

    fn aged(&self, shard: &ShardId, age: Option<Duration>) {
        if let Some(known) = self.shards().get_mut(shard) {
            known.age = age.or(known.age);
        }
        self.tell_shards();
    }

    fn worked_off(&self, shard: &ShardId) {
        if let Some(known) = self.shards().get_mut(shard) {
            known.in_hand = false;
        }
    }

    /// A page was empty: what was acknowledged last is no measure any more of how far behind the shard is, unless
    /// the processor still has records of it.
    fn idle(&self, shard: &ShardId) {
        match self.shards().get_mut(shard) {
            Some(known) if !known.in_hand && known.age.is_some() => known.age = None,
            _ => return,
        }
        self.tell_shards();
    }

    fn none_living(&self) {
        self.gauge(&named::LIVING_WORKERS, 0.0);
        self.shards().clear();
        self.tell_shards();
    }

    fn tell_shards(&self) {
        let (owned, oldest) = {
            let shards = self.shards();
            (shards.len(), oldest(&shards))
        };
        self.gauge(&named::OWNED_LEASES, owned as f64);
        let oldest = oldest.unwrap_or_default().as_secs_f64();
        self.gauge(&named::OLDEST_ITERATOR_AGE_SECONDS, oldest);
        let headroom = RETENTION.as_secs_f64() - oldest;
        self.gauge(&named::RETENTION_HEADROOM_SECONDS, headroom.max(0.0));
    }

    fn shards(&self) -> MutexGuard<'_, BTreeMap<ShardId, Progress>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for MetricsObserver {
    fn observe(&self, event: &Event) {
        self.of_worker(event);
        self.of_lease(event);
        self.of_reading(event);
        self.of_processing(event);
    }
}

impl Default for MetricsObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

fn oldest(shards: &BTreeMap<ShardId, Progress>) -> Option<Duration> {
    shards.values().filter_map(|known| known.age).max()
}

fn acquired(how: &Acquired) -> &'static str {
    match how {
        Acquired::Free => "free",
        Acquired::From(_) => "taken_over",
        Acquired::HandedOver => "handed_over",
        Acquired::Born => "born",
        _ => "other",
    }
}

fn cause(why: LossCause) -> &'static str {
    match why {
        LossCause::Trimmed => "trimmed",
        LossCause::ShardVanished => "shard_vanished",
        LossCause::ParentVanished => "parent_vanished",
        LossCause::Undecodable => "undecodable",
        _ => "other",
    }
}

fn failure(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Throttled => "throttled",
        FailureKind::TooManyReaders => "too_many_readers",
        FailureKind::Unavailable => "unavailable",
        FailureKind::Denied => "denied",
        FailureKind::ExpiredIterator => "expired_iterator",
        FailureKind::Trimmed => "trimmed",
        FailureKind::NotFound => "not_found",
        FailureKind::Invalid => "invalid",
        FailureKind::Protocol => "protocol",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shardkeeper_core::checkpoint::Checkpoint;
    use shardkeeper_core::ids::SequenceNumber;

    #[test]
    fn b32_the_age_of_a_shard_that_became_idle_does_not_stand_still() {
        let (observer, shard) = (MetricsObserver::new(), ShardId::from_service("shard-1"));
        let hours = Duration::from_secs(7200);
        let age = || oldest(&observer.shards());
        let page = |records| {
            observer.observe(&Event::PageFetched {
                shard: shard.clone(),
                records,
                bytes: 100,
            });
        };
        let delivered = || {
            let number = SequenceNumber::from_service("7").unwrap();
            observer.observe(&Event::BatchDelivered {
                shard: shard.clone(),
                epoch: 1,
                records: 5,
                first: number,
                last: number,
                attempt: 1,
            });
        };
        let processed = || {
            observer.observe(&Event::BatchProcessed {
                shard: shard.clone(),
                records: 5,
                took: hours,
                iterator_age: Some(hours),
            });
        };
        observer.observe(&Event::LeaseAcquired {
            shard: shard.clone(),
            epoch: 1,
            from: Checkpoint::TrimHorizon,
            how: Acquired::Free,
        });
        page(5);
        delivered();
        processed();
        assert_eq!(age(), Some(hours), "it catches up");
        delivered();
        page(0);
        assert_eq!(age(), Some(hours), "the processor still has records");
        processed();
        page(0);
        assert_eq!(age(), None, "nothing is left to read");
    }
}
