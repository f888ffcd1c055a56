//! S8: the end of a shard is stored only when it is closed, accepted, and its children are durable.

use super::Judge;
use crate::sim::chaos::Fault;
use crate::sim::oracle::{Author, Fact, Ledger, Scene, ShardLog};
use crate::sim::world::ShardNo;

#[derive(Default)]
pub(super) struct EndIsCertain {
    /// Children that were just named by their parents, which are to be leased by now.
    named: Vec<(ShardNo, ShardNo)>,
}

impl Judge for EndIsCertain {
    fn name(&self) -> &'static str {
        "S8"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        if let Some(message) = self.not_durable(ledger, fact) {
            return Some(message);
        }
        let Fact::LeaseChanged {
            shard: number,
            before: Some(before),
            after: Some(after),
            by: Author::Worker(seat),
            ..
        } = fact
        else {
            return None;
        };
        if before.is_finished() || !after.is_finished() {
            return None;
        }
        let (shard, log) = (&scene.streams.shards[*number], ledger.log(*number));
        if shard.closed_at.is_none() && !shard.is_gone(scene.now) {
            return Some(format!(
                "shard {number}: w{seat} stored its end though it is open"
            ));
        }
        if !log.end_accepted {
            return Some(format!(
                "shard {number}: w{seat} stored its end though no processor accepted it"
            ));
        }
        let children = &shard.children;
        let named = |child: &ShardNo| after.children.contains(&scene.streams.shards[*child].id);
        let named: Vec<ShardNo> = children.iter().copied().filter(named).collect();
        if after.children.len() > named.len() {
            return Some(format!(
                "shard {number}: w{seat} named children that are not its own"
            ));
        }
        let mut unnamed = children.iter().filter(|child| !named.contains(child));
        if let Some(child) = unnamed.find(|child| must_be_known(scene, *number, **child)) {
            return Some(format!(
                "shard {number}: w{seat} stored its end and does not name its child {child}"
            ));
        }
        self.named
            .extend(named.iter().map(|child| (*number, *child)));
        None
    }
}

impl EndIsCertain {
    /// The children are written in the same transaction, after the parent in the order of the facts.
    fn not_durable(&mut self, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let goes_on = matches!(
            fact,
            Fact::LeaseChanged {
                by: Author::Worker(_),
                ..
            }
        );
        if goes_on {
            return None;
        }
        let bare = |(_, child): &(ShardNo, ShardNo)| {
            let log = ledger.shards.get(*child);
            !log.is_some_and(ShardLog::was_leased)
        };
        let (parent, child) = std::mem::take(&mut self.named).into_iter().find(bare)?;
        Some(format!(
            "shard {parent}: its end is stored with child {child}, which has no lease"
        ))
    }
}

/// Nothing hides this child of a shard whose end everybody can see.
fn must_be_known(scene: &Scene<'_>, number: ShardNo, child: ShardNo) -> bool {
    let hides = [
        Fault::ChildrenHidden,
        Fault::ListingPages,
        Fault::StaleListing,
    ];
    let hidden = hides.iter().any(|fault| scene.scenario.has(*fault));
    let shown = |shard: ShardNo| {
        let shards = &scene.streams.shards;
        shards[shard].listed(shards, scene.now).is_some()
    };
    !hidden && shown(number) && shown(child)
}
