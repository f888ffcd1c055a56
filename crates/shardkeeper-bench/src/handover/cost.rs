//! What a fleet asks of the lease table while nothing happens: real workers with default settings, over virtual hours,
//! on a table that counts as DynamoDB bills.

mod meter;
mod units;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shardkeeper::{Env, Error, Settings, Worker, WorkerHandle, each_batch};
use shardkeeper_testkit::memory::{MemoryLeases, MemoryStreams};

use self::meter::Meter;
pub(super) use self::meter::Use;
use crate::Outcome;
use crate::rig::TABLE;

pub(super) const LEASES: usize = 1000;
pub(super) const WORKERS: usize = 10;
/// The average month.
pub(super) const HOURS_PER_MONTH: f64 = 730.0;
/// US dollars for a million write and read request units, on demand, us-east-1, Standard class: the list price since
/// 2024-11-01.
pub(super) const USD_PER_MILLION_WRITES: f64 = 0.625;
pub(super) const USD_PER_MILLION_READS: f64 = 0.125;

/// Starting, sharing and the first listings are no steady state, and are over by then.
const SETTLING: Duration = Duration::from_secs(6 * 60);
/// The one setting that is not the default: what the stream is asked costs time here, and nothing of the lease table.
const POLLS: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What KCL spends on each lease that a worker owns: a heartbeat each third of its ten seconds, less a little.
pub(super) const KCL_WRITES_PER_LEASE_HOUR: f64 = 3600.0 / 3.308;

/// What the fleet used, by what asked for it.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    pub(super) leases: usize,
    pub(super) hours: f64,
    pub(super) used: Use,
    /// The smallest and the largest share at the end.
    pub(super) shares: (usize, usize),
}

impl Cost {
    pub(super) fn writes_per_lease_hour(&self) -> f64 {
        self.used.writes() / self.hours / self.leases as f64
    }

    pub(super) fn reads_per_lease_hour(&self) -> f64 {
        self.used.reads() / self.hours / self.leases as f64
    }

    /// For all of them.
    pub(super) fn usd_per_month(&self) -> f64 {
        let hourly = |units: f64, price: f64| units / self.hours * price / 1e6;
        let writes = hourly(self.used.writes(), USD_PER_MILLION_WRITES);
        let reads = hourly(self.used.reads(), USD_PER_MILLION_READS);
        (writes + reads) * HOURS_PER_MONTH
    }
}

/// Lets a fleet with so many leases be idle for so long.
pub(super) fn measure(leases: usize, time: Duration) -> Outcome<Cost> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(idle(leases, time))
}

async fn idle(count: usize, time: Duration) -> Outcome<Cost> {
    let streams = MemoryStreams::new(TABLE);
    for number in 0..count {
        streams.add_shard(
            &format!("shardId-{:020}-{number:08x}", 1_000 + number),
            None,
        );
    }
    let leases = MemoryLeases::new();
    let meter = Meter::of(leases.clone());
    let env = Env::simulated(0);
    let mut fleet = Vec::new();
    for number in 0..WORKERS {
        fleet.push(start(number, &streams, &meter).await?);
    }
    env.sleep(SETTLING).await;
    meter.reset();
    env.sleep(time).await;
    let used = meter.read();
    let shares = shares(&leases, count)?;
    for worker in &fleet {
        worker.abort();
    }
    let hours = time.as_secs_f64() / HOUR.as_secs_f64();
    Ok(Cost {
        leases: count,
        hours,
        used,
        shares,
    })
}

async fn start(
    number: usize,
    streams: &MemoryStreams,
    meter: &Meter,
) -> Result<WorkerHandle, Error> {
    let seed = u64::try_from(number).unwrap_or_default();
    let mut settings = Settings::default();
    settings.idle_poll_max = POLLS;
    let worker = Worker::builder("bench-cost")
        .table(TABLE)
        .worker_name(format!("ip-10-0-0-{number}"))
        .ports(Arc::new(streams.clone()), Arc::new(meter.clone()))
        .env(Env::simulated(seed))
        .settings(settings)
        .build()
        .await?;
    Ok(worker.spawn(|_| each_batch(async |_| Ok(()))))
}

/// Fails when a lease has no owner: what was measured was no fleet at work then.
fn shares(leases: &MemoryLeases, count: usize) -> Outcome<(usize, usize)> {
    let mut owned: BTreeMap<String, usize> = BTreeMap::new();
    for row in leases.rows() {
        if let Some(owner) = row.text("leaseOwner") {
            *owned.entry(owner.to_owned()).or_default() += 1;
        }
    }
    let (least, most) = (owned.values().min(), owned.values().max());
    let all: usize = owned.values().sum();
    if owned.len() != WORKERS || all != count {
        let owners = owned.len();
        return Err(format!("{owners} of {WORKERS} workers own {all} of {count} leases").into());
    }
    Ok((*least.unwrap_or(&0), *most.unwrap_or(&0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/OPERATIONS.md says what that is in money. The moves at the start take the longest here, so there are fewer
    /// leases than `bench handover` has.
    #[test]
    fn an_idle_fleet_writes_nothing_but_beats_and_sweeps_once_in_a_sweep_interval() {
        const FEW: usize = 200;
        let cost = measure(FEW, Duration::from_secs(12 * 60)).unwrap();
        let (used, workers) = (cost.used, WORKERS as f64);
        assert_eq!(cost.shares, (FEW / WORKERS, FEW / WORKERS), "{used:?}");
        assert_eq!(used.lease_writes, 0.0, "{used:?}");
        let hourly = |units: f64| units / cost.hours;
        let near = |units: f64, expected: f64| (units / expected - 1.0).abs() < 0.02;
        assert!(near(hourly(used.beat_writes), 3600.0 * workers), "{used:?}");
        // Everybody looks at three others, the discoverer at all.
        let rows = (workers - 1.0) * (1.0 + 3.0) + workers;
        assert!(near(hourly(used.look_reads), 1800.0 * rows), "{used:?}");
        // Each worker's own, and one of discovery.
        let sweeps = hourly(f64::from(used.sweeps));
        assert!(sweeps <= 20.0 * (workers + 1.0) + 5.0, "{used:?}");
        let bytes = used.sweep_reads / f64::from(used.sweeps) * 4096.0 / FEW as f64;
        assert!(
            (300.0..=600.0).contains(&bytes),
            "{bytes} bytes for a lease"
        );
    }
}
