//! What the workers tell: an [`Observer`](shardkeeper::Observer) for each, written up in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardkeeper::{Acquired, Event, Observer, ShardId, WorkerId};
use tokio::time::Instant;

/// Records are counted in bins of this length.
pub(crate) const BIN: Duration = Duration::from_millis(250);

/// A server in trouble may cause an event with every call; nobody reads more than this.
const MOST_NOTES: usize = 2_000;

/// What has happened so far.
pub(crate) struct Chronicle {
    began: Instant,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// What is worth telling, oldest first.
    pub(crate) notes: Vec<Note>,
    /// Every shard that a worker ever had.
    pub(crate) shards: BTreeSet<ShardId>,
    /// The shards that were read to their end, and when that was.
    pub(crate) ended: BTreeMap<ShardId, Duration>,
    /// Each child's parent.
    pub(crate) parents: BTreeMap<ShardId, ShardId>,
    /// Records that were processed, repetitions included.
    pub(crate) processed: u64,
    /// The same, in [`BIN`]s since the beginning.
    pub(crate) bins: Vec<u64>,
    pub(crate) tally: Tally,
    found_dead: BTreeSet<WorkerId>,
}

/// How often it happened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) roll_overs: u32,
    pub(crate) splits: u32,
    pub(crate) take_overs: u32,
    pub(crate) hand_offs: u32,
}

/// One line of the log.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) at: Duration,
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

/// How a line sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It happens all the time.
    Quiet,
    News,
    /// Somebody should look.
    Bad,
}

impl Chronicle {
    pub(crate) fn new(began: Instant) -> Self {
        Self {
            began,
            pages: Mutex::default(),
        }
    }

    /// Listens to one worker. It is called in the worker's own tasks, so it only counts and notes.
    pub(crate) fn of(self: &Arc<Self>, worker: &str) -> impl Observer + use<> {
        let (chronicle, worker) = (Arc::clone(self), worker.to_owned());
        move |event: &Event| chronicle.enter(&worker, event)
    }

    /// Adds a line of this program's own.
    pub(crate) fn news(&self, text: impl Into<String>) {
        self.note(Tone::News, text.into());
    }

    /// Adds a line about something bad that this program does.
    pub(crate) fn bad_news(&self, text: impl Into<String>) {
        self.note(Tone::Bad, text.into());
    }

    fn note(&self, tone: Tone, text: String) {
        let at = self.began.elapsed();
        self.read().add(Note { at, tone, text });
    }

    pub(crate) fn read(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, worker: &str, event: &Event) {
        let at = self.began.elapsed();
        let mut pages = self.read();
        pages.count(at, event);
        let told = match event {
            Event::WorkerFoundDead { worker } if !pages.found_dead.insert(worker.clone()) => None,
            _ => tell(worker, event),
        };
        if let Some(text) = told {
            let tone = tone(event);
            pages.add(Note { at, tone, text });
        }
    }
}

impl Pages {
    fn add(&mut self, note: Note) {
        if self.notes.len() < MOST_NOTES {
            self.notes.push(note);
        }
    }

    fn count(&mut self, at: Duration, event: &Event) {
        match event {
            Event::BatchProcessed { records, .. } => {
                let records = u64::try_from(*records).unwrap_or(0);
                self.processed += records;
                let bin = bin_of(at);
                if self.bins.len() <= bin {
                    self.bins.resize(bin + 1, 0);
                }
                self.bins[bin] += records;
            }
            Event::LeaseAcquired { shard, how, .. } => {
                self.shards.insert(shard.clone());
                match how {
                    Acquired::From(_) => self.tally.take_overs += 1,
                    Acquired::HandedOver => self.tally.hand_offs += 1,
                    _ => {}
                }
            }
            Event::ShardEnded {
                shard, children, ..
            } => {
                self.ended.insert(shard.clone(), at);
                for child in children {
                    self.parents.insert(child.clone(), shard.clone());
                }
                match children.len() {
                    0 => {}
                    1 => self.tally.roll_overs += 1,
                    _ => self.tally.splits += 1,
                }
            }
            _ => {}
        }
    }
}

