//! The model of the service and of everything else that workers meet: one value behind one lock.

mod fare;
pub(crate) mod line;
mod listing;
mod readers;
mod reading;
pub(crate) mod sdk;
pub(crate) mod shards;
mod table;
mod weather;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use shardkeeper_core::checkpoint::Timestamp;
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::row::RowKey;

use tokio::sync::Notify;

use self::sdk::Desk;
pub(crate) use self::shards::{ShardNo, Streams};
pub(crate) use self::weather::{Episode, Op, Weather};
use super::agenda::{Agenda, Deed};
use super::calm::Calm;
use super::fleet::Fleet;
use super::ground::{Clock, Time};
use super::oracle::{Fact, Oracle, Scene};
use super::scenario::{Beginning, Scenario};
use crate::memory::leases::Table;

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) scenario: Scenario,
    pub(crate) dice: fastrand::Rng,
    pub(crate) agenda: Agenda,
    pub(crate) streams: Streams,
    pub(crate) table: Table,
    /// The same on the emulator, where workers reach it through the SDK.
    desk: Option<Desk>,
    pub(crate) weather: Weather,
    /// When the call was sent that is being served.
    served: Option<Time>,
    /// Writes on their way that arrive just before another one of their row.
    held_back: Vec<(RowKey, Deed)>,
    pub(crate) fleet: Fleet,
    pub(crate) oracle: Oracle,
    /// Faults are over; the world must converge.
    pub(crate) healing: bool,
    pub(crate) calm: Calm,
    /// Nothing more happens.
    pub(crate) over: bool,
    /// What the driver waits for.
    armed: Option<Time>,
    me: Weak<Inner>,
}

/// A handle to the world.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    world: Mutex<World>,
    clock: Clock,
    changed: Notify,
}

impl World {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let mut dice = fastrand::Rng::with_seed(scenario.seed);
        let clock = super::ground::BIRTH;
        Self {
            now: clock,
            agenda: Agenda::default(),
            streams: Streams::new(&mut dice),
            table: Table::default(),
            desk: None,
            weather: Weather::new(&scenario),
            served: None,
            held_back: Vec::new(),
            fleet: Fleet::default(),
            oracle: Oracle::new(),
            healing: false,
            calm: Calm::default(),
            over: false,
            armed: None,
            me: Weak::new(),
            scenario,
            dice,
        }
    }

    /// Enters something into the agenda.
    pub(crate) fn at(&mut self, at: Time, deed: impl FnOnce(&mut World) + Send + 'static) {
        self.agenda.enter(at, Box::new(deed));
    }

    /// The same, so much later than now.
    pub(crate) fn after(&mut self, wait: Time, deed: impl FnOnce(&mut World) + Send + 'static) {
        self.at(self.now + wait, deed);
    }

    /// The same, so much later or when somebody else is about to write this row.
    fn hold_back(&mut self, row: RowKey, latest: Time, deed: Deed) {
        self.held_back.push((row.clone(), deed));
        self.after(latest, move |world| world.let_arrive(&row));
    }

    /// What was held back because of this row arrives.
    pub(crate) fn let_arrive(&mut self, row: &RowKey) {
        let ours = |(key, _): &mut (RowKey, Deed)| key == row;
        let arrive: Vec<(RowKey, Deed)> = self.held_back.extract_if(.., ours).collect();
        for (_, deed) in arrive {
            deed(self);
        }
    }

    /// Writes down what happened, and has it judged.
    pub(crate) fn happened(&mut self, fact: Fact) {
        let made = match fact {
            Fact::ShardMade { shard, .. } => Some(shard),
            _ => None,
        };
        let (oracle, scene) = self.scene();
        oracle.happened(&scene, fact);
        if let Some(shard) = made {
            self.introduce(shard);
        }
    }

    /// Says who is who, in a story that is told.
    pub(crate) fn introduce(&mut self, shard: ShardNo) {
        if !self.oracle.story.is_told() {
            return;
        }
        let known = &self.streams.shards[shard];
        self.happened(Fact::Introduced {
            shard,
            id: known.id.clone(),
            parent: known.parent,
            closed: known.closed_at.is_some(),
            records: known.records.len(),
        });
    }

    /// The oracle, and what it may look at.
    pub(crate) fn scene(&mut self) -> (&mut Oracle, Scene<'_>) {
        let latest = self.scenario.beginning == Beginning::Latest;
        let group = if latest {
            self.table.rows.get(&group_key())
        } else {
            None
        };
        let group = group.and_then(GroupRow::parse);
        let scene = Scene {
            now: self.now,
            streams: &self.streams,
            scenario: &self.scenario,
            healing: self.healing,
            started_at: group
                .and_then(|group| group.started_at)
                .map(Timestamp::millis),
        };
        (&mut self.oracle, scene)
    }

    /// A handle to this world, while it lasts.
    pub(crate) fn handle(&self) -> Option<Shared> {
        self.me.upgrade().map(Shared)
    }

    pub(crate) fn chance(&mut self, in_ten_thousand: u32) -> bool {
        self.dice.u32(0..10_000) < in_ten_thousand
    }
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new_cyclic(|me| {
            let me = me.clone();
            Inner {
                world: Mutex::new(World { me, ..world }),
                clock: Clock::start(),
                changed: Notify::new(),
            }
        }))
    }

    /// The world as it is now.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.now = self.0.clock.now();
        world
    }

    /// Looks at the world and changes it, and sees to it that what was entered happens in time.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let seen = look(&mut world);
        if earlier(world.agenda.next_at(), world.armed) {
            self.0.changed.notify_one();
        }
        seen
    }

    /// Makes happen what is entered, until the world is over.
    pub(crate) async fn drive(&self) {
        loop {
            let due = {
                let mut world = self.lock();
                let now = world.now;
                while let Some(deed) = world.agenda.due(now) {
                    deed(&mut world);
                }
                if world.over || world.oracle.is_satisfied() {
                    return;
                }
                world.armed = world.agenda.next_at();
                world.armed
            };
            let wait = async {
                match due {
                    Some(at) => self.0.clock.until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.0.changed.notified() => {}
                () = wait => {}
            }
        }
    }
}

fn earlier(next: Option<Time>, armed: Option<Time>) -> bool {
    match (next, armed) {
        (Some(next), Some(armed)) => next < armed,
        (next, None) => next.is_some(),
        (None, Some(_)) => false,
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}
