//! What a roll-over or a split of a shard adds to the latency of the records around it.
//!
//! One worker with default settings reads a table that is written without pause, while its shards roll over and split
//! again and again, in real time. A record's latency is the time from its write to `process`; what an edge adds is that
//! of the first records of a child, less the median of all records that are not near one.

mod diary;
mod edges;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shardkeeper::{Event, Worker, WorkerHandle};
use shardkeeper_testkit::emulator::EmulatorSettings;

use self::diary::Diary;
use self::edges::{Edges, Written};
use crate::Outcome;
use crate::account;
use crate::arrivals::{Arrivals, Late};
use crate::distribution::Distribution;
use crate::report::Paint;
use crate::rig::{Rig, TABLE};

/// The first records of a shard are near its edge.
const NEAR: usize = 3;
/// What an edge may add, besides the time after which the service shows the children.
const GOAL: Duration = Duration::from_millis(200);
/// A fleet that takes longer than this for anything is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many roll-overs and splits there are
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    edges: u32,
    /// How many shards there are at first
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=100))]
    shards: u16,
    /// After which time the service shows a child, in the second scene
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    lag_millis: u64,
    /// How long a call to the server takes at least, there and back: about what it takes within a Region
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=1000))]
    latency_millis: u64,
    /// Tell the stories of so many of the latest records near an edge
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1000))]
    worst: u16,
    /// The last line of output is one JSON object
    #[arg(long)]
    json: bool,
}

/// What was seen with children that are shown after `lag`.
#[derive(Debug)]
struct Scene {
    lag: Duration,
    edges: usize,
    steady: Distribution,
    added: Distribution,
    lost: u64,
    out_of_order: usize,
    again: usize,
}

impl Scene {
    fn goal(&self) -> Duration {
        self.lag + GOAL
    }

    fn is_met(&self) -> bool {
        self.added.percentile(99) < self.goal()
    }
}

pub(crate) fn run(options: &Options) -> Outcome<()> {
    let lags = [Duration::ZERO, Duration::from_millis(options.lag_millis)];
    let scenes = lags.map(|lag| play(options, lag));
    let [at_once, delayed] = scenes;
    let (at_once, delayed) = (at_once?, delayed?);
    print!("{}", table(&[&at_once, &delayed], Paint::for_stdout())?);
    if options.json {
        println!("{}", json(&at_once, &delayed));
    }
    let wrong = at_once.lost + delayed.lost;
    let disordered = at_once.out_of_order + delayed.out_of_order;
    if wrong > 0 || disordered > 0 {
        return Err(format!("{wrong} records were lost, {disordered} came out of order").into());
    }
    Ok(())
}

fn json(at_once: &Scene, delayed: &Scene) -> serde_json::Value {
    let millis = |scene: &Scene, percent| scene.added.percentile(percent).as_millis();
    json!({
        "p50_ms": millis(at_once, 50),
        "p99_ms": millis(at_once, 99),
        "rollovers": at_once.edges,
        "lost": at_once.lost + delayed.lost,
        "out_of_order": at_once.out_of_order + delayed.out_of_order,
        "lag_ms": delayed.lag.as_millis(),
        "delayed_p50_ms": millis(delayed, 50),
        "delayed_p99_ms": millis(delayed, 99),
    })
}

fn play(options: &Options, lag: Duration) -> Outcome<Scene> {
    let settings = EmulatorSettings {
        initial_shards: usize::from(options.shards),
        rollover_after: None,
        child_visibility_lag: lag,
        ..EmulatorSettings::default()
    };
    let rig = Rig::open(settings, Duration::from_millis(options.latency_millis))?;
    let first: BTreeSet<String> = rig.open_shards()?.into_iter().collect();
    let arrivals = Arrivals::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let diary = Diary::default();
    let worker = runtime.block_on(start(&rig, &arrivals, &diary))?;
    let written = Edges::new(&rig, &diary, options.edges).run(&arrivals)?;
    runtime.block_on(worker.shutdown())?;
    tell(usize::from(options.worst), &first, &arrivals, &diary)?;
    Ok(judge(lag, &written, &first, &arrivals))
}

/// Tells of the records near an edge that came latest.
fn tell(worst: usize, first: &BTreeSet<String>, arrivals: &Arrivals, diary: &Diary) -> Outcome<()> {
    let came = arrivals.lock();
    let mut near: Vec<_> = came
        .late
        .iter()
        .filter(|late| late.nth < NEAR && !first.contains(&late.shard))
        .collect();
    near.sort_by_key(|late| Reverse(late.by));
    for late in near.into_iter().take(worst) {
        eprintln!("{}", diary.story(late)?);
    }
    Ok(())
}

async fn start(rig: &Rig, arrivals: &Arrivals, diary: &Diary) -> Outcome<WorkerHandle> {
    let diary = diary.clone();
    let worker = Worker::builder("bench-rollover")
        .table(TABLE)
        .aws_config(&account::sdk_config(&rig.endpoint))
        .observer(move |event: &Event| diary.observe(event))
        .build()
        .await?;
    let arrivals = arrivals.clone();
    Ok(worker.spawn(move |_| arrivals.processor()))
}

fn judge(lag: Duration, written: &Written, first: &BTreeSet<String>, arrivals: &Arrivals) -> Scene {
    let came = arrivals.lock();
    // Nobody waits for what was written before the worker was at work.
    let steady_from = written.warm;
    let near = |late: &&Late| late.nth < NEAR && !first.contains(&late.shard);
    let far = came
        .late
        .iter()
        .skip(steady_from)
        .filter(|late| late.nth >= NEAR);
    let steady = Distribution::of(&far.map(|late| late.by).collect::<Vec<_>>());
    let median = steady.percentile(50);
    let added = came.late.iter().filter(near);
    let added: Vec<Duration> = added.map(|late| late.by.saturating_sub(median)).collect();
    Scene {
        lag,
        edges: written.edges,
        steady,
        added: Distribution::of(&added),
        lost: came.lost(&written.last),
        out_of_order: came.out_of_order,
        again: came.again,
    }
}

fn table(scenes: &[&Scene], paint: Paint) -> Outcome<String> {
    let mut text = String::new();
    let head = format!(
        "{:<22}{:>7}{:>9}{:>14}{:>12}{:>12}{:>6}   {:<19}{:>6}{:>14}{:>8}",
        "children are shown",
        "edges",
        "records",
        "steady p50 ms",
        "added p50",
        "added p99",
        "max",
        "goal",
        "lost",
        "out of order",
        "again"
    );
    writeln!(text, "{}", paint.bold(&head))?;
    for scene in scenes {
        let shown = match scene.lag {
            Duration::ZERO => "at once".to_owned(),
            lag => format!("after {} ms", lag.as_millis()),
        };
        let goal = format!("p99 < {} ms", scene.goal().as_millis());
        let judged = paint.verdict(scene.is_met());
        let added = |percent| scene.added.percentile(percent).as_millis();
        writeln!(
            text,
            "{shown:<22}{:>7}{:>9}{:>14}{:>12}{:>12}{:>6}   {goal:<13}{judged}{:>6}{:>14}{:>8}",
            scene.edges,
            scene.added.samples().len(),
            scene.steady.percentile(50).as_millis(),
            added(50),
            added(99),
            added(100),
            scene.lost,
            scene.out_of_order,
            scene.again,
        )?;
    }
    let note = "added: latency of the first records of a child, less the median of all others; real time, one worker";
    writeln!(text, "{}", paint.dim(note))?;
    Ok(text)
}
