//! What workers said of themselves, and when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardkeeper::{DataLoss, Event, Observer};
use shardkeeper_testkit::emulator::Clock;

/// Everything that the workers of a world have said, in order. A clone shares the memory.
#[derive(Clone)]
pub struct Events {
    clock: Clock,
    heard: Arc<Mutex<Vec<(Duration, Event)>>>,
}

impl Events {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            heard: Arc::default(),
        }
    }

    /// A listener for one worker.
    pub fn observer(&self) -> impl Observer {
        let events = self.clone();
        move |event: &Event| {
            let now = (events.clock)();
            events.lock().push((now, event.clone()));
        }
    }

    /// Everything so far, with the emulator's time.
    pub fn all(&self) -> Vec<(Duration, Event)> {
        self.lock().clone()
    }

    /// How many events are like this.
    pub fn count(&self, like: impl Fn(&Event) -> bool) -> usize {
        self.lock().iter().filter(|(_, event)| like(event)).count()
    }

    /// When the latest event like this was.
    pub fn last(&self, like: impl Fn(&Event) -> bool) -> Option<Duration> {
        let heard = self.lock();
        heard
            .iter()
            .rev()
            .find(|(_, event)| like(event))
            .map(|(at, _)| *at)
    }

    /// The data losses.
    pub fn losses(&self) -> Vec<DataLoss> {
        let loss = |(_, event): &(Duration, Event)| match event {
            Event::DataLost(loss) => Some(loss.clone()),
            _ => None,
        };
        self.lock().iter().filter_map(loss).collect()
    }

    /// What the failed calls said, each once.
    pub fn troubles(&self) -> Vec<String> {
        let trouble = |(_, event): &(Duration, Event)| match event {
            Event::CallFailed {
                action, message, ..
            } => Some(format!("{action}: {message}")),
            _ => None,
        };
        let mut troubles: Vec<String> = self.lock().iter().filter_map(trouble).collect();
        troubles.sort();
        troubles.dedup();
        troubles
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Duration, Event)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Events({})", self.lock().len())
    }
}
