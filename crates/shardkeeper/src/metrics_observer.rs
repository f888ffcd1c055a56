//! Metrics from events, through the `metrics` crate: whatever recorder the program installs gets them.

mod catalogue;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Label;
use shardkeeper_core::event::{Acquired, Event, LossCause};
use shardkeeper_core::headroom::RETENTION;
use shardkeeper_core::ids::{ShardId, StreamArn};
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
/// What comes of a shard is labelled by its `table`, so that several in one worker are told apart; a label of yours with
/// that name takes its place. No metric is labelled by shard: shards come and go every few hours for ever, and most
/// recorders never forget a label. [`WorkerHandle::status`](crate::WorkerHandle::status) and the command line have the single shards.
pub struct MetricsObserver {
    labels: Vec<Label>,
    /// Tables are never forgotten, so that their gauges fall to nothing with their last shard.
    tables: Mutex<BTreeMap<String, Shards>>,
}

/// The shards of a table that are read.
type Shards = BTreeMap<(StreamArn, ShardId), Progress>;

/// The label of what comes of a shard.
const TABLE: &str = "table";

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
            tables: Mutex::default(),
        }
    }

    /// Adds a label to every metric, such as the application when one process runs several.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push(Label::new(name, value.into()));
        self
    }

    /// What is told of the whole worker.
    fn whole(&self) -> Teller<'_> {
        Teller {
            labels: &self.labels,
            table: None,
        }
    }

    /// What is told of a table.
    fn of<'a>(&'a self, table: &'a str) -> Teller<'a> {
        let is_free = self.labels.iter().all(|label| label.key() != TABLE);
        Teller {
            labels: &self.labels,
            table: is_free.then_some(table),
        }
    }

    /// Whether the worker is there, and what it leads to.
    fn of_worker(&self, event: &Event) {
        let whole = self.whole();
        match event {
            Event::WorkerJoined { .. } => whole.gauge(&named::LIVING_WORKERS, 1.0),
            Event::WorkerDemoted { .. } => {
                whole.count(&named::DEMOTED_WORKERS, 1);
                self.none_living();
            }
            Event::WorkerLeft { abandoned, .. } => {
                whole.count(&named::ABANDONED_LEASES, *abandoned);
                self.none_living();
            }
            Event::WorkerFoundDead { .. } => whole.count(&named::DEAD_WORKERS, 1),
            Event::DiscoveryTaken { .. } => whole.count(&named::TAKEN_TERMS, 1),
            Event::ShardsListed {
                table,
                listed,
                created,
                forgotten,
            } => {
                let told = self.of(table);
                told.gauge(&named::LISTED_SHARDS, *listed as f64);
                told.count(&named::CREATED_LEASES, *created);
                told.count(&named::FORGOTTEN_LEASES, *forgotten);
            }
            Event::CallFailed { action, kind, .. } => {
                let labels = [("action", *action), ("kind", failure(*kind))];
                whole.count_by(&named::FAILED_CALLS, 1, &labels);
            }
            Event::LeaseRequested { .. } => whole.count(&named::REQUESTED_LEASES, 1),
            Event::GroupStopped { .. } => whole.count(&named::STOPPED_GROUPS, 1),
            Event::CapacityShort { left, .. } => {
                // A count of leases is exact in an f64.
                whole.gauge(&named::LEFT_OVER_LEASES, *left as f64);
            }
            Event::LeaseUnreadable { .. } => whole.count(&named::UNREADABLE_LEASES, 1),
            _ => {}
        }
    }

    /// Who reads a shard.
    fn of_lease(&self, event: &Event, place: &Place<'_>) {
        let told = &place.told;
        match event {
            Event::LeaseAcquired { how, .. } => {
                told.count_by(&named::ACQUIRED_LEASES, 1, &[("how", acquired(how))]);
                let shard = (place.stream.clone(), place.shard.clone());
                let mut tables = self.tables();
                let shards = tables.entry(place.stream.table().to_owned()).or_default();
                shards.insert(shard, Progress::default());
            }
            Event::LeaseReleased { .. } => {
                told.count(&named::RELEASED_LEASES, 1);
                self.no_longer_read(place);
            }
            Event::LeaseLost { .. } => {
                told.count(&named::LOST_LEASES, 1);
                self.no_longer_read(place);
            }
            Event::ShardEnded { .. } => {
                told.count(&named::ENDED_SHARDS, 1);
                self.no_longer_read(place);
            }
            Event::ShardStopped { .. } => told.count(&named::STOPPED_SHARDS, 1),
            Event::ShardBlocked { .. } => {
                told.count(&named::BLOCKED_SHARDS, 1);
                self.no_longer_read(place);
            }
            _ => return,
        }
        self.tell_shards(place.stream.table());
    }

    /// What was read.
    fn of_reading(&self, event: &Event, place: &Place<'_>) {
        let told = &place.told;
        match event {
            Event::PageFetched { records, bytes, .. } => {
                let holds = if *records == 0 { "nothing" } else { "records" };
                told.count_by(&named::FETCHED_PAGES, 1, &[("holds", holds)]);
                told.count(&named::FETCHED_RECORDS, *records);
                told.count(&named::FETCHED_BYTES, *bytes);
                if *records == 0 {
                    self.idle(place);
                }
            }
            Event::IteratorExpired { .. } => told.count(&named::EXPIRED_ITERATORS, 1),
            Event::TooManyReaders { .. } => told.count(&named::CROWDED_SHARDS, 1),
            Event::RetentionShort { headroom, .. } => {
                self.aged(place, Some(RETENTION.saturating_sub(*headroom)));
            }
            Event::DataLost(loss) => {
                told.count_by(&named::DATA_LOSSES, 1, &[("cause", cause(loss.why))]);
            }
            _ => {}
        }
    }

    /// What the processor did with it.
    fn of_processing(&self, event: &Event, place: &Place<'_>) {
        let told = &place.told;
        match event {
            Event::BatchDelivered {
                records, attempt, ..
            } => {
                let attempt = if *attempt == 1 { "first" } else { "repeated" };
                told.count_by(&named::DELIVERED_RECORDS, *records, &[("attempt", attempt)]);
                self.change(place, |known| known.in_hand = true);
            }
            Event::BatchProcessed {
                records,
                took,
                iterator_age,
                ..
            } => {
                told.count(&named::PROCESSED_RECORDS, *records);
                told.count(&named::PROCESSED_BATCHES, 1);
                told.record(&named::BATCH_RECORDS, *records as f64);
                told.record(&named::PROCESSING_SECONDS, took.as_secs_f64());
                if let Some(age) = iterator_age {
                    told.record(&named::ITERATOR_AGE_SECONDS, age.as_secs_f64());
                }
                self.change(place, |known| known.in_hand = false);
                self.aged(place, *iterator_age);
            }
            Event::BatchFailed { error, .. } => {
                let how = if error.is_some() { "error" } else { "panic" };
                told.count_by(&named::FAILED_BATCHES, 1, &[("how", how)]);
            }
            Event::ProcessorPending { .. } => told.count(&named::PENDING_CALLS, 1),
            Event::RecordSkipped { .. } => told.count(&named::SKIPPED_RECORDS, 1),
            Event::DeferralDropped { .. } => told.count(&named::DROPPED_DEFERRALS, 1),
            Event::CheckpointStored { .. } => told.count(&named::STORED_CHECKPOINTS, 1),
            _ => {}
        }
    }

    /// Does this to what is known of a shard that is read.
    fn change<T>(&self, place: &Place<'_>, change: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        let mut tables = self.tables();
        let shards = tables.get_mut(place.stream.table())?;
        let known = shards.get_mut(&(place.stream.clone(), place.shard.clone()))?;
        Some(change(known))
    }

    fn no_longer_read(&self, place: &Place<'_>) {
        if let Some(shards) = self.tables().get_mut(place.stream.table()) {
            shards.remove(&(place.stream.clone(), place.shard.clone()));
        }
    }

    fn aged(&self, place: &Place<'_>, age: Option<Duration>) {
        self.change(place, |known| known.age = age.or(known.age));
        self.tell_shards(place.stream.table());
    }

    /// A page was empty: what was acknowledged last is no measure any more of how far behind the shard is, unless
    /// the processor still has records of it.
    fn idle(&self, place: &Place<'_>) {
        let caught_up = |known: &mut Progress| !known.in_hand && known.age.take().is_some();
        if self.change(place, caught_up) == Some(true) {
            self.tell_shards(place.stream.table());
        }
    }

    fn none_living(&self) {
        self.whole().gauge(&named::LIVING_WORKERS, 0.0);
        let tables: Vec<String> = {
            let mut tables = self.tables();
            tables.values_mut().for_each(BTreeMap::clear);
            tables.keys().cloned().collect()
        };
        tables.iter().for_each(|table| self.tell_shards(table));
    }

    fn tell_shards(&self, table: &str) {
        let (owned, oldest) = {
            let tables = self.tables();
            let shards = tables.get(table);
            (shards.map_or(0, BTreeMap::len), shards.and_then(oldest))
        };
        let told = self.of(table);
        told.gauge(&named::OWNED_LEASES, owned as f64);
        let oldest = oldest.unwrap_or_default().as_secs_f64();
        told.gauge(&named::OLDEST_ITERATOR_AGE_SECONDS, oldest);
        let headroom = RETENTION.as_secs_f64() - oldest;
        told.gauge(&named::RETENTION_HEADROOM_SECONDS, headroom.max(0.0));
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<String, Shards>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a recorder numbers with the same labels.
struct Teller<'a> {
    labels: &'a [Label],
    table: Option<&'a str>,
}

