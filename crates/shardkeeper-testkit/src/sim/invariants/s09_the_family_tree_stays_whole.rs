//! S9: no lease is deleted before its children are safe, none comes back, every listed shard is covered.

use std::collections::BTreeMap;

use super::{Judge, Verdict};
use crate::sim::calm::Glance;
use crate::sim::ground::{MINUTE, Time};
use crate::sim::oracle::{Author, Fact, Ledger, Scene, ShardLog};
use crate::sim::world::ShardNo;

/// What is listed when all is well has a lease by then, be it that a stream of hundreds of pages is listed in between, or a
/// shard that a person took away is the last of its listing.
const COVERED_WITHIN: Time = 10 * MINUTE;

#[derive(Default)]
pub(super) struct TreeStaysWhole {
    /// Shards that nobody covers, and since when.
    uncovered: BTreeMap<ShardNo, Time>,
}

impl Judge for TreeStaysWhole {
    fn name(&self) -> &'static str {
        "S9"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::LeaseChanged {
            shard,
            before,
            after,
            by: Author::Worker(seat),
            ..
        } = fact
        else {
            return None;
        };
        match (before, after) {
            (None, Some(_)) => resurrected(ledger, *shard, *seat),
            (Some(before), None) if !before.is_finished() => Some(format!(
                "shard {shard}: w{seat} deleted a lease that was not finished"
            )),
            (Some(_), None) => deleted_early(scene, ledger, *shard, *seat),
            _ => None,
        }
    }

    fn look(&mut self, scene: &Scene<'_>, ledger: &Ledger, glance: &Glance) -> Option<Verdict> {
        glance.calm?;
        let shards = 0..scene.streams.shards.len();
        let bare = shards.filter(|shard| !is_covered(scene, ledger, *shard));
        let since = |shard| {
            (
                shard,
                self.uncovered.get(&shard).copied().unwrap_or(scene.now),
            )
        };
        self.uncovered = bare.map(since).collect();
        let late = |(_, since): &(&ShardNo, &Time)| **since + COVERED_WITHIN < scene.now;
        let (shard, since) = self.uncovered.iter().find(late)?;
        let message = format!(
            "shard {shard} is listed and nobody covers it for {} ms",
            scene.now - since
        );
        Some((Some(*shard), message))
    }
}

fn resurrected(ledger: &Ledger, shard: ShardNo, seat: usize) -> Option<String> {
    let log = ledger.log(shard);
    let again = log.finished.is_some() && !log.forgotten;
    again.then(|| {
        format!("shard {shard}: w{seat} made its lease again though it was finished and forgotten")
    })
}

fn deleted_early(
    scene: &Scene<'_>,
    ledger: &Ledger,
    number: ShardNo,
    seat: usize,
) -> Option<String> {
    let shard = &scene.streams.shards[number];
    if !shard.is_gone(scene.now) {
        return Some(format!(
            "shard {number}: w{seat} forgot its lease though the service still has it"
        ));
    }
    let unsafe_child = shard.children.iter().find(|child| {
        // Whoever forgets goes by its last sweep: a lease that a person has taken away since is there for it.
        let has_lease = ledger.shards.get(**child).is_some_and(|log| {
            log.lease.is_some() || log.finished.is_some() || log.is_edited(scene.now)
        });
        let shown = scene.streams.shards[**child]
            .listed(&scene.streams.shards, scene.now)
            .is_some();
        !has_lease && shown
    })?;
    Some(format!(
        "shard {number}: w{seat} forgot its lease though its child {unsafe_child} has none"
    ))
}

/// It has a lease or had one to its end, or an ancestor that is not finished will bring it.
pub(crate) fn is_covered(scene: &Scene<'_>, ledger: &Ledger, number: ShardNo) -> bool {
    let shard = &scene.streams.shards[number];
    // An older stream of the table is drained first.
    let waits = shard.listed(&scene.streams.shards, scene.now).is_none()
        || scene.is_waiting_stream(shard.stream, ledger);
    if waits {
        return true;
    }
    if ledger.shards.get(number).is_some_and(ShardLog::was_leased) {
        return true;
    }
    let mut next = shard.parent;
    while let Some(ancestor) = next {
        if let Some(log) = ledger.shards.get(ancestor).filter(|log| log.was_leased()) {
            return log.lease.as_ref().is_some_and(|lease| !lease.is_finished());
        }
        next = scene.streams.shards[ancestor].parent;
    }
    false
}
