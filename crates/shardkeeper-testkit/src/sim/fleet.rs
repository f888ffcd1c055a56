//! The workers of a world: where each sits, and how it starts, crashes and leaves.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use shardkeeper::{
    Env, ErrorKind, Event, Halt, Machine, Outcome, StartPosition, Worker, WorkerHandle,
};

use super::beats::Beats;
use super::chaos::Fault;
use super::ground::{SECOND, Time};
use super::oracle::Fact;
use super::processor::Probe;
use super::scenario::{Beginning, Seam};
use super::world::line::Line;
use super::world::sdk;
use super::world::shards::TABLE;
use super::world::{ShardNo, Shared, World};

/// A worker that cannot be built is started again after this time, as by an orchestrator.
const RESTART: Duration = Duration::from_secs(5);
/// The greatest drift that the margin covers, in parts per million.
const MOST_DRIFT: i32 = 20_000;

/// All workers, by seat.
#[derive(Default)]
pub(crate) struct Fleet {
    pub(crate) seats: Vec<Seat>,
    /// Dice that two machines have had.
    copied_dice: BTreeSet<u64>,
}

/// A place for a worker, which may be taken by one life after another.
#[derive(Default)]
pub(crate) struct Seat {
    pub(crate) name: String,
    /// The dice of its next life, when another machine has the same.
    pub(crate) copied_dice: Option<u64>,
    pub(crate) dice: u64,
    pub(crate) life: u32,
    pub(crate) machine: Option<Machine>,
    pub(crate) handle: Option<Arc<WorkerHandle>>,
    /// Where it lives: its clock.
    pub(crate) env: Option<Env>,
    /// What it calls itself now.
    pub(crate) incarnation: Option<String>,
    pub(crate) beats: Beats,
    /// It crashes with its next write of a lease on its way.
    pub(crate) last_words: bool,
    /// It was asked to leave, then.
    pub(crate) leaving_since: Option<Time>,
    /// Something holds it up at times until then.
    pub(crate) halted_until: Time,
    /// Nobody comes back here.
    pub(crate) closed: bool,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seat({})", self.name)
    }
}

impl Seat {
    /// A worker is there and runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.machine
            .as_ref()
            .is_some_and(|machine| !machine.is_gone())
    }

    /// By its beats and its own clock it may believe in itself.
    pub(crate) fn may_believe(&self) -> bool {
        let clock = self.env.as_ref();
        clock.is_some_and(|clock| self.beats.entitlement.holds(clock.now()))
    }

    /// It runs and nothing holds it up.
    pub(crate) fn is_well(&self) -> bool {
        self.is_alive()
            && self
                .machine
                .as_ref()
                .is_some_and(|machine| !machine.is_halted())
            && self.leaving_since.is_none()
    }
}

impl Fleet {
    /// Another machine has or had the same dice: it draws the same names, and may have used them already. Two workers that
    /// share a name alone never meet in a row: what a worker calls itself in one has digits from its dice.
    pub(crate) fn is_copied(&self, seat: usize) -> bool {
        self.copied_dice.contains(&self.seats[seat].dice)
    }
}

impl World {
    /// Makes a place for a worker.
    pub(crate) fn seat(&mut self, name: Option<String>) -> usize {
        let seat = self.fleet.seats.len();
        let name = name.unwrap_or_else(|| format!("w{seat}"));
        self.fleet.seats.push(Seat {
            name,
            ..Seat::default()
        });
        seat
    }

