//! Closures as processors, in whole workers on paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use shardkeeper::{
    Batch, BoxError, Change, RecordProcessor, Remedy, ShardContext, WorkerHandle, each_batch_with,
    each_change, each_change_with,
};
use shardkeeper_testkit::emulator::EmulatorSettings;
use shardkeeper_tests::World;

const SOON: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize)]
struct Order {
    id: String,
    value: u32,
}

/// What the closures saw; a clone is the same notebook.
#[derive(Debug, Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn count(&self, line: &str) -> usize {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|known| *known == line).count()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

async fn start<P: RecordProcessor>(
    world: &World,
    factory: impl Fn(&ShardContext) -> P + Send + Sync + 'static,
) -> WorkerHandle {
    let worker = world.worker("a").build().await.unwrap();
    worker.spawn(factory)
}

#[tokio::test(start_paused = true)]
async fn a_closure_gets_every_batch_and_its_state() {
    let world = World::new(11).await;
    world.write(30, 1).await;
    let notes = Notes::default();
    let shared = notes.clone();
    let worker = start(&world, move |_| {
        each_batch_with(shared.clone(), async |notes, batch: Batch| {
            for record in &batch {
                notes.write(record.keys_json());
            }
            Ok(())
        })
    })
    .await;
    world.until(SOON, "noted", |_| notes.len() == 30).await;
    worker.shutdown().await.unwrap();
    assert_eq!(notes.count(r#"{"id":{"S":"order-7"}}"#), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_fails_is_tried_again_and_those_before_it_are_not() {
    let one_shard = EmulatorSettings {
        initial_shards: 1,
        rollover_after: None,
        ..EmulatorSettings::default()
    };
    let world = World::with(12, one_shard).await;
    world.write(10, 1).await;
    let notes = Notes::default();
    let shared = notes.clone();
    let worker = start(&world, move |_| {
        each_change_with(shared.clone(), async |notes, change: Change<Order>| {
            let Change::Inserted { new } = change else {
                return Ok(());
            };
            notes.write(&new.id);
            match (new.id.as_str(), notes.count(&new.id)) {
                ("order-5", 0..=2) => Err(BoxError::from("not yet")),
                _ => Ok(()),
            }
        })
    })
    .await;
    let all = |notes: &Notes| (0..10).all(|n| notes.count(&format!("order-{n}")) > 0);
    world.until(SOON, "noted", |_| all(&notes)).await;
    worker.shutdown().await.unwrap();
    assert_eq!(notes.count("order-5"), 3);
    assert_eq!(notes.len(), 12, "no other change came twice");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_never_fits_is_skipped_when_the_closure_says_so() {
    let world = World::new(13).await;
    world.put("fits", 1).await;
    let long = u32::MAX as usize + 1;
    world.put("does-not-fit", long).await;
    world.put("fits-too", 2).await;
    let notes = Notes::default();
    let shared = notes.clone();
    let worker = start(&world, move |_| {
        let notes = shared.clone();
        each_change(move |change: Change<Order>| {
            if let Change::Inserted { new } = change {
                notes.write(format!("{} {}", new.id, new.value));
            }
            async { Ok(()) }
        })
        .on_error(|failure| match failure.attempt {
            1 => Remedy::Retry,
            _ => Remedy::Skip,
        })
    })
    .await;
    world.put("later", 3).await;
    world.until(SOON, "noted", |_| notes.len() == 3).await;
    worker.shutdown().await.unwrap();
    assert_eq!(notes.count("fits-too 2"), 1);
}
