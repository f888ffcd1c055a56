//! docs/METRICS.md and the metrics themselves say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use shardkeeper::core::ports::FailureKind;
use shardkeeper::{
    Acquired, Checkpoint, DataLoss, Event, LossCause, MetricsObserver, Observer, SequenceNumber,
    ShardId, StreamArn, WorkerId,
};

const PAGE: &str = include_str!("../../docs/METRICS.md");

/// Remembers what is described and what is counted.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    described: BTreeMap<String, &'static str>,
    used: BTreeSet<String>,
    /// Name of a metric, and a value of one of its labels.
    labels: BTreeSet<(String, String)>,
    /// Metrics with the label `table`.
    of_tables: BTreeSet<String>,
}

impl Listener {
    fn describe(&self, name: &KeyName, kind: &'static str) {
        let mut heard = self.0.lock().unwrap();
        heard.described.insert(name.as_str().to_owned(), kind);
    }

    fn used(&self, key: &Key) {
        let mut heard = self.0.lock().unwrap();
        let name = key.name().to_owned();
        let labels = key
            .labels()
            .filter(|label| label.key() != "table")
            .map(|label| (name.clone(), label.value().to_owned()));
        heard.labels.extend(labels);
        if key.labels().any(|label| label.key() == "table") {
            heard.of_tables.insert(name.clone());
        }
        heard.used.insert(name);
    }
}

impl Recorder for Listener {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name, "counter");
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name, "gauge");
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name, "histogram");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.used(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.used(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.used(key);
        Histogram::noop()
    }
}

