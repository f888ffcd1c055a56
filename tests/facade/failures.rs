//! What a processor says of its failures is told, whatever is done about them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shardkeeper::{Batch, BoxError, Event, Remedy, each_batch};
use shardkeeper_tests::World;

const SOON: Duration = Duration::from_secs(20);

/// Runs a worker whose processor fails and says so, with this remedy, until the event.
async fn told(seed: u64, remedy: Remedy, until: fn(&Event) -> bool) -> Vec<Event> {
    let world = World::new(seed).await;
    world.put("1", 1).await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let worker = world.worker("a").observer(move |event: &Event| {
        heard.lock().unwrap().push(event.clone());
    });
    let handle = worker.build().await.unwrap().spawn(move |_| {
        let fail = async |_: Batch| Err(BoxError::from("the warehouse burns"));
        each_batch(fail).on_error(move |_| remedy)
    });
    let happened = |_: &World| events.lock().unwrap().iter().any(until);
    world.until(SOON, "told", happened).await;
    handle.shutdown().await.unwrap();
    events.lock().unwrap().clone()
}

fn the_words_are_among(events: &[Event]) -> bool {
    events.iter().any(|event| {
        matches!(event, Event::BatchFailed { error: Some(error), .. } if error.contains("burns"))
    })
}

#[tokio::test(start_paused = true)]
async fn the_error_that_stops_a_shard_is_told() {
    let stopped = |event: &Event| matches!(event, Event::ShardStopped { .. });
    assert!(the_words_are_among(&told(31, Remedy::Stop, stopped).await));
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_record_that_is_skipped_is_told() {
    let skipped = |event: &Event| matches!(event, Event::RecordSkipped { .. });
    assert!(the_words_are_among(&told(32, Remedy::Skip, skipped).await));
}
