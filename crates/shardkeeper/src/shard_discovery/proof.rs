//! A listing may leave a shard out that is there: what is concluded from a shard that no listing shows is proven first.

use shardkeeper_core::ids::StreamArn;
use shardkeeper_core::lineage::Uncovered;
use shardkeeper_core::ports::PortError;

use super::ShardDiscovery;
use crate::listing::Listed;

impl ShardDiscovery {
    /// Orphans whose parent is only not listed wait: it may yet have to be read.
    pub(super) async fn keep_proven(
        &self,
        stream: &StreamArn,
        listed: &Listed,
        found: Vec<Uncovered>,
    ) -> Result<Vec<Uncovered>, PortError> {
        let mut proven = Vec::with_capacity(found.len());
        for found in found {
            let parent = found.shard.parent.as_ref().filter(|_| found.orphan);
            let waits = match parent {
                Some(parent) => !listed.complete || !self.listing.is_gone(stream, parent).await?,
                None => false,
            };
            if !waits {
                proven.push(found);
            }
        }
        Ok(proven)
    }
}
