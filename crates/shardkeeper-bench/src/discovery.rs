//! How a worker finds its way in a very large stream: calls of DescribeStream, time to the first record, time until
//! everything is read, and what is asked for afterwards.
//!
//! In virtual time: the real worker and the real SDK on the emulator in this process, with the service's limit on
//! DescribeStream. The limit is what this takes its time from, not the machine.

mod line;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use shardkeeper::{Env, Event, Settings, ShardId, Worker, WorkerHandle, each_batch};
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, tokio_clock};

use self::line::{Counted, Line};
use crate::Outcome;
use crate::report::Paint;
use crate::rig::{TABLE, create_table, most_resident, put, resident};
use crate::stopwatch::Moment;

/// When the account begins, since 1970.
const ORIGIN: Duration = Duration::from_secs(1_795_000_000);
/// The service's limit for an account (F10).
const CALLS_A_SECOND: u32 = 10;
const CALL: Duration = Duration::from_millis(5);
/// The one setting that is not the default: polls of idle shards are not what is measured, and take all of the time.
const POLLS: Duration = Duration::from_secs(600);
/// How often it is looked whether something is reached.
const LOOK: Duration = Duration::from_secs(30);
/// How long everything is watched after everything is read.
const AFTERWARDS: Duration = Duration::from_secs(3600);
/// A worker that takes longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(12 * 3600);

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
#[derive(Clone, Debug, Default)]
struct Seen {
    listed: usize,
    first_read: Option<Duration>,
    /// The shards that were begun to be read.
    acquired: BTreeSet<ShardId>,
    /// How many of them before the first listing had ended.
    early: Option<usize>,
    covered: Option<Duration>,
    throttled: u64,
    ended: u64,
}

/// What came of it.
struct Found {
    seen: Seen,
    /// When every open shard was read: then, or less than a [`LOOK`] before.
    caught_up: Duration,
    /// Calls until everything was covered, then until it was caught up with, then in an hour.
    calls: [Counted; 3],
    /// Ends of shards in that hour, and the CPU time of everything.
    ended: u64,
    cpu: Duration,
    /// The memory of this process, the emulated account included: before the worker started, and the most of it.
    memory: (u64, u64),
}

pub(crate) fn run(options: &Options) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    let found = runtime.block_on(measure(options))?;
    print!("{}", table(options, &found, Paint::for_stdout())?);
    if options.json {
        println!("{}", json(options, &found));
    }
    Ok(())
}

async fn measure(options: &Options) -> Outcome<Found> {
    let (env, line) = (Env::simulated(0), Arc::new(Line::new(CALL)));
    let emulator = grown(options, &env, Arc::clone(&line)).await?;
    let before = resident()?;
    eprintln!("the stream is {} h old", options.hours);
    drop(line.take());
    let (begun, seen) = (env.now(), Arc::new(Mutex::new(Seen::default())));
    let worker = start(&emulator, &env, begun, &seen, options.partitions).await?;
    let read = || seen.lock().unwrap_or_else(PoisonError::into_inner);
    let watched = Watched {
        env: &env,
        line: &line,
        begun,
    };
    let covering = watched.until(|| Ok(read().covered.is_some())).await?;
    let catching_up = watched.until(|| is_caught_up(&emulator, &read())).await?;
    let caught_up = env.now() - begun;
    let (ended, moment) = (read().ended, Moment::now());
    env.sleep(AFTERWARDS).await;
    let afterwards = line.take();
    let cpu = moment.until_now().cpu;
    eprintln!("in the hour after: {afterwards}");
    let seen = read().clone();
    worker.abort();
    Ok(Found {
        ended: seen.ended - ended,
        seen,
        caught_up,
        calls: [covering, catching_up, afterwards],
        cpu,
        memory: (before, most_resident()?),
    })
}

/// An account with a stream that is as old as it is to be.
async fn grown(options: &Options, env: &Env, line: Arc<Line>) -> Outcome<Emulator> {
    let settings = EmulatorSettings {
        initial_shards: usize::try_from(options.partitions)?,
        describe_stream_per_second: Some(CALLS_A_SECOND),
        ..EmulatorSettings::default()
    };
    let emulator = Emulator::builder()
        .settings(settings)
        .clock(tokio_clock(ORIGIN))
        .interceptor(line)
        .build();
    create_table(&emulator)?;
    env.sleep(Duration::from_secs(options.hours * 3600)).await;
    for number in 0..100 {
        put(&emulator, &format!("order-{number}"), number)?;
    }
    Ok(emulator)
}

