//! Where the emulator gets its time from.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time since the Unix epoch, asked at the beginning of every call.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The clock of this machine.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that others are given"
)]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    })
}

/// Tokio's clock, which starts at `origin` (a time since the Unix epoch) now.
///
/// In a runtime with paused time this is virtual time, so a test passes the hours of a roll-over in
/// microseconds.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that others are given"
)]
pub fn tokio_clock(origin: Duration) -> Clock {
    let start = tokio::time::Instant::now();
    Arc::new(move || origin.saturating_add(start.elapsed()))
}
