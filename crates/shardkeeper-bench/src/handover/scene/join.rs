//! More workers: a third one joins two, and asks for its share.

use std::time::Duration;

use super::{AFTERWARDS, Mark, Seen, Timeline};
use crate::Outcome;
use crate::handover::stage::{Setting, Stage};
use crate::stopwatch::wall_clock;

/// Beside the pauses of shards: how long it took from the start of the process to an even share, in each round.
pub(in crate::handover) fn run(setting: Setting) -> Outcome<(Seen, Vec<Duration>)> {
    let mut stage = Stage::open("bench-join", setting)?;
    let rounds = setting.rounds;
    let mut pair = stage.start(2)?;
    stage.settle(&pair)?;
    let (mut samples, mut balanced) = (Vec::new(), Vec::new());
    let mut timeline = Timeline::default();
    for round in 1..=rounds {
        stage.drift(round)?;
        let before = stage.counts();
        let started = wall_clock();
        let third = stage.start(1)?[0];
        let all = [pair[0], pair[1], third];
        stage.settle(&all)?;
        let even = wall_clock();
        balanced.push(even - started);
        let moved = stage.journal().shards_of(third);
        let pauses = moved
            .iter()
            .filter_map(|shard| stage.journal().pause_before(*shard, third));
        let pauses: Vec<Duration> = pauses.collect();
        stage.fleet.pass(AFTERWARDS)?;
        super::tell("join", (round, rounds), &pauses, stage.counts() - before);
        samples.extend(pauses);
        let marks = vec![Mark::new(started, "started"), Mark::new(even, "balanced")];
        timeline = Timeline::of(stage.journal(), started, even, marks);
        // The longest serving one leaves, so that everybody has been everything.
        stage.fleet.terminate(pair[0])?;
        stage.gone(pair[0])?;
        pair = vec![pair[1], third];
        stage.settle(&pair)?;
    }
    let again = stage.counts().again;
    stage.close()?;
    let seen = Seen {
        samples,
        rounds,
        again,
        timeline,
    };
    Ok((seen, balanced))
}
