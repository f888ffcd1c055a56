//! S2: every gap is told by exactly one event. That none is silent is judged where checkpoints pass (S7).

use shardkeeper_core::checkpoint::Checkpoint;
use shardkeeper_core::event::{DataLoss, Event, LossCause};

use super::{Judge, place_after};
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::scenario::Beginning;
use crate::sim::world::ShardNo;

pub(super) struct NoSilentLoss;

impl Judge for NoSilentLoss {
    fn name(&self) -> &'static str {
        "S2"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Said {
            shard: Some(shard),
            seat,
            event,
        } = fact
        else {
            return None;
        };
        let Event::DataLost(loss) = &**event else {
            return None;
        };
        // Each child without a lease tells that its parent is gone, and a person who deletes its row makes it tell again.
        let children = &scene.streams.shards[*shard].children;
        let edited = |child: &ShardNo| ledger.log(*child).is_edited(scene.now);
        let told_again = loss.why == LossCause::ParentVanished && children.iter().any(edited);
        let by = (*seat, *shard);
        told_in_vain(scene, ledger, by, loss)
            .or_else(|| told_twice(ledger, by, loss).filter(|_| !told_again))
    }
}

fn told_twice(ledger: &Ledger, (seat, shard): (usize, ShardNo), loss: &DataLoss) -> Option<String> {
    let reign = ledger.log(shard).reign_of(seat)?;
    reign.has_told(loss).then(|| {
        format!(
            "shard {shard}: the loss behind {} was told twice under one epoch",
            loss.from
        )
    })
}

fn told_in_vain(
    scene: &Scene<'_>,
    ledger: &Ledger,
    (seat, number): (usize, ShardNo),
    loss: &DataLoss,
) -> Option<String> {
    let shard = &scene.streams.shards[number];
    let next = place_after(shard, &loss.from);
    let gone = match loss.why {
        // A start knows nothing of what was before it, but for what was given out since.
        LossCause::Trimmed if loss.from.is_start() => {
            ledger.log(number).gave_of(seat, shard.trimmed)
        }
        // A strict server refuses a position that is itself trimmed, though what follows is there.
        LossCause::Trimmed => next <= shard.trimmed && shard.trimmed > 0,
        LossCause::ShardVanished => shard.is_gone(scene.now),
        // A start may be a time: whatever comes first behind it. Where the service knows no times, older records come and
        // are dropped, but for those of which no time is told.
        LossCause::Undecodable => {
            let behind = &shard.records[next.min(shard.records.len())..];
            let older =
                scene.scenario.beginning == Beginning::Latest && !scene.scenario.knows_times;
            let most = if older || loss.from.is_start() {
                behind.len()
            } else {
                1
            };
            behind
                .iter()
                .take(most)
                .any(|change| change.record.is_none())
        }
        // Told of the parent, by whoever finds an orphan: the service does not show it, or not yet.
        LossCause::ParentVanished => shard.listed(&scene.streams.shards, scene.now).is_none(),
        _ => true,
    };
    let from = if let Checkpoint::After(number) = loss.from {
        number.to_string()
    } else {
        loss.from.to_string()
    };
    (!gone).then(|| {
        format!(
            "shard {number}: {:?} behind {from} was told, but nothing is lost there",
            loss.why
        )
    })
}
