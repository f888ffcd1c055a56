//! User code that blocks its thread, and calls that do not return. Blocking cannot be had on paused time, so one test
//! here lives in real time, with short durations.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use shardkeeper::{
    Batch, Env, Event, Health, Progress, RecordProcessor, Settings, ShardContext, Worker,
    WorkerHandle,
};
use shardkeeper_testkit::memory::{ItemChange, MemoryLeases, MemoryStreams};
use shardkeeper_tests::{Act, World};

use super::{ours, shards};

#[tokio::test(start_paused = true)]
async fn l3_b27_a_call_that_does_not_return_keeps_its_lease_and_is_reported_ever_more_rarely() {
    let world = World::with(71, shards(2)).await;
    world.put("stuck", 1).await;
    let hangs = |_: &_, _: &_| Act::Hang;
    let worker = world.start_with("a", hangs).await;
    world.pass(Duration::from_secs(25)).await;
    assert_eq!(worker.health(), Health::Well);
    world.pass(Duration::from_secs(1200)).await;
    let reports: Vec<u64> = world
        .events
        .all()
        .into_iter()
        .filter_map(|(_, event)| match event {
            Event::ProcessorPending { pending, .. } => Some(pending.as_secs()),
            _ => None,
        })
        .collect();
    assert_eq!(reports, [30, 60, 120, 240, 480, 960]);
    assert_eq!(ours(&worker), 2, "it keeps its lease");
    assert!(matches!(worker.health(), Health::Troubled(why) if why.contains("not returned")));
    worker.abort();
}

#[tokio::test(start_paused = true)]
async fn l3_a_busy_processor_whose_every_call_returns_is_not_reported() {
    let world = World::with(72, shards(1)).await;
    let slow = |_: &_, _: &_| Act::Slow(Duration::from_secs(8));
    let worker = world.start_with("a", slow).await;
    for round in 0..40 {
        world.write(1, round).await;
        world.pass(Duration::from_secs(3)).await;
    }
    let pending = |event: &Event| matches!(event, Event::ProcessorPending { .. });
    assert_eq!(world.events.count(pending), 0);
    worker.shutdown().await.unwrap();
}

