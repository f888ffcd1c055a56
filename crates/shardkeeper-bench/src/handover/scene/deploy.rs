//! A deploy: the next version is started, and as soon as it is a member of the group the old one gets SIGTERM.

use super::{AFTERWARDS, Mark, Seen, Timeline, longest};
use crate::Outcome;
use crate::handover::stage::{Setting, Stage};

pub(in crate::handover) fn run(setting: Setting) -> Outcome<Seen> {
    let mut stage = Stage::open("bench-deploy", setting)?;
    let rounds = setting.rounds;
    let mut old = stage.start(1)?[0];
    stage.settle(&[old])?;
    let mut samples = Vec::new();
    let mut timeline = Timeline::default();
    for round in 1..=rounds {
        stage.drift(round)?;
        let new = stage.start(1)?[0];
        stage.drift(round)?;
        let before = stage.counts();
        let owned = stage.journal().shards_of(old);
        let asked = stage.fleet.terminate(old)?;
        let took = stage.follow(&owned, old, asked)?;
        stage.gone(old)?;
        stage.fleet.pass(AFTERWARDS)?;
        super::tell("deploy", (round, rounds), &took, stage.counts() - before);
        let to = asked + longest(&took);
        samples.extend(took);
        let marks = vec![Mark::new(asked, "SIGTERM")];
        timeline = Timeline::of(stage.journal(), asked, to, marks);
        old = new;
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