fn is_caught_up(emulator: &Emulator, seen: &Seen) -> Outcome<bool> {
    let shards = emulator.shards(TABLE)?;
    let mut open = shards.iter().filter(|shard| shard.open);
    Ok(open.all(|shard| seen.acquired.contains(&ShardId::from_service(&shard.id))))
}

/// A worker that is watched.
struct Watched<'a> {
    env: &'a Env,
    line: &'a Line,
    begun: Duration,
}

impl Watched<'_> {
    /// Waits until something is reached, and says what it took.
    async fn until(&self, mut reached: impl FnMut() -> Outcome<bool>) -> Outcome<Counted> {
        let (started, mut counted) = (self.env.now(), Counted::default());
        while !reached()? {
            if self.env.now() - started > PATIENCE {
                return Err("it is not reached".into());
            }
            self.env.sleep(LOOK).await;
            let now = self.line.take();
            let (at, cpu) = (self.env.now() - self.begun, Moment::cpu());
            eprintln!(
                "{at:?}, {cpu:?} of CPU time, {} MiB: {now}",
                resident()? >> 20
            );
            counted.add(now);
        }
        Ok(counted)
    }
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
                    let acquired = seen.acquired.len();
                    seen.early.get_or_insert(acquired);
                }
                Event::PageFetched { .. } => {
                    seen.first_read.get_or_insert(now);
                }
                Event::LeaseAcquired { shard, .. } => {
                    seen.acquired.insert(shard.clone());
                    if seen.acquired.len() >= partitions {
                        seen.covered.get_or_insert(now);
                    }
                }
                Event::ShardEnded { .. } => seen.ended += 1,
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

fn seconds(time: Option<Duration>) -> f64 {
    time.map_or(f64::NAN, |time| (time.as_secs_f64() * 10.0).round() / 10.0)
}

fn json(options: &Options, found: &Found) -> Value {
    let Found { seen, calls, .. } = found;
    let calls = calls.each_ref().map(|calls| {
        json!({
            "pages": calls.pages(), "ends": calls.questions, "sweeps": calls.of("Scan"),
            "longest_ms": calls.longest.as_millis(),
        })
    });
    json!({
        "partitions": options.partitions,
        "listed": seen.listed,
        "throttled": seen.throttled,
        "early": seen.early,
        "first_read_s": seconds(seen.first_read),
        "covered_s": seconds(seen.covered),
        "caught_up_s": found.caught_up.as_secs(),
        "caught_up_looked_each_s": LOOK.as_secs(),
        "calls": calls,
        "ended_afterwards": found.ended,
        "cpu_afterwards_s": seconds(Some(found.cpu)),
        "resident_mib": [found.memory.0 >> 20, found.memory.1 >> 20],
    })
}

fn table(options: &Options, found: &Found, paint: Paint) -> Outcome<String> {
    let mut text = String::new();
    let Found { seen, calls, .. } = found;
    let head = format!(
        "{} partitions, {} shards are listed",
        options.partitions, seen.listed
    );
    writeln!(text, "{}", paint.bold(&head))?;
    let early = seen.early.unwrap_or_default();
    writeln!(
        text,
        "first record read    {:>8.1} s",
        seconds(seen.first_read)
    )?;
    writeln!(
        text,
        "everything covered   {:>8.1} s, {early} shards begun before the first listing had ended",
        seconds(seen.covered)
    )?;
    writeln!(
        text,
        "every open shard read{:>6} s at the latest, it is looked each {} s",
        found.caught_up.as_secs(),
        LOOK.as_secs()
    )?;
    for (what, calls) in ["until covered", "until then", "in the hour after"]
        .iter()
        .zip(calls)
    {
        let (pages, ends) = (calls.pages(), calls.questions);
        let longest = calls.longest.as_secs_f64() * 1e3;
        writeln!(
            text,
            "DescribeStream {what}: {pages} pages of listings, {ends} questions of ends; at most {longest:.0} ms of CPU time from one call to the next"
        )?;
    }
    writeln!(
        text,
        "refused: {}; that hour: {} ends of shards, {:.1} s of CPU time; memory {} MiB, at most {} MiB",
        seen.throttled,
        found.ended,
        found.cpu.as_secs_f64(),
        found.memory.0 >> 20,
        found.memory.1 >> 20
    )?;
    let note = "virtual time; one worker; DescribeStream is limited to 10 calls a second, a call takes 5 ms; CPU time and memory are those of the worker, the SDK and the emulated account";
    writeln!(text, "{}", paint.dim(note))?;
    Ok(text)
}
