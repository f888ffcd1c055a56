//! S8: the end of a shard is stored only when it is closed, accepted, and its children are durable.

use super::Judge;
use crate::sim::oracle::{Author, Fact, Ledger, Scene};

pub(super) struct EndIsCertain;

impl Judge for EndIsCertain {
    fn name(&self) -> &'static str {
        "S8"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
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
        // The children are written in the same transaction, after the parent in the order of the facts.
        let named = |child: &&usize| after.children.contains(&scene.streams.shards[**child].id);
        let count = shard.children.iter().filter(named).count();
        let strangers = after.children.len() > count;
        strangers.then(|| format!("shard {number}: w{seat} named children that are not its own"))
    }
}
