//! Writes to shards that are busy, or that were idle.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Outcome;
use crate::arrivals::Arrivals;
use crate::distribution::{Distribution, evenly};
use crate::rig::{Rig, put_at};
use crate::stopwatch::{sleep, wall_clock};

/// A busy shard gets a record about this often.
const BUSY: Duration = Duration::from_millis(100);
/// A worker that takes longer than this for anything is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// One item for each shard, and whoever writes them.
pub(super) struct Pulse<'a> {
    rig: &'a Rig,
    keys: Vec<String>,
    arrivals: &'a Arrivals,
    last: BTreeMap<String, u64>,
}

impl<'a> Pulse<'a> {
    pub(super) fn new(rig: &'a Rig, keys: Vec<String>, arrivals: &'a Arrivals) -> Self {
        Self {
            rig,
            keys,
            arrivals,
            last: BTreeMap::new(),
        }
    }

    /// Every shard is read.
    pub(super) fn begin(&mut self) -> Outcome<()> {
        for index in 0..self.keys.len() {
            self.write(index)?;
        }
        self.all_have_come()?;
        self.arrivals.lock().late.clear();
        Ok(())
    }

    /// How late records are while every shard gets some all the time.
    pub(super) fn busy(&mut self, time: Duration) -> Outcome<Distribution> {
        let end = wall_clock() + time;
        let pause = BUSY / u32::try_from(self.keys.len())?;
        let mut turn = 0;
        while wall_clock() < end {
            // A stride, so that no shard always follows the same one.
            turn = (turn + 7) % (self.keys.len() * 7 + 1);
            self.write(turn % self.keys.len())?;
            sleep(pause);
        }
        self.seen()
    }

    /// How late the first record of each shard is when it was idle for `settling`. Written at moments that fill `poll`
    /// evenly.
    pub(super) fn after_idle(
        &mut self,
        rounds: u32,
        settling: Duration,
        poll: Duration,
    ) -> Outcome<Distribution> {
        let shards = self.keys.len();
        for round in 0..rounds {
            sleep(settling);
            let begun = wall_clock();
            let count = f64::from(round) * shards as f64;
            let moment = |index: usize| poll.mul_f64(evenly(count + index as f64));
            let mut order: Vec<(Duration, usize)> =
                (0..shards).map(|index| (moment(index), index)).collect();
            order.sort();
            for (at, index) in order {
                sleep((begun + at).saturating_sub(wall_clock()));
                self.write(index)?;
            }
            self.all_have_come()?;
            if (round + 1) % 5 == 0 {
                eprintln!(
                    "{} of {rounds} idle rounds with polls each {poll:?}",
                    round + 1
                );
            }
        }
        self.seen()
    }

    /// Calls of `GetRecords` for one shard in an hour, counted over `time`.
    pub(super) fn idle_calls(&self, settling: Duration, time: Duration) -> f64 {
        sleep(settling);
        let (before, begun) = (self.rig.calls("GetRecords"), wall_clock());
        sleep(time);
        let calls = self.rig.calls("GetRecords") - before;
        let hours = (wall_clock() - begun).as_secs_f64() / 3600.0;
        calls as f64 / self.keys.len() as f64 / hours
    }

    fn write(&mut self, index: usize) -> Outcome<()> {
        let key = &self.keys[index];
        let last = self.last.entry(key.clone()).or_default();
        *last += 1;
        put_at(&self.rig.emulator, key, *last, wall_clock())
    }

    fn seen(&self) -> Outcome<Distribution> {
        self.all_have_come()?;
        let mut came = self.arrivals.lock();
        let late = std::mem::take(&mut came.late);
        Ok(Distribution::of(
            &late.iter().map(|late| late.by).collect::<Vec<_>>(),
        ))
    }

    fn all_have_come(&self) -> Outcome<()> {
        let deadline = wall_clock() + PATIENCE;
        while self.arrivals.lock().lost(&self.last) > 0 {
            if wall_clock() > deadline {
                return Err("records do not come".into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
