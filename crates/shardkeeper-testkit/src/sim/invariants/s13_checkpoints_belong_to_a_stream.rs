//! S13: a position is only ever used in the shard of the stream from which it came.

use super::Judge;
use crate::sim::oracle::{Fact, Ledger, Scene};

pub(super) struct BelongToAStream;

impl Judge for BelongToAStream {
    fn name(&self) -> &'static str {
        "S13"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Opened { shard, at } = fact else {
            return None;
        };
        let known = scene.streams.shards[*shard].place_of(*at).is_some();
        (!known).then(|| format!("shard {shard} is read at {at}, which is no record of it"))
    }
}
