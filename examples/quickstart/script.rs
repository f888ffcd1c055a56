//! What happens when.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::Failure;
use crate::chronicle::Tone;
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
    (8_500, Act::Leave),
    (9_000, Act::Split),
    (9_800, Act::Return),
];

/// How often somebody looks whether the last records have come.
const LOOK: Duration = Duration::from_millis(50);

/// Plays the whole run: returns when every record was delivered and every worker has left.
pub(crate) async fn play(stage: &Stage) -> Result<(), Failure> {
    for name in stage.fleet.names() {
        stage.fleet.start(&name).await?;
    }
    tokio::select! {
        biased;
        failure = stage.fleet.first_failure() => return Err(failure),
        played = async { tokio::try_join!(writers::write(stage), act(stage)) } => played?,
    };
    stage.chronicle.note(
        Tone::News,
        "the writers are done; waiting for the last records".to_owned(),
    );
    while stage.ledger.missing() > 0 {
        sleep(LOOK).await;
    }
    stage.chronicle.note(
        Tone::News,
        "every record was delivered; the workers leave".to_owned(),
    );
    stage.fleet.disband().await
}

async fn act(stage: &Stage) -> Result<(), Failure> {
    if stage.place.emulator().is_none() {
        let why =
            "shards of a server cannot be split or rolled over from here: only workers come and go";
        stage.chronicle.note(Tone::News, why.to_owned());
    }
    let began = Instant::now();
    let mut dice = fastrand::Rng::with_seed(stage.seed);
    let (mut killed, mut left) = (None, None);
    for (at, act) in ACTS {
        sleep_until(began + Duration::from_millis(*at)).await;
        match act {
            Act::Split => split(stage, &mut dice),
            Act::Kill => {
                killed = busiest(stage, None);
                killed.iter().for_each(|name| stage.fleet.kill(name));
            }
            Act::Leave => {
                left = busiest(stage, killed.as_deref());
                stage
                    .chronicle
                    .note(Tone::News, says(&left, "is asked to leave"));
                if let Some(name) = &left {
                    stage.fleet.leave(name).await?;
                }
            }
            Act::Revive => revive(stage, killed.as_deref(), "is started again").await?,
            Act::Return => revive(stage, left.as_deref(), "comes back").await?,
        }
    }
    Ok(())
}

async fn revive(stage: &Stage, name: Option<&str>, how: &str) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    stage.chronicle.note(Tone::News, format!("{name} {how}"));
    stage.fleet.start(name).await
}

fn says(name: &Option<String>, what: &str) -> String {
    format!("{} {what}", name.as_deref().unwrap_or("nobody"))
}

fn split(stage: &Stage, dice: &mut fastrand::Rng) {
    let Some(emulator) = stage.place.emulator() else {
        return;
    };
    let shards = emulator.shards(&stage.place.table).unwrap_or_default();
    let open: Vec<_> = shards.iter().filter(|shard| shard.open).collect();
    if let Some(shard) = dice.choice(&open) {
        // It may have rolled over since; then the next split finds another one.
        let _ = emulator.split(&stage.place.table, &shard.id, 2);
    }
}

/// The worker that reads the most shards, another one than `not` if there is any.
fn busiest(stage: &Stage, not: Option<&str>) -> Option<String> {
    let at_work = |glimpse: &Glimpse| glimpse.standing == Standing::Working;
    let load = |glimpse: &Glimpse| {
        let ours = glimpse
            .status
            .shards
            .iter()
            .filter(|shard| shard.ours)
            .count();
        (Some(glimpse.name.as_str()) != not, ours)
    };
    let candidates = stage.fleet.glimpses().into_iter().filter(at_work);
    candidates.max_by_key(load).map(|glimpse| glimpse.name)
}