/// The rows of the page's tables of metrics: name, and the rest of the row.
fn rows() -> BTreeMap<&'static str, &'static str> {
    let rows = PAGE.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` |")?;
        let is_metric = rest.split('|').nth(3).is_some();
        is_metric.then_some((name, rest))
    });
    rows.collect()
}

fn heard() -> Listener {
    let listener = Listener::default();
    metrics::with_local_recorder(&listener, || {
        let observer = MetricsObserver::new();
        for event in one_of_each() {
            observer.observe(&event);
        }
    });
    listener
}

#[test]
fn the_page_names_every_metric_with_its_type_and_no_other() {
    let listener = heard();
    let heard = listener.0.lock().unwrap();
    let described: Vec<_> = heard.described.iter().collect();
    let on_the_page = rows();
    let kind = |rest: &&'static str| rest.split('|').next().unwrap_or("").trim();
    let on_the_page: BTreeMap<String, &str> = on_the_page
        .iter()
        .map(|(name, rest)| ((*name).to_owned(), kind(rest)))
        .collect();
    assert_eq!(on_the_page.iter().collect::<Vec<_>>(), described);
}

#[test]
fn every_metric_is_moved_by_some_event_and_described() {
    let listener = heard();
    let heard = listener.0.lock().unwrap();
    let described: BTreeSet<String> = heard.described.keys().cloned().collect();
    assert_eq!(heard.used, described);
}

#[test]
fn the_page_names_every_value_of_a_label() {
    let listener = heard();
    let heard = listener.0.lock().unwrap();
    let rows = rows();
    for (name, value) in &heard.labels {
        let explained = rows[name.as_str()].contains(&format!("`{value}`"));
        assert!(
            explained || value == "GetRecords",
            "{name} has {value}, which the page does not explain"
        );
    }
}

#[test]
fn the_page_says_which_metrics_are_told_by_table() {
    let listener = heard();
    let heard = listener.0.lock().unwrap();
    let by_table = |(name, rest): &(&&str, &&str)| {
        let unit = rest.split('|').nth(1).unwrap_or("");
        unit.contains("by table").then(|| (**name).to_owned())
    };
    let rows = rows();
    let on_the_page: BTreeSet<String> = rows.iter().filter_map(|row| by_table(&row)).collect();
    assert_eq!(on_the_page, heard.of_tables);
}

#[test]
fn names_follow_the_rule() {
    for (name, rest) in rows() {
        let grows = rest.trim_start().starts_with("counter");
        assert_eq!(name.ends_with("_total"), grows, "{name}");
        assert!(name.starts_with("shardkeeper_"), "{name}");
    }
}

fn one_of_each() -> Vec<Event> {
    let mut events = of_the_worker();
    events.extend(of_leases());
    events.extend(of_reading());
    events.extend(of_processing());
    events
}

fn shard() -> ShardId {
    ShardId::from_service("shardId-00000001414576573621-f55eea83")
}

fn stream() -> StreamArn {
    let arn = "arn:aws:dynamodb:us-west-2:111122223333:table/Forum/stream/2015-05-20T20:51:10.252";
    StreamArn::parse(arn).unwrap()
}

fn number() -> SequenceNumber {
    SequenceNumber::from_service("7").unwrap()
}

fn of_the_worker() -> Vec<Event> {
    let worker = WorkerId::new("a", 1);
    let failed = |kind| Event::CallFailed {
        action: "GetRecords",
        kind,
        message: String::new(),
    };
    let mut events = vec![
        Event::WorkerJoined {
            worker: worker.clone(),
        },
        Event::WorkerDemoted {
            worker: worker.clone(),
            why: String::new(),
        },
        Event::WorkerLeft {
            worker: worker.clone(),
            abandoned: 1,
        },
        Event::WorkerFoundDead { worker },
        Event::DiscoveryTaken { term: 1 },
        Event::ShardsListed {
            table: "Forum".into(),
            listed: 3,
            created: 2,
            forgotten: 1,
        },
        Event::StreamChanged { stream: stream() },
    ];
    events.extend(
        [
            FailureKind::Throttled,
            FailureKind::Unavailable,
            FailureKind::Denied,
            FailureKind::ExpiredIterator,
            FailureKind::Trimmed,
            FailureKind::NotFound,
            FailureKind::Invalid,
            FailureKind::Protocol,
        ]
        .map(failed),
    );
    events
}

fn of_leases() -> Vec<Event> {
    let (shard, epoch, from) = (shard(), 1, Checkpoint::TrimHorizon);
    let other = WorkerId::new("b", 2);
    let acquired = |how| Event::LeaseAcquired {
        stream: stream(),
        shard: shard.clone(),
        epoch,
        from,
        how,
    };
    let mut events = [
        Acquired::Free,
        Acquired::From(other.clone()),
        Acquired::HandedOver,
        Acquired::Born,
    ]
    .map(acquired)
    .to_vec();
    events.extend([
        Event::LeaseRequested {
            lease: "x".into(),
            owner: other,
        },
        Event::LeaseReleased {
            stream: stream(),
            shard: shard.clone(),
            epoch,
            at: from,
            to: None,
        },
        Event::LeaseLost {
            stream: stream(),
            shard: shard.clone(),
            epoch,
        },
        Event::LeaseUnreadable {
            key: "x".into(),
            why: String::new(),
        },
        Event::ShardEnded {
            stream: stream(),
            shard: shard.clone(),
            children: Vec::new(),
        },
        Event::ShardStopped {
            stream: stream(),
            shard: shard.clone(),
            why: String::new(),
        },
        Event::ShardBlocked {
            stream: stream(),
            shard: shard.clone(),
            epoch,
            silent: Duration::from_secs(30),
        },
        Event::CapacityShort {
            left: 2,
            max_leases: 3,
        },
        Event::GroupStopped { why: String::new() },
    ]);
    events
}

fn of_reading() -> Vec<Event> {
    let shard = shard();
    let lost = |why| {
        Event::DataLost(DataLoss {
            stream: stream(),
            shard: shard.clone(),
            from: Checkpoint::TrimHorizon,
            to: None,
            why,
            noticed: None,
        })
    };
    let page = |records| Event::PageFetched {
        stream: stream(),
        shard: shard.clone(),
        records,
        bytes: 100,
    };
    let mut events = [
        LossCause::Trimmed,
        LossCause::ShardVanished,
        LossCause::ParentVanished,
        LossCause::Undecodable,
    ]
    .map(lost)
    .to_vec();
    let expired = Event::IteratorExpired {
        stream: stream(),
        shard: shard.clone(),
    };
    events.extend([page(0), page(5), expired]);
    events
}

fn of_processing() -> Vec<Event> {
    let shard = shard();
    let second = Duration::from_secs(1);
    let delivered = |attempt| Event::BatchDelivered {
        stream: stream(),
        shard: shard.clone(),
        epoch: 1,
        records: 5,
        first: number(),
        last: number(),
        attempt,
    };
    let failed = |error: Option<&str>| Event::BatchFailed {
        stream: stream(),
        shard: shard.clone(),
        attempt: 1,
        retry_in: second,
        error: error.map(str::to_owned),
    };
    vec![
        delivered(1),
        delivered(2),
        failed(None),
        failed(Some("no")),
        Event::BatchProcessed {
            stream: stream(),
            shard: shard.clone(),
            records: 5,
            took: second,
            iterator_age: Some(second),
        },
        Event::ProcessorPending {
            stream: stream(),
            shard: shard.clone(),
            pending: second,
        },
        Event::TooManyReaders {
            stream: stream(),
            shard: shard.clone(),
            lasted: second,
        },
        Event::RetentionShort {
            stream: stream(),
            shard: shard.clone(),
            headroom: second,
        },
        Event::DeferralDropped {
            stream: stream(),
            shard: shard.clone(),
            after: Checkpoint::TrimHorizon,
        },
        Event::RecordSkipped {
            stream: stream(),
            shard: shard.clone(),
            sequence_number: number(),
        },
        Event::CheckpointStored {
            stream: stream(),
            shard: shard.clone(),
            epoch: 1,
            checkpoint: Checkpoint::After(number()),
        },
    ]
}
