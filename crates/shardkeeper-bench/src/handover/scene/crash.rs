//! A crash: one of three workers is killed, each kind of worker in its turn.

use super::{AFTERWARDS, Mark, Seen, Timeline, longest};
use crate::Outcome;
use crate::handover::journal::Member;
use crate::handover::stage::{Setting, Stage};

const FLEET: usize = 3;

pub(in crate::handover) fn run(setting: Setting) -> Outcome<Seen> {
    let mut stage = Stage::open("bench-crash", setting)?;
    let rounds = setting.rounds;
    let mut fleet = stage.start(FLEET)?;
    stage.settle(&fleet)?;
    let mut samples = Vec::new();
    let mut timeline = Timeline::default();
    for round in 1..=rounds {
        stage.drift(round)?;
        let victim = victim(round, &fleet, stage.journal().discoverer);
        let before = stage.counts();
        let owned = stage.journal().shards_of(victim);
        let killed = stage.fleet.kill(victim)?;
        let took = stage.follow(&owned, victim, killed)?;
        // How it ended is known: it was killed.
        let _ = stage.fleet.ended(victim, AFTERWARDS)?;
        stage.fleet.pass(AFTERWARDS)?;
        super::tell("crash", (round, rounds), &took, stage.counts() - before);
        let to = killed + longest(&took);
        samples.extend(took);
        let marks = vec![Mark::new(killed, "SIGKILL")];
        timeline = Timeline::of(stage.journal(), killed, to, marks);
        fleet.retain(|member| *member != victim);
        fleet.extend(stage.start(1)?);
        stage.settle(&fleet)?;
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

/// The discoverer first, then each of the others.
fn victim(round: u32, fleet: &[Member], discoverer: Option<Member>) -> Member {
    let turn = (round as usize - 1) % fleet.len();
    let leading = |member: &&Member| Some(**member) == discoverer;
    let (first, rest): (Vec<&Member>, Vec<&Member>) = fleet.iter().partition(leading);
    *first.into_iter().chain(rest).nth(turn).unwrap_or(&fleet[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_of_a_fleet_has_its_turn_and_the_discoverer_is_the_first() {
        let order = |rounds: std::ops::RangeInclusive<u32>| {
            let victims = rounds.map(|round| victim(round, &[4, 7, 9], Some(7)));
            victims.collect::<Vec<Member>>()
        };
        assert_eq!(order(1..=4), [7, 4, 9, 7]);
        assert_eq!(victim(2, &[4, 7], None), 7);
    }
}
