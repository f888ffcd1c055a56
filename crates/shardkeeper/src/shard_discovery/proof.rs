//! A listing may leave a shard out that is there. The service knows each shard by its name, and is asked before
//! anything is concluded from a shard that no listing shows.

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::Uncovered;
use shardkeeper_core::ports::{FailureKind, PortError, Position};

use super::ShardDiscovery;
use crate::listing::Listed;

impl ShardDiscovery {
    /// True when the service no longer knows the shard.
    pub(super) async fn is_gone(
        &self,
        stream: &StreamArn,
        shard: &ShardId,
    ) -> Result<bool, PortError> {
        let source = &self.listing.source;
        match source.open(stream, shard, Position::TrimHorizon).await {
            Ok(_) => Ok(false),
            Err(error) if error.kind == FailureKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

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
                Some(parent) => !listed.complete || !self.is_gone(stream, parent).await?,
                None => false,
            };
            if !waits {
                proven.push(found);
            }
        }
        Ok(proven)
    }
}
