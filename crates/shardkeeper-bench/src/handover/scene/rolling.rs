//! A rolling deploy: ten workers are replaced, one after the other.

use std::time::Duration;

use super::{AFTERWARDS, Mark, Seen, Timeline};
use crate::Outcome;
use crate::handover::stage::{Setting, Stage};
use crate::stopwatch::wall_clock;

const FLEET: usize = 10;
/// An orchestrator waits a little before it believes a new process, and before it goes on.
const BETWEEN: Duration = Duration::from_secs(1);

/// The longest pause of each shard is a sample.
pub(in crate::handover) fn run(setting: Setting) -> Outcome<Seen> {
    let mut stage = Stage::open("bench-rolling", setting)?;
    let rounds = setting.rounds;
    let mut fleet = stage.start(FLEET)?;
    stage.settle(&fleet)?;
    let mut samples = Vec::new();
    let mut timeline = Timeline::default();
    for round in 1..=rounds {
        stage.drift(round)?;
        let before = stage.counts();
        let begin = wall_clock();
        let mut marks = Vec::new();
        for old in std::mem::take(&mut fleet) {
            let new = stage.start(1)?[0];
            stage.fleet.pass(BETWEEN)?;
            let owned = stage.journal().shards_of(old);
            let asked = stage.fleet.terminate(old)?;
            marks.push(Mark::new(asked, ""));
            stage.follow(&owned, old, asked)?;
            stage.gone(old)?;
            stage.fleet.pass(BETWEEN)?;
            fleet.push(new);
        }
        let end = wall_clock();
        stage.fleet.pass(AFTERWARDS)?;
        let pause = |shard| stage.journal().longest_pause(shard, begin, end);
        let pauses: Vec<Duration> = (0..setting.shards).map(pause).collect();
        super::tell("rolling", (round, rounds), &pauses, stage.counts() - before);
        samples.extend(pauses);
        timeline = Timeline::of(stage.journal(), begin, end, marks);
    }
    let again = stage.counts().again;
    stage.close()?;
    Ok(Seen {
        samples,
        rounds,
        again,
        timeline,
    })
}
