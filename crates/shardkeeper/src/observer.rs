//! Who listens to a worker's events.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shardkeeper_core::event::Event;
use shardkeeper_core::ports::PortError;

/// Listens to everything a worker says about itself.
///
/// Called in the worker's own tasks, so it must be quick and must not block: count, send into a bounded
/// channel with `try_send`, write a log line. One that panics misses that event; nothing else happens (G5).
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// All observers of a worker.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    pub(crate) fn new(all: Vec<Arc<dyn Observer>>) -> Self {
        Self(all.into())
    }

    pub(crate) fn emit(&self, event: &Event) {
        for observer in self.0.iter() {
            // The panic hook has told it already. Beats and discovery must not end by it.
            let _ = catch_unwind(AssertUnwindSafe(|| observer.observe(event)));
        }
    }

    /// A call failed, and is tried again.
    pub(crate) fn call_failed(&self, error: &PortError) {
        self.emit(&Event::CallFailed {
            action: error.action,
            kind: error.kind,
            message: error.message.clone(),
        });
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.0.len())
    }
}