/// A shard that an event is about.
struct Place<'a> {
    stream: &'a StreamArn,
    shard: &'a ShardId,
    told: Teller<'a>,
}

impl Teller<'_> {
    fn labels(&self, own: &[(&'static str, &'static str)]) -> Vec<Label> {
        let own = own
            .iter()
            .map(|(name, value)| Label::from_static_parts(name, value));
        let table = self.table.map(|table| Label::new(TABLE, table.to_owned()));
        self.labels
            .iter()
            .cloned()
            .chain(table)
            .chain(own)
            .collect()
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
}

impl Observer for MetricsObserver {
    fn observe(&self, event: &Event) {
        self.of_worker(event);
        if let Some((stream, shard)) = event.shard() {
            let told = self.of(stream.table());
            let place = Place {
                stream,
                shard,
                told,
            };
            self.of_lease(event, &place);
            self.of_reading(event, &place);
            self.of_processing(event, &place);
        }
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

fn oldest(shards: &Shards) -> Option<Duration> {
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

    fn stream(table: &str) -> StreamArn {
        let arn = format!(
            "arn:aws:dynamodb:us-west-2:111122223333:table/{table}/stream/2015-05-20T20:51:10.252"
        );
        StreamArn::parse(&arn).unwrap()
    }

    #[test]
    fn b32_the_age_of_a_shard_that_became_idle_does_not_stand_still() {
        let (observer, shard) = (MetricsObserver::new(), ShardId::from_service("shard-1"));
        let stream = stream("orders");
        let hours = Duration::from_secs(7200);
        let age = || oldest(&observer.tables()["orders"]);
        let page = |records| {
            observer.observe(&Event::PageFetched {
                stream: stream.clone(),
                shard: shard.clone(),
                records,
                bytes: 100,
            });
        };
        let delivered = || {
            let number = SequenceNumber::from_service("7").unwrap();
            observer.observe(&Event::BatchDelivered {
                stream: stream.clone(),
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
                stream: stream.clone(),
                shard: shard.clone(),
                records: 5,
                took: hours,
                iterator_age: Some(hours),
            });
        };
        observer.observe(&Event::LeaseAcquired {
            stream: stream.clone(),
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
