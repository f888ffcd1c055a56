//! S1: every record that was still kept when its turn came is delivered before a checkpoint passes it.
//!
//! That no write of an owner passes an unacknowledged record is judged at each of them (S7). Here it is judged that no record
//! is out of reach, however its lease came to stand where it stands: behind a position with which a lease was made, or in a
//! shard whose lease is over. What can still be reached has to be in the end, or nothing comes to rest (L10).

use super::{Judge, Verdict, may_be_passed, place_after};
use crate::sim::calm::Glance;
use crate::sim::oracle::{Ledger, Scene};
use crate::sim::world::ShardNo;

pub(super) struct NoLoss;

impl Judge for NoLoss {
    fn name(&self) -> &'static str {
        "S1"
    }

    fn look(&mut self, scene: &Scene<'_>, ledger: &Ledger, _: &Glance) -> Option<Verdict> {
        let mut shards = 0..ledger.shards.len().min(scene.streams.shards.len());
        shards.find_map(|number| {
            let shard = &scene.streams.shards[number];
            let log = ledger.log(number);
            let behind = match &log.lease {
                Some(lease) => place_after(shard, &lease.checkpoint),
                None if log.finished.is_some() => shard.records.len(),
                None => 0,
            };
            let missing = first_unread(scene, ledger, number).filter(|place| *place < behind)?;
            let message = format!(
                "shard {number}: record {missing} ({}) was never acknowledged, and nobody will read it any more",
                shard.records[missing].number
            );
            Some((Some(number), message))
        })
    }
}

/// The first record of a shard that somebody is still to acknowledge.
pub(crate) fn first_unread(scene: &Scene<'_>, ledger: &Ledger, number: ShardNo) -> Option<usize> {
    let (shard, log) = (&scene.streams.shards[number], ledger.shards.get(number)?);
    // One that is gone and was never leased was never seen.
    if log.is_unheard_of() && shard.is_gone(scene.now) {
        return None;
    }
    (0..shard.records.len()).find(|place| !may_be_passed(scene, shard, log, *place))
}
