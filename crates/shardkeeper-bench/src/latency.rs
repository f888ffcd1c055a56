//! How late a record is, while its shard is busy and after it was idle, and what polling an idle shard costs.
//!
//! One worker reads a table over HTTP, in real time. A record's latency is the time from its write to `process`.

mod bill;
mod pulse;

use std::time::Duration;

use clap::Args;
use serde_json::json;
use shardkeeper::{Settings, Worker, WorkerHandle};
use shardkeeper_testkit::emulator::EmulatorSettings;

use self::bill::Line;
use self::pulse::Pulse;
use crate::Outcome;
use crate::account;
use crate::arrivals::Arrivals;
use crate::distribution::Distribution;
use crate::report::Paint;
use crate::rig::{Rig, TABLE, one_key_per_shard};

/// The second setting that is measured: for streams that may wait.
const PATIENT_POLL: Duration = Duration::from_secs(8);

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many shards there are
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    shards: u16,
    /// How long the shards are busy, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How often the shards are idle and get a record
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How long a call to the server takes at least, there and back: about what it takes within a Region
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=1000))]
    latency_millis: u64,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

/// What was seen with one setting.
#[derive(Debug)]
struct Seen {
    poll: Duration,
    active: Option<Distribution>,
    after_idle: Distribution,
    calls_per_shard_hour: f64,
}

pub(crate) fn run(options: &Options) -> Outcome<()> {
    let defaults = Settings::default();
    let busy = Duration::from_secs(options.seconds);
    let seen = measure(options, &defaults, Some(busy))?;
    let mut patient = defaults;
    patient.idle_poll_max = PATIENT_POLL;
    let patient = measure(options, &patient, None)?;
    let lines = [Line::measured(&seen), Line::measured(&patient)];
    print!("{}", bill::table(&lines, Paint::for_stdout())?);
    if options.json {
        let millis = |all: &Distribution| all.percentile(99).as_millis();
        let said = json!({
            "active_p99_ms": seen.active.as_ref().map(millis),
            "after_idle_p99_ms": millis(&seen.after_idle),
            "calls_per_idle_shard_hour": seen.calls_per_shard_hour.round(),
            "patient_after_idle_p99_ms": millis(&patient.after_idle),
            "patient_calls_per_idle_shard_hour": patient.calls_per_shard_hour.round(),
        });
        println!("{said}");
    }
    Ok(())
}

fn measure(options: &Options, settings: &Settings, busy: Option<Duration>) -> Outcome<Seen> {
    let account = EmulatorSettings {
        initial_shards: usize::from(options.shards),
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    let rig = Rig::open(account, Duration::from_millis(options.latency_millis))?;
    let keys = one_key_per_shard(&rig.emulator)?;
    let keys: Vec<String> = keys.into_iter().map(|(_, key)| key).collect();
    let arrivals = Arrivals::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let worker = runtime.block_on(start(&rig, settings, &arrivals))?;
    let poll = settings.idle_poll_max;
    let mut pulse = Pulse::new(&rig, keys, &arrivals);
    pulse.begin()?;
    let active = busy.map(|time| pulse.busy(time)).transpose()?;
    // A shard waits longer and longer, so it has been idle for all of it after three of the longest waits.
    let settling = poll * 3 + Duration::from_secs(3);
    let after_idle = pulse.after_idle(options.rounds, settling, poll)?;
    let calls_per_shard_hour = pulse.idle_calls(settling, (poll * 4).max(Duration::from_secs(20)));
    runtime.block_on(worker.shutdown())?;
    Ok(Seen {
        poll,
        active,
        after_idle,
        calls_per_shard_hour,
    })
}

async fn start(rig: &Rig, settings: &Settings, arrivals: &Arrivals) -> Outcome<WorkerHandle> {
    let worker = Worker::builder("bench-latency")
        .table(TABLE)
        .aws_config(&account::sdk_config(&rig.endpoint))
        .settings(settings.clone())
        .build()
        .await?;
    let arrivals = arrivals.clone();
    Ok(worker.spawn(move |_| arrivals.processor()))
}
