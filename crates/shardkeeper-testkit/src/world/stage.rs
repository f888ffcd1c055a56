//! Everything that a world is made of, behind one lock, and what happened in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use shardkeeper::{Checkpoint, DataLoss, Halt, Machine, SequenceNumber, ShardId, WorkerHandle};
use shardkeeper_core::lease::{Lease, lease_key};

use super::builder::Adversity;
use super::run::Handed;
use crate::memory::{ItemChange, MemoryLeases, MemoryStreams};

/// The name of the table.
pub(super) const TABLE: &str = "world";
/// Where virtual time begins, in seconds since 1970.
pub(super) const EPOCH: u64 = 1_795_000_000;

/// A handle to the stage.
#[derive(Clone)]
pub(super) struct Stage(Arc<Mutex<State>>);

pub(super) struct State {
    start: tokio::time::Instant,
    pub(super) dice: fastrand::Rng,
    pub(super) streams: MemoryStreams,
    pub(super) leases: MemoryLeases,
    pub(super) seats: Vec<Seat>,
    pub(super) shards: BTreeMap<ShardId, Shard>,
    pub(super) written: BTreeMap<SequenceNumber, Written>,
    pub(super) handed: Vec<Handed>,
    pub(super) losses: Vec<DataLoss>,
    pub(super) skipped: Vec<SequenceNumber>,
    pub(super) met: BTreeMap<Adversity, u64>,
    pub(super) story: Vec<Told>,
    /// So many more workers may crash between a batch and its checkpoint.
    pub(super) redeliveries: u32,
    /// So many more calls of the lease table fail.
    pub(super) table_failures: u32,
}

/// One line of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) at: Duration,
    /// `None` when it concerns all shards.
    pub(super) shard: Option<ShardId>,
    pub(super) text: String,
}

/// A record that was written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) shard: ShardId,
    /// `None` when nobody was ever to get it: it is undecodable, or was trimmed at once.
    pub(super) key: Option<String>,
}

/// One shard, as the world sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Shard {
    pub(super) open: bool,
    parent: Option<ShardId>,
    /// It gets the items whose hash leaves this remainder.
    remainder: u64,
    modulus: u64,
    pub(super) last: Option<SequenceNumber>,
    /// How many plain changes it got.
    plain: usize,
    pub(super) owner: Option<usize>,
    pub(super) throttles: u32,
    pub(super) blanks: u32,
    pub(super) expired: bool,
    /// Whoever has handled this record crashes.
    pub(super) crash_after: Option<SequenceNumber>,
    /// How often it was acquired.
    pub(super) acquired: u32,
    pub(super) losses: u32,
}