    /// Starts a worker on a fresh machine.
    pub(crate) fn launch(&mut self, seat: usize) {
        let Some(world) = self.handle() else { return };
        let (offset, drift) = (self.clock_offset(), self.clock_drift());
        let machine = Machine::new(offset, drift);
        let fresh = self.dice.u64(..);
        let place = &mut self.fleet.seats[seat];
        if place.closed || place.is_alive() {
            return;
        }
        let copied = place.copied_dice.take();
        place.dice = copied.unwrap_or(fresh);
        place.life += 1;
        place.machine = Some(machine.clone());
        (place.handle, place.incarnation, place.leaving_since) = (None, None, None);
        place.last_words = false;
        let (life, dice) = (place.life, place.dice);
        if let Some(polls) = self.scenario.fuse.filter(|_| (seat, life) == (0, 1)) {
            machine.halt_after(polls, Halt::Crashed);
            self.watch_the_fuse(machine.clone());
        }
        self.fleet.copied_dice.extend(copied);
        let copy = copied.is_some();
        self.happened(Fact::Launched { seat, life, copy });
        let env = Env::on(&machine, dice);
        self.fleet.seats[seat].env = Some(env.clone());
        let post = Post {
            world,
            seat,
            life,
            env: env.clone(),
        };
        drop(env.spawn(post.work()));
    }

    /// What a machine's clock shows at its start. Where nothing is wrong with clocks, all show how old the world is.
    fn clock_offset(&mut self) -> Duration {
        if !self.weather.is_on(Fault::ClockSkew) {
            return Duration::from_millis(self.now);
        }
        self.weather.injected.count(Fault::ClockSkew);
        if self.dice.bool() {
            return Duration::from_millis(self.dice.u64(0..self.now));
        }
        Duration::from_secs(self.dice.u64(0..10 * 365 * 24 * 3600))
    }

    fn clock_drift(&mut self) -> i32 {
        if !self.weather.is_on(Fault::ClockDrift) {
            return 0;
        }
        self.weather.injected.count(Fault::ClockDrift);
        self.dice.i32(-MOST_DRIFT..=MOST_DRIFT)
    }

    /// Ends a worker's machine now, with all that it had in memory.
    pub(crate) fn crash(&mut self, seat: usize) {
        if let Some(machine) = self.fleet.seats[seat].machine.take() {
            machine.halt(Halt::Crashed);
            self.fleet.seats[seat].handle = None;
            self.fleet.seats[seat].leaving_since = None;
            self.happened(Fact::Crashed { seat });
        }
    }

    /// Asks a worker to leave.
    pub(crate) fn dismiss(&mut self, seat: usize) {
        if let Some(handle) = self.fleet.seats[seat]
            .handle
            .clone()
            .filter(|_| self.fleet.seats[seat].is_well())
        {
            self.fleet.seats[seat].leaving_since = Some(self.now);
            self.happened(Fact::Leaving { seat });
            handle.begin_shutdown();
        }
    }

    /// The seats whose workers run and nothing holds up.
    pub(crate) fn well(&self) -> Vec<usize> {
        let seats = self.fleet.seats.iter().enumerate();
        seats
            .filter(|(_, seat)| seat.is_well())
            .map(|(number, _)| number)
            .collect()
    }

    fn ended(&mut self, (seat, life): (usize, u32), result: Result<Outcome, shardkeeper::Error>) {
        if self.fleet.seats[seat].life != life {
            return;
        }
        if let Err(error) = &result
            && error.kind() == ErrorKind::Internal
        {
            self.oracle
                .accuse(self.now, "panic", format!("w{seat} ended with {error}"));
        }
        if result.as_ref().is_ok_and(|how| *how != Outcome::Left) {
            // They read a table, which never ends.
            let told = format!("w{seat} took the table's streams for over");
            self.oracle.accuse(self.now, "end", told);
        }
        let place = &mut self.fleet.seats[seat];
        (
            place.machine,
            place.handle,
            place.leaving_since,
            place.incarnation,
        ) = (None, None, None, None);
        self.happened(Fact::Ended {
            seat,
            why: result.err().map(|error| error.to_string()),
        });
        let pause = self.dice.u64(SECOND..20 * SECOND);
        self.after(pause, move |world| world.launch(seat));
    }
}

/// What one life of a worker is given.
struct Post {
    world: Shared,
    seat: usize,
    life: u32,
    env: Env,
}