pub(crate) fn bin_of(at: Duration) -> usize {
    usize::try_from(at.as_millis() / BIN.as_millis()).unwrap_or(0)
}

/// An event as a line for people; most events are for other readers.
fn tell(worker: &str, event: &Event) -> Option<String> {
    let line = match event {
        Event::WorkerJoined { .. } => format!("{worker} joined"),
        Event::WorkerLeft { abandoned: 0, .. } => format!("{worker} has left"),
        Event::WorkerLeft { abandoned, .. } => format!("{worker} left {abandoned} leases behind"),
        Event::WorkerDemoted { why, .. } => format!("{worker} gave itself up: {why}"),
        Event::WorkerFoundDead { worker: dead } => {
            format!("{worker} found {} dead", other(worker, dead))
        }
        Event::DiscoveryTaken { .. } => format!("{worker} lists the stream from now on"),
        Event::LeaseAcquired { shard, how, .. } => acquired(worker, &short(shard), how)?,
        Event::LeaseReleased { shard, to, .. } => {
            let to = to.as_ref().map(WorkerId::name)?;
            format!("{worker} hands {} over to {to}", short(shard))
        }
        Event::LeaseLost { shard, .. } => format!("{worker} lost {}", short(shard)),
        Event::ShardEnded {
            shard, children, ..
        } => ended(shard, children),
        Event::ShardStopped { shard, why, .. } => format!("{} stands still: {why}", short(shard)),
        Event::DataLost(loss) => {
            let (shard, from) = (short(&loss.shard), loss.from);
            format!("{shard} lost records after {from}: {:?}", loss.why)
        }
        Event::BatchFailed { shard, error, .. } => {
            let why = error.as_deref().unwrap_or("a panic");
            format!("a batch of {} failed: {why}", short(shard))
        }
        Event::CallFailed {
            action, message, ..
        } => format!("{worker}: {action}: {message}"),
        _ => return None,
    };
    Some(line)
}

fn tone(event: &Event) -> Tone {
    match event {
        Event::DiscoveryTaken { .. } => Tone::Quiet,
        Event::LeaseAcquired { how, .. } if *how == Acquired::Free => Tone::Quiet,
        Event::WorkerLeft { abandoned, .. } if *abandoned > 0 => Tone::Bad,
        Event::WorkerDemoted { .. } | Event::WorkerFoundDead { .. } => Tone::Bad,
        Event::LeaseLost { .. } | Event::ShardStopped { .. } | Event::DataLost(_) => Tone::Bad,
        Event::BatchFailed { .. } | Event::CallFailed { .. } => Tone::Bad,
        _ => Tone::News,
    }
}

fn acquired(worker: &str, shard: &str, how: &Acquired) -> Option<String> {
    match how {
        Acquired::Free => Some(format!("{worker} takes {shard}")),
        Acquired::From(owner) => {
            let owner = other(worker, owner);
            Some(format!("{worker} takes {shard} over from {owner}"))
        }
        // Told by its former owner, and by its parent's end.
        _ => None,
    }
}

/// A worker that came back meets its own former incarnation.
fn other<'a>(worker: &str, other: &'a WorkerId) -> &'a str {
    match other.name() {
        same if same == worker => "its former self",
        other => other,
    }
}

fn ended(shard: &ShardId, children: &[ShardId]) -> String {
    let shard = short(shard);
    let names: Vec<String> = children.iter().map(short).collect();
    match names.as_slice() {
        [] => format!("{shard} ended"),
        [child] => format!("{shard} rolled over to {child}"),
        many => format!("{shard} was split into {}", many.join(" and ")),
    }
}

/// The end of a shard's id: it begins with a time, which many of them share.
pub(crate) fn short(shard: &ShardId) -> String {
    let id = shard.as_str();
    let tail = id.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
    format!("…{}", &id[tail..])
}
