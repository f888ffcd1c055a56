//! The workers of a world: how each starts, goes on and leaves.

use std::sync::Arc;
use std::time::Duration;

use shardkeeper::{
    Decision, Env, Event, Machine, RecordProcessor, Settings, ShardContext, StartPosition, Worker,
};

use super::line::Line;
use super::stage::{Stage, TABLE};
use super::watch::Watch;

/// Between two looks at who is to come and to go on.
const LOOK: Duration = Duration::from_millis(250);

/// What every worker is given.
pub(super) struct Crew<F> {
    pub(super) stage: Stage,
    pub(super) factory: Arc<F>,
    pub(super) settings: Settings,
    pub(super) decision: Decision,
}

impl<F> Clone for Crew<F> {
    fn clone(&self) -> Self {
        Self {
            stage: self.stage.clone(),
            factory: Arc::clone(&self.factory),
            settings: self.settings.clone(),
            decision: self.decision,
        }
    }
}

impl<P, F> Crew<F>
where
    P: RecordProcessor,
    F: Fn(&ShardContext) -> P + Send + Sync + 'static,
{
    /// Lets workers come and go on when it is their time, for ever.
    pub(super) async fn tend(self) {
        loop {
            for seat in self.due() {
                self.launch(seat);
            }
            self.stage.sleep(LOOK).await;
        }
    }

    fn due(&self) -> Vec<usize> {
        let mut state = self.stage.lock();
        let now = state.now();
        let mut due = Vec::new();
        for seat in 0..state.seats.len() {
            let place = &mut state.seats[seat];
            if place.back_at.is_some_and(|at| at <= now) {
                place.back_at = None;
                due.push(seat);
            }
            if place.thaw_at.is_some_and(|at| at <= now) {
                place.thaw_at = None;
                if let Some(machine) = &place.machine {
                    machine.go_on();
                }
                state.tell(None, format!("w{seat} goes on"));
            }
        }
        due
    }

    fn launch(&self, seat: usize) {
        let machine = Machine::new(Duration::ZERO, 0);
        let mut state = self.stage.lock();
        let dice = state.dice.u64(..);
        let place = &mut state.seats[seat];
        place.life += 1;
        let life = place.life;
        place.machine = Some(machine.clone());
        state.tell(None, format!("w{seat} starts"));
        drop(state);
        let env = Env::on(&machine, dice);
        drop(env.clone().spawn(self.clone().work(seat, life, env)));
    }

    /// Works until the worker has ended. Runs on the worker's own machine.
    async fn work(self, seat: usize, life: u32, env: Env) {
        let worker = loop {
            match self.build(seat, &env).await {
                Ok(worker) => break worker,
                Err(_) => env.sleep(Duration::from_secs(2)).await,
            }
        };
        let (stage, factory) = (self.stage.clone(), Arc::clone(&self.factory));
        let handle = Arc::new(worker.spawn(move |cx| Watch {
            inner: factory(cx),
            stage: stage.clone(),
            seat,
            attempt: 0,
        }));
        self.stage.lock().seats[seat].handle = Some(Arc::clone(&handle));
        let ended = handle.join().await;
        let mut state = self.stage.lock();
        let back_at = state.now() + Duration::from_secs(1);
        let place = &mut state.seats[seat];
        if place.life == life {
            (place.machine, place.handle) = (None, None);
            (place.back_at, place.thaw_at) = (Some(back_at), None);
        }
        let how = ended.map_or_else(
            |why| format!("w{seat} ends: {why}"),
            |_| format!("w{seat} has left"),
        );
        state.tell(None, how);
    }

    async fn build(&self, seat: usize, env: &Env) -> Result<Worker, shardkeeper::Error> {
        let line = Arc::new(Line::new(&self.stage));
        let (stage, decision) = (self.stage.clone(), self.decision);
        Worker::builder("world")
            .table(TABLE)
            .worker_name(format!("w{seat}"))
            .ports(line.clone(), line)
            .env(env.clone())
            .start(StartPosition::TrimHorizon)
            .settings(self.settings.clone())
            .on_data_loss(move |_| decision)
            .observer(move |event: &Event| listen(&stage, seat, event))
            .build()
            .await
    }
}

/// Takes down what a worker says of itself.
fn listen(stage: &Stage, seat: usize, event: &Event) {
    let mut state = stage.lock();
    match event {
        Event::LeaseAcquired {
            shard,
            epoch,
            from,
            how,
            ..
        } => {
            let text = format!("w{seat} has the lease from {from} on under token {epoch}, {how:?}");
            state.tell(Some(shard), text);
            if let Some(shard) = state.shards.get_mut(shard) {
                (shard.owner, shard.acquired) = (Some(seat), shard.acquired + 1);
            }
        }
        Event::LeaseReleased { shard, at, .. } => {
            state.tell(Some(shard), format!("w{seat} lets the lease go at {at}"));
        }
        Event::LeaseLost { shard, .. } => {
            state.tell(Some(shard), format!("w{seat} has lost the lease"));
        }
        Event::CheckpointStored {
            shard, checkpoint, ..
        } => state.tell(
            Some(shard),
            format!("w{seat} stores checkpoint {checkpoint}"),
        ),
        Event::ShardEnded { shard, .. } => {
            state.tell(Some(shard), format!("w{seat} has finished the shard"));
        }
        Event::ShardStopped { shard, why, .. } => {
            state.tell(Some(shard), format!("the shard is stopped: {why}"));
        }
        Event::RecordSkipped {
            shard,
            sequence_number,
            ..
        } => {
            let text = format!("the processor of w{seat} skips record {sequence_number}");
            state.tell(Some(shard), text);
            state.skipped.push(*sequence_number);
        }
        Event::DataLost(loss) => {
            let text = format!(
                "w{seat} tells of a loss after {}: {:?}",
                loss.from, loss.why
            );
            state.tell(Some(&loss.shard), text);
            if let Some(shard) = state.shards.get_mut(&loss.shard) {
                shard.losses += 1;
            }
            state.losses.push(loss.clone());
        }
        Event::WorkerFoundDead { worker } => {
            state.tell(None, format!("w{seat} finds {worker} dead"));
        }
        Event::IteratorExpired { shard, .. } => {
            state.tell(Some(shard), format!("the iterator of w{seat} has expired"));
        }
        _ => {}
    }
}
