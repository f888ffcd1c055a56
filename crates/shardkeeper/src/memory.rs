//! What a process knows of its lease table, whichever of its incarnations has read it.
//!
//! A table that is restored from a backup under its own name is gone for minutes, so no incarnation that saw it before is
//! there to see it after. The process is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shardkeeper_core::planted;
use shardkeeper_core::reached::Reached;

/// What one process remembers. One for all incarnations.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The highest epoch that was ever seen.
    highest_epoch: AtomicU64,
    /// What the table had reached when it was read last; with the keeper, while one is at work.
    reached: Mutex<Reached>,
}

impl Memory {
    /// The highest epoch that was ever seen: no new lease begins at or below it.
    pub(crate) fn highest_epoch(&self) -> u64 {
        self.highest_epoch.load(Ordering::Acquire)
    }

    pub(crate) fn saw_epoch(&self, epoch: u64) {
        self.highest_epoch.fetch_max(epoch, Ordering::AcqRel);
    }

    /// What has fallen since the table was read before. What it shows now is remembered, if nothing has.
    pub(crate) fn compare(&self, now: Reached) -> Option<String> {
        self.saw_epoch(now.highest_epoch());
        let mut known = self.reached();
        let fell = known.fell(&now);
        if fell.is_none() {
            *known = now;
        }
        fell
    }

    /// A keeper begins, and knows better from now on.
    pub(crate) fn take(&self) -> Reached {
        std::mem::take(&mut *self.reached())
    }

    /// A keeper has ended, which knew this.
    pub(crate) fn keep(&self, reached: Reached) {
        if planted!(ForgetsTheTable) {
            return;
        }
        *self.reached() = reached;
    }

    fn reached(&self) -> MutexGuard<'_, Reached> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
