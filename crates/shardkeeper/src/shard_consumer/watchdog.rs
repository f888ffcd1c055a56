//! Reports calls of user code that do not return, and shards that will lose records if nothing changes.

use std::time::Duration;

use shardkeeper_core::event::Event;
use shardkeeper_core::planted;

use super::ShardConsumer;

/// Since when a call of user code has been under way, and when that is reported next.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    since: Option<Duration>,
    report_at: Duration,
}

impl Watchdog {
    pub(super) fn returned(&mut self) {
        self.since = None;
    }

    pub(super) fn report_at(&self) -> Duration {
        self.report_at
    }

    /// For how long the call has been pending, when it is time to say so: after `bound`, and each time the wait has
    /// doubled.
    fn look(&mut self, now: Duration, bound: Duration) -> Option<Duration> {
        let Some(since) = self.since else {
            self.since = Some(now);
            self.report_at = now + bound;
            return None;
        };
        if now < self.report_at {
            return None;
        }
        let pending = now.saturating_sub(since);
        self.report_at = now + pending;
        Some(pending)
    }
}

impl ShardConsumer {
    /// A call that does not return keeps its lease: it may be waiting for good reasons.
    pub(super) fn watch_the_call(&mut self) {
        if self.calling.is_none() {
            return;
        }
        let (now, bound) = (self.world.env.now(), self.world.settings.patience());
        if let Some(pending) = self.watchdog.look(now, bound) {
            if planted!(SlowCallEndsWorker) {
                self.world.standing.end("a call took too long");
            }
            self.emit(&Event::ProcessorPending {
                stream: self.stream(),
                shard: self.shard(),
                pending,
            });
            self.look_at_the_age();
        }
    }

    /// How old is the oldest record that is not processed? Asked whenever a batch is taken in hand, has failed, or
    /// does not come back.
    pub(super) fn look_at_the_age(&mut self) {
        let Some(age) = self.age_in_hand() else {
            return;
        };
        if let Some(headroom) = self.headroom.look(age, self.world.env.now()) {
            self.emit(&Event::RetentionShort {
                stream: self.stream(),
                shard: self.shard(),
                headroom,
            });
        }
    }

    fn age_in_hand(&self) -> Option<Duration> {
        let now = self.world.reading.source.service_time()?;
        let delivery = self.hand.as_ref()?.delivery();
        Some(now.since(delivery.records().first()?.created_at()?))
    }
}
