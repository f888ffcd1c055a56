//! S3: under one epoch the deliveries of a shard skip nothing.

use super::{Judge, before_the_start, place_after};
use crate::sim::oracle::{Dispatch, Fact, Ledger, Scene};

pub(super) struct InOrderWithinAShard;

impl Judge for InOrderWithinAShard {
    fn name(&self) -> &'static str {
        "S3"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Dispatched(Dispatch {
            shard: number,
            epoch,
            places,
            ..
        }) = fact
        else {
            return None;
        };
        let (shard, log) = (&scene.streams.shards[*number], ledger.log(*number));
        if places.is_empty() {
            return Some(format!("shard {number}: an empty batch was delivered"));
        }
        let reign = log.reigns.get(epoch);
        let begins = reign.map_or(0, |reign| place_after(shard, &reign.from));
        let mut next = reign.and_then(|reign| reign.reached).unwrap_or(begins);
        for place in places {
            let Some(place) = *place else {
                return Some(format!(
                    "shard {number}: a record was delivered that was never written there"
                ));
            };
            let skipped = (next..place).find(|gap| {
                let mark = log.mark(*gap);
                let gone = *gap < shard.trimmed
                    && (mark.told || log.is_unknown(*gap) || !log.begun_before(*gap));
                let settled = mark.told || mark.skipped;
                !(gone || settled || before_the_start(scene, shard, log, *gap))
            });
            if let Some(skipped) = skipped {
                return Some(format!(
                    "shard {number}: record {place} was delivered under epoch {epoch} before record {skipped}"
                ));
            }
            next = next.max(place + 1);
        }
        None
    }
}
