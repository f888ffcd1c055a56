//! Writes without pause while shards roll over and split.

use std::collections::BTreeMap;
use std::time::Duration;

use super::PATIENCE;
use super::diary::Diary;
use crate::Outcome;
use crate::arrivals::Arrivals;
use crate::rig::{Rig, TABLE, put_at};
use crate::stopwatch::{sleep, wall_clock};

/// Enough that every shard has some.
const KEYS: u32 = 2_000;
/// Dense: a shard that is written every second only would wait for its next idle poll, edge or none.
const WRITE_EVERY: Duration = Duration::from_millis(1);
const EDGE_EVERY: Duration = Duration::from_millis(250);
/// One edge in so many is a split, so that there are not ever more shards.
const SPLIT_EVERY: u32 = 10;
/// So long the worker reads before the first edge.
const WARM_UP: Duration = Duration::from_secs(3);
/// A prime, so that the shards' turns are all different.
const STRIDE: usize = 7_919;

/// The writer and whoever divides the shards.
pub(super) struct Edges<'a> {
    rig: &'a Rig,
    diary: &'a Diary,
    edges: u32,
    written: Written,
    next_key: u32,
    /// How often each open shard's range of keys was halved.
    halvings: BTreeMap<String, u32>,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The last number of each item.
    pub(super) last: BTreeMap<String, u64>,
    pub(super) edges: usize,
    /// How many records had come when the first edge did.
    pub(super) warm: usize,
}

impl<'a> Edges<'a> {
    pub(super) fn new(rig: &'a Rig, diary: &'a Diary, edges: u32) -> Self {
        Self {
            rig,
            diary,
            edges,
            written: Written::default(),
            next_key: 0,
            halvings: BTreeMap::new(),
        }
    }

    /// Ends when everything has come, or does not come.
    pub(super) fn run(mut self, arrivals: &Arrivals) -> Outcome<Written> {
        self.begin(arrivals)?;
        self.write_for(WARM_UP)?;
        self.written.warm = arrivals.lock().late.len();
        for edge in 1..=self.edges {
            self.edge(edge)?;
            self.write_for(EDGE_EVERY)?;
            if edge % 40 == 0 {
                let open = self.rig.open_shards()?.len();
                eprintln!("{edge} of {} edges, {open} shards are open", self.edges);
            }
        }
        let deadline = wall_clock() + PATIENCE;
        while arrivals.lock().lost(&self.written.last) > 0 && wall_clock() < deadline {
            sleep(Duration::from_millis(50));
        }
        Ok(self.written)
    }

    /// Writes until the first record comes: the worker is at work.
    fn begin(&mut self, arrivals: &Arrivals) -> Outcome<()> {
        let deadline = wall_clock() + PATIENCE;
        while arrivals.lock().late.is_empty() {
            if wall_clock() > deadline {
                return Err("the worker reads nothing".into());
            }
            self.write_for(EDGE_EVERY)?;
        }
        Ok(())
    }

    /// A roll-over of any shard, or a split of one with the widest range of keys: the service divides what is large.
    fn edge(&mut self, edge: u32) -> Outcome<()> {
        let open = self.rig.open_shards()?;
        let is_split = edge.is_multiple_of(SPLIT_EVERY);
        let halved = |id: &String| self.halvings.get(id).copied().unwrap_or_default();
        let turn = usize::try_from(edge)? * STRIDE % open.len();
        let widest = open.iter().min_by_key(|id| halved(id));
        let chosen = widest.filter(|_| is_split).unwrap_or(&open[turn]).clone();
        let halvings = halved(&chosen) + u32::from(is_split);
        let children = if is_split { 2 } else { 1 };
        self.rig.emulator.split(TABLE, &chosen, children)?;
        self.diary.note(&chosen, "edge");
        let born = self.rig.open_shards()?.into_iter();
        let born = born.filter(|id| !open.contains(id));
        self.halvings.extend(born.map(|id| (id, halvings)));
        self.written.edges += 1;
        Ok(())
    }

    fn write_for(&mut self, time: Duration) -> Outcome<()> {
        let end = wall_clock() + time;
        while wall_clock() < end {
            self.next_key = (self.next_key + 1) % KEYS;
            let key = format!("order-{}", self.next_key);
            let last = self.written.last.entry(key.clone()).or_default();
            *last += 1;
            put_at(&self.rig.emulator, &key, *last, wall_clock())?;
            sleep(WRITE_EVERY);
        }
        Ok(())
    }
}
