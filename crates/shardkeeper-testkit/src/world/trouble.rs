//! What happens in a world of dice.

use std::time::Duration;

use super::builder::{Adversity, WorldBuilder};
use super::stage::{Stage, State};
use crate::memory::ItemChange;

/// How long a hostile world is hostile.
const TROUBLE: Duration = Duration::from_secs(4 * 60);
/// Nothing happens before the first worker has come.
const CALM: Duration = Duration::from_secs(15);
/// Between two changes when all is well: each has a second of its own.
const QUIET_PACE: Duration = Duration::from_millis(1_500);
/// Changes of one burst.
const BURST: usize = 6;

/// What happens at some moment.
enum Act {
    Write(ItemChange),
    Meet(Adversity),
}

/// How long it takes when nothing is in the way.
pub(super) fn length(world: &WorldBuilder) -> Duration {
    let changes = u32::try_from(world.changes.len()).unwrap_or(u32::MAX);
    TROUBLE.max(QUIET_PACE.saturating_mul(changes))
}

/// Plays the whole trouble.
pub(super) async fn play(stage: &Stage, world: &WorldBuilder) {
    let agenda = {
        let mut state = stage.lock();
        let roots: Vec<String> = (0..world.shards)
            .map(|root| format!("{root:08x}"))
            .collect();
        state.begin(&roots);
        if world.adversities.contains(&Adversity::Redelivery) {
            state.redeliveries = 1 + state.dice.u32(0..4);
        }
        if world.adversities.contains(&Adversity::Burst) {
            let bursts = world.changes.len().div_ceil(BURST);
            (0..bursts).for_each(|_| state.meet(Adversity::Burst));
        }
        agenda(&mut state.dice, world)
    };
    for (at, act) in agenda {
        let pause = at.saturating_sub(stage.lock().now());
        stage.sleep(pause).await;
        match act {
            Act::Write(change) => stage.lock().write(change),
            Act::Meet(adversity) => meet(stage, world, adversity).await,
        }
    }
    stage.lock().redeliveries = 0;
}

fn agenda(dice: &mut fastrand::Rng, world: &WorldBuilder) -> Vec<(Duration, Act)> {
    let changes = world.changes.clone().into_vec();
    let hostile = !world.adversities.is_empty();
    let mut moments: Vec<Duration> = if hostile {
        (0..changes.len()).map(|_| moment(dice)).collect()
    } else {
        (1..)
            .map(|nth| QUIET_PACE * nth)
            .take(changes.len())
            .collect()
    };
    moments.sort();
    if world.adversities.contains(&Adversity::Burst) {
        for burst in moments.chunks_mut(BURST) {
            // In the first half of a second, so that the changes of it share its number.
            let first = Duration::from_secs(burst[0].as_secs());
            for (nth, moment) in (0..).zip(burst) {
                *moment = first + Duration::from_millis(90) * nth;
            }
        }
    }
    let mut agenda: Vec<(Duration, Act)> = moments
        .into_iter()
        .zip(changes.into_iter().map(Act::Write))
        .collect();
    for &adversity in &world.adversities {
        for _ in 0..times(dice, adversity) {
            agenda.push((moment(dice), Act::Meet(adversity)));
        }
    }
    // Stable: changes keep their order.
    agenda.sort_by_key(|(at, _)| *at);
    agenda
}

fn moment(dice: &mut fastrand::Rng) -> Duration {
    let (from, to) = (CALM.as_millis() as u64, TROUBLE.as_millis() as u64);
    Duration::from_millis(dice.u64(from..to))
}

fn times(dice: &mut fastrand::Rng, adversity: Adversity) -> usize {
    match adversity {
        Adversity::RollOver | Adversity::Crash => 1 + dice.usize(0..3),
        Adversity::Split | Adversity::TakeOver | Adversity::Deploy => 1 + dice.usize(0..2),
        Adversity::Throttle | Adversity::IteratorExpiry => 2 + dice.usize(0..3),
        Adversity::EmptyPages => 2 + dice.usize(0..4),
        // How changes are spread, and what a watch does.
        Adversity::Burst | Adversity::Redelivery => 0,
    }
}

async fn meet(stage: &Stage, world: &WorldBuilder, adversity: Adversity) {
    if matches!(
        adversity,
        Adversity::Crash | Adversity::TakeOver | Adversity::Deploy
    ) {
        let seat = somebody(stage).await;
        let mut state = stage.lock();
        state.meet(adversity);
        let pause = world.settings.lease_duration * state.dice.u32(2..6);
        return match adversity {
            Adversity::Crash => state.crash(seat, ""),
            Adversity::TakeOver => state.freeze(seat, pause),
            _ => state.dismiss(seat),
        };
    }
    let mut state = stage.lock();
    let open = state.open_shards();
    let id = open[state.dice.usize(0..open.len())].clone();
    state.meet(adversity);
    let calls = state.dice.u32(1..6);
    match adversity {
        Adversity::RollOver => {
            let child = salt(&mut state);
            state.end(&id, &[child]);
        }
        Adversity::Split => {
            let children = [salt(&mut state), salt(&mut state)];
            state.end(&id, &children);
        }
        Adversity::Throttle => {
            state.table_failures += calls;
            state.tell(Some(&id), "calls are throttled");
            state
                .shards
                .entry(id)
                .and_modify(|shard| shard.throttles += calls);
        }
        Adversity::IteratorExpiry => {
            state
                .shards
                .entry(id)
                .and_modify(|shard| shard.expired = true);
        }
        _ => {
            state.tell(Some(&id), "pages are empty for a while");
            state
                .shards
                .entry(id)
                .and_modify(|shard| shard.blanks += calls);
        }
    }
}

fn salt(state: &mut State) -> String {
    format!("{:08x}", state.dice.u32(..))
}

/// A worker to whom something can happen, rather one with a shard. Waits until there is one.
async fn somebody(stage: &Stage) -> usize {
    loop {
        let found = {
            let mut state = stage.lock();
            let well = state.well();
            let owners: Vec<usize> = state
                .shards
                .values()
                .filter(|shard| shard.open)
                .filter_map(|shard| shard.owner)
                .filter(|owner| well.contains(owner))
                .collect();
            let from = if owners.is_empty() { well } else { owners };
            (!from.is_empty()).then(|| from[state.dice.usize(0..from.len())])
        };
        if let Some(seat) = found {
            return seat;
        }
        stage.sleep(Duration::from_secs(1)).await;
    }
}
