//! How a worker finds its way in a very large stream: calls of DescribeStream, time to the first record, time until
//! everything is read, and what is asked for afterwards.
//!
//! In virtual time: the real worker and the real SDK on the emulator in this process, with the service's limit on
//! DescribeStream. The limit is what this takes its time from, not the machine.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shardkeeper::{Env, Event, Settings, Worker, WorkerHandle, each_batch};
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, tokio_clock};
use shardkeeper_testkit::faults::{Effect, Fault};

use crate::Outcome;
use crate::report::Paint;
use crate::rig::{TABLE, create_table, put};

/// When the account begins, since 1970.
const ORIGIN: Duration = Duration::from_secs(1_795_000_000);
/// The service's limit for an account (F10).
const CALLS_A_SECOND: u32 = 10;
const CALL: Duration = Duration::from_millis(5);
/// The one setting that is not the default: polls of idle shards are not what is measured, and take all of the time.
const POLLS: Duration = Duration::from_secs(600);
/// How long everything is watched after everything is read.
const AFTERWARDS: Duration = Duration::from_secs(3600);
/// A worker that takes longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many partitions the table has; about seven shards are listed for each
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    partitions: u32,
    /// How many hours old the stream is; after 28 the first shards are gone, and the oldest that are listed name parents
    /// that are not
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=240))]
    hours: u64,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

/// What was seen, from the start of the worker.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    listed: usize,
    first_read: Option<Duration>,
    acquired: usize,
    /// How many of them before the first listing had ended.
    early: Option<usize>,
    covered: Option<Duration>,
    /// Calls of DescribeStream until everything was read, and in the hour after it.
    calls: u64,
    throttled: u64,
    calls_afterwards: u64,
}

pub(crate) fn run(options: &Options) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    let seen = runtime.block_on(measure(options))?;
    print!("{}", table(options, &seen, Paint::for_stdout())?);
    if options.json {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64().round());
        println!(
            "{}",
            json!({
                "partitions": options.partitions,
                "listed": seen.listed,
                "calls": seen.calls,
                "throttled": seen.throttled,
                "early": seen.early,
                "first_read_s": seconds(seen.first_read),
                "covered_s": seconds(seen.covered),
                "calls_an_hour_afterwards": seen.calls_afterwards,
            })
        );
    }
    Ok(())
}

async fn measure(options: &Options) -> Outcome<Seen> {
    let partitions = options.partitions;
    let age = Duration::from_secs(options.hours * 3600);
    let settings = EmulatorSettings {
        initial_shards: usize::try_from(partitions)?,
        describe_stream_per_second: Some(CALLS_A_SECOND),
        ..EmulatorSettings::default()
    };
    let emulator = Emulator::builder()
        .settings(settings)
        .clock(tokio_clock(ORIGIN))
        .build();
    create_table(&emulator)?;
    let env = Env::simulated(0);
    env.sleep(age).await;
    for number in 0..100 {
        put(&emulator, &format!("order-{number}"), number)?;
    }
    let way = CALL / 2;
    let slow = Effect::Slow {
        before: way,
        after: way,
    };
    emulator.faults().inject(Fault::new("*", slow));
    eprintln!("the stream is {age:?} old");
    let (begun, seen) = (env.now(), Arc::new(Mutex::new(Seen::default())));
    let worker = start(&emulator, &env, begun, &seen, partitions).await?;
    let read = || *seen.lock().unwrap_or_else(PoisonError::into_inner);
    let calls = || {
        let calls = emulator.calls();
        calls.get("DescribeStream").copied().unwrap_or_default()
    };
    let mut told = 0;
    while read().covered.is_none() {
        if env.now() - begun > PATIENCE {
            return Err(format!("only {} shards are read", read().acquired).into());
        }
        let minutes = (env.now() - begun).as_secs() / 60;
        if minutes > told {
            told = minutes;
            let (acquired, calls) = (read().acquired, calls());
            eprintln!("minute {minutes}: {calls} listings, {acquired} shards are read");
        }
        env.sleep(Duration::from_secs(1)).await;
    }
    let before = calls();
    env.sleep(AFTERWARDS).await;
    worker.abort();
    Ok(Seen {
        calls: before,
        calls_afterwards: calls() - before,
        ..read()
    })
}

async fn start(
    emulator: &Emulator,
    env: &Env,
    begun: Duration,
    seen: &Arc<Mutex<Seen>>,
    partitions: u32,
) -> Outcome<WorkerHandle> {
    let (clock, seen) = (env.clone(), Arc::clone(seen));
    let partitions = usize::try_from(partitions)?;
    let mut settings = Settings::default();
    settings.idle_poll_max = POLLS;
    let worker = Worker::builder("bench-discovery")
        .table(TABLE)
        .aws_config(&emulator.sdk_config())
        .env(env.clone())
        .settings(settings)
        .observer(move |event: &Event| {
            let now = clock.now().saturating_sub(begun);
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Event::ShardsListed { listed, .. } => {
                    seen.listed = *listed;
                    let acquired = seen.acquired;
                    seen.early.get_or_insert(acquired);
                }
                Event::PageFetched { .. } => {
                    seen.first_read.get_or_insert(now);
                }
                Event::LeaseAcquired { .. } => {
                    seen.acquired += 1;
                    if seen.acquired >= partitions {
                        seen.covered.get_or_insert(now);
                    }
                }
                Event::CallFailed {
                    action: "DescribeStream",
                    ..
                } => seen.throttled += 1,
                _ => {}
            }
        })
        .build()
        .await?;
    Ok(worker.spawn(|_| each_batch(async |_| Ok(()))))
}

fn table(options: &Options, seen: &Seen, paint: Paint) -> Outcome<String> {
    let mut text = String::new();
    let head = format!(
        "{:>10}{:>10}{:>12}{:>12}{:>16}{:>16}{:>20}{:>24}",
        "partitions",
        "listed",
        "calls",
        "throttled",
        "begun early",
        "first read, s",
        "everything read, s",
        "calls/h afterwards"
    );
    writeln!(text, "{}", paint.bold(&head))?;
    let seconds = |time: Option<Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64());
    writeln!(
        text,
        "{:>10}{:>10}{:>12}{:>12}{:>16}{:>16.1}{:>20.1}{:>24}",
        options.partitions,
        seen.listed,
        seen.calls,
        seen.throttled,
        seen.early.unwrap_or_default(),
        seconds(seen.first_read),
        seconds(seen.covered),
        seen.calls_afterwards,
    )?;
    let note = "virtual time; one worker; DescribeStream is limited to 10 calls a second, a call takes 5 ms; early: before the first listing had ended";
    writeln!(text, "{}", paint.dim(note))?;
    Ok(text)
}