/// A place for a worker, taken by one life after another.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) life: u32,
    pub(super) machine: Option<Machine>,
    pub(super) handle: Option<Arc<WorkerHandle>>,
    /// Somebody comes here then.
    pub(super) back_at: Option<Duration>,
    /// It goes on then.
    pub(super) thaw_at: Option<Duration>,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "the world's own clock")]
    pub(super) fn new(seed: u64, workers: usize) -> Self {
        let seats = (0..workers).map(|seat| Seat {
            back_at: Some(Duration::from_millis(700 * seat as u64)),
            ..Seat::default()
        });
        Self(Arc::new(Mutex::new(State {
            start: tokio::time::Instant::now(),
            dice: fastrand::Rng::with_seed(seed),
            streams: MemoryStreams::new(TABLE),
            leases: MemoryLeases::new(),
            seats: seats.collect(),
            shards: BTreeMap::new(),
            written: BTreeMap::new(),
            handed: Vec::new(),
            losses: Vec::new(),
            skipped: Vec::new(),
            met: BTreeMap::new(),
            story: Vec::new(),
            redeliveries: 0,
            table_failures: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits.
    #[expect(clippy::disallowed_methods, reason = "the world's own clock")]
    pub(super) async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

impl State {
    /// Virtual time since the world began.
    #[expect(clippy::disallowed_methods, reason = "the world's own clock")]
    pub(super) fn now(&self) -> Duration {
        tokio::time::Instant::now().duration_since(self.start)
    }

    pub(super) fn tell(&mut self, shard: Option<&ShardId>, text: impl Into<String>) {
        let told = Told {
            at: self.now(),
            shard: shard.cloned(),
            text: text.into(),
        };
        self.story.push(told);
    }

    pub(super) fn meet(&mut self, adversity: Adversity) {
        *self.met.entry(adversity).or_default() += 1;
    }

    /// Makes the shards of a beginning, which share all items.
    pub(super) fn begin(&mut self, names: &[String]) {
        let modulus = names.len() as u64;
        for (name, remainder) in names.iter().zip(0..) {
            self.make(name, None, (remainder, modulus));
        }
    }

    fn make(&mut self, name: &str, parent: Option<&ShardId>, (remainder, modulus): (u64, u64)) {
        let id = format!("shardId-{:020}-{name}", self.shards.len() + 1);
        let id = self.streams.add_shard(&id, parent);
        self.tell(Some(&id), format!("{id} is open"));
        let shard = Shard {
            open: true,
            parent: parent.cloned(),
            remainder,
            modulus,
            ..Shard::default()
        };
        self.shards.insert(id, shard);
    }

    /// Ends a shard; children of these names share its items.
    pub(super) fn end(&mut self, id: &ShardId, children: &[String]) {
        let Some(shard) = self.shards.get_mut(id).filter(|shard| shard.open) else {
            return;
        };
        shard.open = false;
        let (remainder, modulus) = (shard.remainder, shard.modulus);
        if self.streams.close(id).is_ok() {
            self.tell(Some(id), format!("{id} is closed"));
        }
        let count = children.len() as u64;
        for (name, nth) in children.iter().zip(0..) {
            let share = (remainder + nth * modulus, modulus * count);
            self.make(name, Some(id), share);
        }
    }

    pub(super) fn open_shards(&self) -> Vec<ShardId> {
        let open = self.shards.iter().filter(|(_, shard)| shard.open);
        open.map(|(id, _)| id.clone()).collect()
    }

    /// Writes a change to the shard that has its item.
    pub(super) fn write(&mut self, change: ItemChange) {
        let hash = hash(&change.key());
        let has = |shard: &Shard| shard.open && hash % shard.modulus == shard.remainder;
        let found = self.shards.iter().find(|(_, shard)| has(shard));
        if let Some(id) = found.map(|(id, _)| id.clone()) {
            self.write_to(&id, change);
        }
    }

    /// Writes a change to this shard.
    pub(super) fn write_to(&mut self, id: &ShardId, change: ItemChange) {
        let change = change.at(EPOCH + self.now().as_secs());
        if let Ok(number) = self.streams.push(id, &change) {
            self.wrote(id, number, Some(change.key()));
        }
    }

    /// Writes a change of an item that only this shard has.
    pub(super) fn write_plain(&mut self, id: &ShardId) {
        let Some(shard) = self.shards.get_mut(id) else {
            return;
        };
        shard.plain += 1;
        let key = json!({"id": {"S": id.as_str()}});
        let version = json!({"N": shard.plain.to_string()});
        let image = json!({"id": {"S": id.as_str()}, "version": version});
        self.write_to(id, ItemChange::insert(key, image));
    }

    /// Writes a record that nobody can decode.
    pub(super) fn write_undecodable(&mut self, id: &ShardId) {
        if let Ok(number) = self.streams.push_undecodable(id) {
            self.wrote(id, number, None);
            self.tell(Some(id), "an undecodable record was written");
        }
    }

    /// Writes changes of an item and trims them at once.
    pub(super) fn write_trimmed(&mut self, id: &ShardId, records: usize) {
        let before = self.shards.get(id).and_then(|shard| shard.last);
        for _ in 0..records {
            self.write_plain(id);
        }
        self.streams.trim(id);
        let lost = |(number, written): &(&SequenceNumber, &mut Written)| {
            written.shard == *id && before.is_none_or(|before| **number > before)
        };
        let lost = self.written.iter_mut().filter(lost);
        lost.for_each(|(_, written)| written.key = None);
        if let Some(shard) = self.shards.get_mut(id) {
            shard.last = before;
        }
        self.tell(Some(id), format!("{records} records were trimmed unread"));
    }

    fn wrote(&mut self, id: &ShardId, number: SequenceNumber, key: Option<String>) {
        if let Some(shard) = self.shards.get_mut(id).filter(|_| key.is_some()) {
            shard.last = Some(number);
        }
        let shard = id.clone();
        self.written.insert(number, Written { shard, key });
    }

    /// The lease of a shard as the table has it.
    pub(super) fn lease(&self, id: &ShardId) -> Option<Lease> {
        let key = lease_key(&self.streams.arn(), id);
        let rows = self.leases.rows();
        Lease::parse(rows.iter().find(|row| row.key == key)?).ok()
    }

    /// True when everything that was written to the shard so far is acknowledged, and that is stored, or nobody ever
    /// will.
    pub(super) fn is_settled(&self, id: &ShardId) -> bool {
        let Some(shard) = self.shards.get(id) else {
            return true;
        };
        let Some(lease) = self.lease(id) else {
            // Nobody begins the child of a shard that stands still.
            return shard
                .parent
                .as_ref()
                .is_some_and(|parent| self.is_stopped(parent));
        };
        let reached = match (lease.checkpoint, shard.last) {
            (Checkpoint::ShardEnd, _) => true,
            _ if !shard.open => false,
            (Checkpoint::After(at), Some(last)) => at >= last,
            (_, last) => last.is_none(),
        };
        reached || lease.stopped.is_some()
    }

    /// True when nobody reads the shard until somebody decides.
    pub(super) fn is_stopped(&self, id: &ShardId) -> bool {
        let parent = || self.shards.get(id).and_then(|shard| shard.parent.as_ref());
        match self.lease(id) {
            Some(lease) => lease.stopped.is_some(),
            None => parent().is_some_and(|parent| self.is_stopped(parent)),
        }
    }

    /// Ends a worker's machine with all that it had in memory; another life begins there later.
    pub(super) fn crash(&mut self, seat: usize, why: &str) {
        let pause = Duration::from_millis(self.dice.u64(4_000..20_000));
        let back_at = self.now() + pause;
        let place = &mut self.seats[seat];
        if let Some(machine) = place.machine.take() {
            (place.handle, place.back_at, place.thaw_at) = (None, Some(back_at), None);
            machine.halt(Halt::Crashed);
            self.tell(None, format!("w{seat} crashes{why}"));
        }
    }

    /// Stops a worker for so long.
    pub(super) fn freeze(&mut self, seat: usize, pause: Duration) {
        let thaw_at = self.now() + pause;
        let place = &mut self.seats[seat];
        if let Some(machine) = &place.machine {
            machine.halt(Halt::Frozen);
            place.thaw_at = Some(thaw_at);
            self.tell(None, format!("w{seat} stands still"));
        }
    }

    /// Asks a worker to leave; another one comes.
    pub(super) fn dismiss(&mut self, seat: usize) {
        if let Some(handle) = &self.seats[seat].handle {
            handle.begin_shutdown();
            self.tell(None, format!("w{seat} is asked to leave"));
        }
    }

    /// The seats whose workers run.
    pub(super) fn well(&self) -> Vec<usize> {
        let well = |(number, seat): (usize, &Seat)| {
            let machine = seat.machine.as_ref()?;
            (!machine.is_halted() && seat.handle.is_some()).then_some(number)
        };
        self.seats.iter().enumerate().filter_map(well).collect()
    }
}

fn hash(key: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    key.bytes().fold(0xcbf2_9ce4_8422_2325, fold) >> 17
}