/// Who was called, for which shard, under which token.
type Calls = Arc<Mutex<Vec<(&'static str, String, u64)>>>;

/// Blocks the thread of one shard until the test lets go, as code does that was not meant for async functions.
struct Blocks {
    name: &'static str,
    on: &'static str,
    /// How long it works before.
    works: Duration,
    gate: Arc<Mutex<Receiver<()>>>,
    calls: Calls,
}

impl RecordProcessor for Blocks {
    type Error = Infallible;

    async fn process(&mut self, _: Batch, cx: &ShardContext) -> Result<Progress, Infallible> {
        let blocks = self.name == "a" && cx.shard_id().as_str() == self.on;
        let env = Env::production();
        let began = env.now();
        // Without a timer: the thread that is woken by one drives those of all the others until it is done.
        while blocks && env.now() < began + self.works {
            tokio::task::yield_now().await;
        }
        let call = (self.name, cx.shard_id().to_string(), cx.fencing_token());
        self.calls.lock().unwrap().push(call);
        if blocks {
            // An error means that the test is over.
            let _ = self.gate.lock().unwrap().recv();
        }
        Ok(Progress::Done)
    }
}

/// Workers in memory and in real time, one of which is about to be blocked.
struct Scene {
    streams: MemoryStreams,
    leases: MemoryLeases,
    events: Arc<Mutex<Vec<Event>>>,
    calls: Calls,
    works: Duration,
    release: SyncSender<()>,
    gate: Arc<Mutex<Receiver<()>>>,
}

impl Scene {
    fn new(works: Duration) -> Self {
        let (release, gate) = sync_channel(4);
        Self {
            streams: MemoryStreams::new("orders"),
            leases: MemoryLeases::new(),
            events: Arc::default(),
            calls: Arc::default(),
            works,
            release,
            gate: Arc::new(Mutex::new(gate)),
        }
    }

    async fn start(&self, name: &'static str) -> WorkerHandle {
        let mut settings = Settings::default();
        settings.lease_duration = Duration::from_secs(1);
        settings.margin = Duration::from_millis(150);
        settings.beat_interval = Duration::from_millis(100);
        settings.idle_poll_max = Duration::from_millis(50);
        settings.checkpoint_interval = Duration::from_millis(50);
        let heard = Arc::clone(&self.events);
        let worker = Worker::builder("test")
            .table("orders")
            .worker_name(name)
            .settings(settings)
            .ports(
                Arc::new(self.streams.clone()),
                Arc::new(self.leases.clone()),
            )
            .observer(move |event: &Event| heard.lock().unwrap().push(event.clone()));
        let (gate, calls) = (Arc::clone(&self.gate), Arc::clone(&self.calls));
        let works = self.works;
        worker.build().await.unwrap().spawn(move |_| Blocks {
            name,
            on: "shard-1",
            works,
            gate: Arc::clone(&gate),
            calls: Arc::clone(&calls),
        })
    }

    fn push(&self, shard: &str, id: usize) {
        let item = json!({ "id": { "S": id.to_string() } });
        let change = ItemChange::insert(item.clone(), item);
        self.streams
            .push(&shardkeeper::ShardId::from_service(shard), &change)
            .unwrap();
    }

    fn heard(&self, like: impl Fn(&Event) -> bool) -> bool {
        self.events.lock().unwrap().iter().any(like)
    }

    fn called(&self, name: &str, shard: &str) -> Vec<u64> {
        let calls = self.calls.lock().unwrap();
        let those = calls.iter().filter(|(n, s, _)| *n == name && s == shard);
        those.map(|(_, _, epoch)| *epoch).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "a blocked thread is real")]
    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..6_000 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not {what}: {:?}", self.events.lock().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l3_a_shard_whose_thread_is_blocked_is_given_up_and_read_elsewhere_while_its_worker_lives()
{
    let scene = Scene::new(Duration::ZERO);
    for shard in ["shard-1", "shard-2"] {
        scene.streams.add_shard(shard, None);
        scene.push(shard, 1);
    }
    let first = scene.start("a").await;
    scene
        .until("blocked", |s| s.called("a", "shard-1").len() == 1)
        .await;
    let me = first.status().worker;
    scene
        .until("told", |s| {
            s.heard(|event| matches!(event, Event::ShardBlocked { .. }))
        })
        .await;
    let second = scene.start("b").await;
    scene.push("shard-1", 2);
    scene
        .until("read elsewhere", |s| !s.called("b", "shard-1").is_empty())
        .await;
    assert!(
        scene.called("b", "shard-1") > scene.called("a", "shard-1"),
        "under a higher token"
    );
    scene.push("shard-2", 3);
    scene
        .until("the neighbour goes on", |s| {
            s.called("a", "shard-2").len() + s.called("b", "shard-2").len() >= 2
        })
        .await;
    scene.release.send(()).unwrap();
    scene
        .until("noticed", |s| {
            s.heard(|event| matches!(event, Event::LeaseLost { shard, .. } if shard.as_str() == "shard-1"))
        })
        .await;
    let epochs: BTreeSet<u64> = scene.called("a", "shard-1").into_iter().collect();
    assert_eq!(
        epochs.len(),
        1,
        "S11: once released it calls nothing under the old token"
    );
    assert_eq!(first.status().worker, me, "the worker itself lived on");
    scene.release.send(()).unwrap();
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s15_a_shard_whose_thread_is_blocked_while_its_children_are_looked_for_holds_up_no_other_end()
 {
    // While the third question waits for its turn.
    let scene = Scene::new(Duration::from_millis(210));
    let [first, second] = ["shard-1", "shard-2"].map(|shard| {
        let shard = scene.streams.add_shard(shard, None);
        scene.push(shard.as_str(), 1);
        shard
    });
    scene.streams.close(&first).unwrap();
    let worker = scene.start("a").await;
    scene
        .until("blocked", |s| s.called("a", "shard-1").len() == 1)
        .await;
    let env = Env::production();
    let began = env.now();
    scene.streams.add_shard("shard-3", Some(&second));
    scene.push("shard-3", 2);
    scene.streams.close(&second).unwrap();
    scene
        .until("the child of the other is read", |s| {
            s.called("a", "shard-3").len() == 1
        })
        .await;
    // A moment; 17 s and more when it waited for the blocked one's turn.
    assert!(env.now() < began + Duration::from_secs(8));
    assert_eq!(scene.called("a", "shard-1").len(), 1, "still blocked");
    for _ in 0..2 {
        scene.release.send(()).unwrap();
    }
    worker.shutdown().await.unwrap();
}
