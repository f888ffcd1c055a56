//! S4: first deliveries of an item follow its commits, and no child is delivered before its parent's end is stored.

use super::{Judge, before_the_start};
use crate::sim::oracle::{Dispatch, Fact, Ledger, Scene};
use crate::sim::world::ShardNo;

pub(super) struct InOrderForAnItem;

impl Judge for InOrderForAnItem {
    fn name(&self) -> &'static str {
        "S4"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Dispatched(dispatch) = fact else {
            return None;
        };
        let intact = ledger.has_intact_lineage(scene, dispatch.shard);
        let out_of_order = intact
            .then(|| out_of_order(scene, ledger, dispatch))
            .flatten();
        out_of_order.or_else(|| overtook_its_parent(scene, ledger, dispatch.shard))
    }
}

fn overtook_its_parent(scene: &Scene<'_>, ledger: &Ledger, number: ShardNo) -> Option<String> {
    let parent = scene.streams.shards[number].parent?;
    let log = ledger.shards.get(parent);
    let ended = log.is_some_and(|log| log.finished.is_some());
    let gone = scene.streams.shards[parent].is_gone(scene.now);
    // The lease of one that was gone by then gives nothing that the child could overtake.
    let leased = log.is_some_and(|log| log.lease.is_some() && log.leased_in_time);
    let free = ended || (gone && !leased);
    (!free).then(|| {
        format!("shard {number} is delivered though the end of its parent {parent} is not stored")
    })
}

fn out_of_order(scene: &Scene<'_>, ledger: &Ledger, dispatch: &Dispatch) -> Option<String> {
    let (number, places) = (dispatch.shard, &dispatch.places);
    let (shard, log) = (&scene.streams.shards[number], ledger.log(number));
    // What is older than the application comes, too, when a person takes the lease of a finished shard away.
    let first = |place: &&usize| {
        !log.mark(**place).delivered && !before_the_start(scene, shard, log, **place)
    };
    for place in places.iter().flatten().filter(first) {
        let change = &shard.records[*place];
        let latest = ledger
            .latest
            .get(&(shard.stream, change.item))
            .copied()
            .unwrap_or(0);
        if latest > change.number {
            return Some(format!(
                "shard {number}: record {place} ({}) of item {} comes first after a later change of it ({latest})",
                change.number, change.item
            ));
        }
    }
    None
}
