//! What a fleet asks of the lease table while nothing happens: real workers with default settings, over virtual hours,
//! on a table that counts as DynamoDB bills.

mod meter;
mod units;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shardkeeper::{Env, Error, Worker, WorkerHandle, each_batch};
use shardkeeper_testkit::memory::{MemoryLeases, MemoryStreams};

use self::meter::Meter;
pub(super) use self::meter::Use;
use super::source::TABLE;
use crate::Outcome;

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
const HOUR: Duration = Duration::from_secs(3600);

/// What KCL spends on each lease that a worker owns: a heartbeat each third of its ten seconds, less a little.
pub(super) const KCL_WRITES_PER_LEASE_HOUR: f64 = 3600.0 / 3.308;

/// What the fleet used, by what asked for it.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    pub(super) hours: f64,
    pub(super) used: Use,
    /// The smallest and the largest share at the end.
    pub(super) shares: (usize, usize),
}

impl Cost {
    pub(super) fn writes_per_lease_hour(&self) -> f64 {
        self.used.writes() / self.hours / LEASES as f64
    }

    pub(super) fn reads_per_lease_hour(&self) -> f64 {
        self.used.reads() / self.hours / LEASES as f64
    }

    /// For all the leases.
    pub(super) fn usd_per_month(&self) -> f64 {
        let hourly = |units: f64, price: f64| units / self.hours * price / 1e6;
        let writes = hourly(self.used.writes(), USD_PER_MILLION_WRITES);
        let reads = hourly(self.used.reads(), USD_PER_MILLION_READS);
        (writes + reads) * HOURS_PER_MONTH
    }
}

/// Lets a fleet be idle for so long.
pub(super) fn measure(time: Duration) -> Outcome<Cost> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(idle(time))
}

async fn idle(time: Duration) -> Outcome<Cost> {
    let streams = MemoryStreams::new(TABLE);
    for number in 0..LEASES {
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
    let shares = shares(&leases)?;
    for worker in &fleet {
        worker.abort();
    }
    let hours = time.as_secs_f64() / HOUR.as_secs_f64();
    Ok(Cost {
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
    let worker = Worker::builder("bench-cost")
        .table(TABLE)
        .worker_name(format!("ip-10-0-0-{number}"))
        .ports(Arc::new(streams.clone()), Arc::new(meter.clone()))
        .env(Env::simulated(seed))
        .build()
        .await?;
    Ok(worker.spawn(|_| each_batch(async |_| Ok(()))))
}

/// Fails when a lease has no owner: what was measured was no fleet at work then.
fn shares(leases: &MemoryLeases) -> Outcome<(usize, usize)> {
    let mut owned: BTreeMap<String, usize> = BTreeMap::new();
    for row in leases.rows() {
        if let Some(owner) = row.text("leaseOwner") {
            *owned.entry(owner.to_owned()).or_default() += 1;
        }
    }
    let (least, most) = (owned.values().min(), owned.values().max());
    let all: usize = owned.values().sum();
    if owned.len() != WORKERS || all != LEASES {
        let owners = owned.len();
        return Err(format!("{owners} of {WORKERS} workers own {all} of {LEASES} leases").into());
    }
    Ok((*least.unwrap_or(&0), *most.unwrap_or(&0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sweep is one of each worker and one of discovery. docs/OPERATIONS.md says what that is in money; KCL's
    /// heartbeats alone are 1088 writes.
    #[test]
    fn an_idle_fleet_writes_nothing_but_beats_and_reads_all_leases_once_in_a_sweep_interval() {
        let cost = measure(Duration::from_secs(12 * 60)).unwrap();
        assert_eq!(cost.shares, (100, 100), "{:?}", cost.used);
        assert_eq!(cost.used.lease_writes, 0.0, "{:?}", cost.used);
        let (writes, reads) = (cost.writes_per_lease_hour(), cost.reads_per_lease_hour());
        assert!((35.5..=36.5).contains(&writes), "{writes} {:?}", cost.used);
        assert!((80.0..=110.0).contains(&reads), "{reads} {:?}", cost.used);
    }
}
