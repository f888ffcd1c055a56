//! What happens when.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::Failure;
use crate::fleet::{Glimpse, Standing};
use crate::stage::Stage;
use crate::writers;

/// One thing that this program does to the stream or to the fleet. Everything else (roll-overs, take-overs,
/// hand-offs) comes by itself.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// A shard gets too hot and becomes two.
    Split,
    /// The busiest worker dies. Its shards wait until its leases expire.
    Kill,
    /// Whatever watches over processes starts it again.
    Revive,
    /// The busiest worker leaves in order: its shards move on at once.
    Leave,
    /// It comes back with the new version, and asks for its share.
    Return,
}

/// Milliseconds from the first record.
const ACTS: &[(u64, Act)] = &[
    (1_500, Act::Split),
    (3_000, Act::Kill),
    (5_000, Act::Split),
    (7_500, Act::Revive),
    (9_000, Act::Leave),
    (9_500, Act::Split),
    (10_500, Act::Return),
];

/// A fleet of one has nobody to take over, so its dead worker is started again after this.
const RESTART: Duration = Duration::from_millis(500);

/// How often somebody looks whether the last records have come.
const LOOK: Duration = Duration::from_millis(50);

/// Plays the whole run: returns when every record was delivered and every worker has left.
pub(crate) async fn play(stage: &Stage) -> Result<(), Failure> {
    tokio::select! {
        biased;
        failure = stage.fleet.first_failure() => Err(failure),
        played = scenes(stage) => played,
    }
}

async fn scenes(stage: &Stage) -> Result<(), Failure> {
    for name in stage.fleet.names() {
        stage.fleet.start(&name).await?;
    }
    tokio::try_join!(writers::write(stage), act(stage))?;
    while stage.ledger.missing() > 0 {
        sleep(LOOK).await;
    }
    stage
        .chronicle
        .news("every record was delivered; all workers leave at once");
    stage.fleet.disband().await
}

async fn act(stage: &Stage) -> Result<(), Failure> {
    if stage.place.emulator().is_none() {
        let only = "nobody can split shards of a server from here: only workers come and go";
        stage.chronicle.news(only);
    }
    let began = Instant::now();
    let mut dice = fastrand::Rng::with_seed(stage.seed);
    let (mut killed, mut left) = (None, None);
    for (at, act) in ACTS {
        sleep_until(began + Duration::from_millis(*at)).await;
        match act {
            Act::Split => split(stage, &mut dice),
            Act::Kill => killed = kill(stage).await?,
            Act::Revive => start(stage, killed.as_deref(), "is started again").await?,
            Act::Leave => left = leave(stage, killed.as_deref()).await?,
            Act::Return => start(stage, left.as_deref(), "comes back").await?,
        }
    }
    Ok(())
}

fn split(stage: &Stage, dice: &mut fastrand::Rng) {
    let Some(emulator) = stage.place.emulator() else {
        return;
    };
    let shards = emulator.shards(&stage.place.table).unwrap_or_default();
    let open: Vec<_> = shards.iter().filter(|shard| shard.open).collect();
    if let Some(shard) = dice.choice(&open) {
        // It may have rolled over since; then there is one split less.
        let _ = emulator.split(&stage.place.table, &shard.id, 2);
    }
}

/// Says who is dead and waits to be revived.
async fn kill(stage: &Stage) -> Result<Option<String>, Failure> {
    let Some(name) = busiest(stage, None) else {
        return Ok(None);
    };
    stage.fleet.kill(&name);
    if stage.fleet.glimpses().iter().any(at_work) {
        return Ok(Some(name));
    }
    sleep(RESTART).await;
    start(stage, Some(&name), "is started again").await?;
    Ok(None)
}

async fn leave(stage: &Stage, killed: Option<&str>) -> Result<Option<String>, Failure> {
    let name = busiest(stage, killed);
    if let Some(name) = &name {
        stage.chronicle.news(format!("{name} is asked to leave"));
        stage.fleet.leave(name).await?;
    }
    Ok(name)
}

async fn start(stage: &Stage, name: Option<&str>, how: &str) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    stage.chronicle.news(format!("{name} {how}"));
    stage.fleet.start(name).await
}

/// The worker that reads the most shards, another one than `not` if there is any.
fn busiest(stage: &Stage, not: Option<&str>) -> Option<String> {
    let load = |glimpse: &Glimpse| {
        let ours = glimpse.status.shards.iter().filter(|shard| shard.ours);
        (Some(glimpse.name.as_str()) != not, ours.count())
    };
    let candidates = stage.fleet.glimpses().into_iter().filter(at_work);
    candidates.max_by_key(load).map(|glimpse| glimpse.name)
}

fn at_work(glimpse: &Glimpse) -> bool {
    glimpse.standing == Standing::Working
}