impl Post {
    /// Works until the worker has ended. Runs on the worker's own machine.
    async fn work(self) {
        let Self {
            world,
            seat,
            life,
            env,
        } = self;
        let worker = loop {
            match Self::build(&world, seat, &env).await {
                Ok(worker) => break worker,
                Err(_) => env.sleep(RESTART).await,
            }
        };
        let (probes, probing) = (world.clone(), env.clone());
        let handle =
            Arc::new(worker.spawn(move |cx| Probe::new(probes.clone(), seat, probing.clone(), cx)));
        let kept = Arc::clone(&handle);
        world.with(|world| {
            if world.fleet.seats[seat].life == life {
                world.fleet.seats[seat].handle = Some(kept);
            }
        });
        let result = handle.join().await;
        world.with(|world| world.ended((seat, life), result));
    }

    async fn build(world: &Shared, seat: usize, env: &Env) -> Result<Worker, shardkeeper::Error> {
        let (name, scenario) = {
            let world = world.lock();
            (world.fleet.seats[seat].name.clone(), world.scenario.clone())
        };
        let start = if scenario.beginning == Beginning::Latest {
            StartPosition::Latest
        } else {
            StartPosition::TrimHorizon
        };
        let (listens, decision) = (world.clone(), scenario.decision);
        let call = millis(scenario.settings.call_timeout);
        let builder = Worker::builder("sim").table(TABLE);
        let builder = match scenario.seam {
            Seam::Port => {
                let line = Arc::new(Line::new(world.clone(), seat, call));
                builder.ports(line.clone(), line)
            }
            Seam::Sdk => {
                let line = Line::new(world.clone(), seat, sdk::PATIENCE);
                builder
                    .lease_table(sdk::LEASES)
                    .aws_config(&sdk::config(line, env))
            }
        };
        builder
            .worker_name(name)
            .env(env.clone())
            .start(start)
            .settings(scenario.settings)
            .on_data_loss(move |_| decision)
            .observer(move |event: &Event| listen(&listens, seat, event))
            .build()
            .await
    }
}

/// Takes down what a worker says of itself.
fn listen(world: &Shared, seat: usize, event: &Event) {
    if matches!(
        event,
        Event::PageFetched { .. } | Event::BatchDelivered { .. }
    ) {
        return;
    }
    world.with(|world| {
        world.take_down_standing(seat, event);
        let shard = world.shard_in(event);
        world.happened(Fact::Said {
            seat,
            shard,
            event: Box::new(event.clone()),
        });
    });
}

impl World {
    fn take_down_standing(&mut self, seat: usize, event: &Event) {
        let entitled_for = self.entitled_for();
        match event {
            Event::WorkerJoined { worker } => {
                let place = &mut self.fleet.seats[seat];
                place.incarnation = Some(worker.to_string());
                place.beats.joined(entitled_for);
            }
            Event::WorkerFoundDead { worker } => self.judge_verdict(seat, worker),
            Event::WorkerDemoted { why, .. } => {
                self.judge_demotion(seat, why);
                self.fleet.seats[seat].beats.entitlement.ends();
            }
            Event::WorkerLeft { .. } => self.fleet.seats[seat].beats.entitlement.ends(),
            _ => {}
        }
    }

    fn shard_in(&self, event: &Event) -> Option<ShardNo> {
        let id = match event {
            Event::LeaseAcquired { shard, .. }
            | Event::LeaseReleased { shard, .. }
            | Event::LeaseLost { shard, .. }
            | Event::BatchProcessed { shard, .. }
            | Event::BatchFailed { shard, .. }
            | Event::DeferralDropped { shard, .. }
            | Event::RecordSkipped { shard, .. }
            | Event::CheckpointStored { shard, .. }
            | Event::ShardEnded { shard, .. }
            | Event::ShardStopped { shard, .. }
            | Event::IteratorExpired { shard, .. } => shard,
            Event::DataLost(loss) => &loss.shard,
            _ => return None,
        };
        self.streams
            .streams
            .iter()
            .rev()
            .find_map(|stream| stream.by_id.get(id).copied())
    }
}

pub(crate) fn millis(duration: Duration) -> Time {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
