//! The two clocks of a measure: the wall's, and the CPU time of this process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    wall: Duration,
    cpu: Duration,
}

/// What passed between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) wall: Duration,
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            wall: read(ClockId::Monotonic),
            cpu: read(ClockId::ProcessCPUTime),
        }
    }

    /// The CPU time of this process so far.
    pub(crate) fn cpu() -> Duration {
        read(ClockId::ProcessCPUTime)
    }

    pub(crate) fn until_now(self) -> Span {
        let now = Self::now();
        Span {
            wall: now.wall.saturating_sub(self.wall),
            cpu: now.cpu.saturating_sub(self.cpu),
        }
    }
}

/// The wall's clock, which all processes of a machine share.
pub(crate) fn wall_clock() -> Duration {
    read(ClockId::Monotonic)
}

/// Lets real time pass on this thread.
#[expect(clippy::disallowed_methods, reason = "a measure in real time")]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Lets real time pass.
#[expect(clippy::disallowed_methods, reason = "a measure in real time")]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_on_both_clocks() {
        let start = Moment::now();
        let mut sum = 0_u64;
        while start.until_now().cpu < Duration::from_millis(2) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let span = start.until_now();
        assert!(span.cpu >= Duration::from_millis(2) && !span.wall.is_zero());
    }
}
