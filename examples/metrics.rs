//! Metrics go to whatever recorder the program installs. This one prints them when the worker ends; a service installs
//! an exporter instead, for Prometheus: `metrics_exporter_prometheus::PrometheusBuilder::new().install()`.
//!
//!     cargo run --example metrics orders     # and, after a while, Ctrl-C

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use shardkeeper::{Batch, BoxError, MetricsObserver, Worker, each_batch};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let printer = Printer::default();
    metrics::set_global_recorder(printer.clone())?;

    let table = std::env::args().nth(1).unwrap_or("orders".into());
    let worker = Worker::builder("orders-measured")
        .table(table)
        .observer(MetricsObserver::new().label("application", "orders-measured"));
    let worker = worker.build().await?;
    worker.run(|_| each_batch(async |_: Batch| Ok(()))).await?;
    printer.print();
    Ok(())
}

/// Counters and gauges by name, as text.
#[derive(Clone, Default)]
struct Printer {
    counters: Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>,
    gauges: Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>,
}

impl Printer {
    fn print(&self) {
        for (name, count) in self.counters.lock().expect("no panic").iter() {
            println!("{name} {}", count.load(Ordering::Relaxed));
        }
        for (name, bits) in self.gauges.lock().expect("no panic").iter() {
            println!("{name} {}", f64::from_bits(bits.load(Ordering::Relaxed)));
        }
    }
}

impl Recorder for Printer {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().expect("no panic");
        Counter::from_arc(counters.entry(named(key)).or_default().clone())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.gauges.lock().expect("no panic");
        Gauge::from_arc(gauges.entry(named(key)).or_default().clone())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn named(key: &Key) -> String {
    let labels = key.labels().map(|l| format!("{}={:?}", l.key(), l.value()));
    format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(","))
}
