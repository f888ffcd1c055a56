//! Listings of shards: eventually consistent, in pages, within ten calls a second.

use std::ops::Bound;

use shardkeeper_core::ids::{ShardId, StreamArn};
use shardkeeper_core::lineage::Shard as Listed;
use shardkeeper_core::ports::{FailureKind, PortError, ShardPage, StreamStatus, StreamsPage};

use super::World;
use super::shards::Stream;
use crate::sim::chaos::Fault;

const ACTION: &str = "DescribeStream";

/// How many of ten thousand pages show nothing of what is behind their cursor.
const EMPTY: u32 = 500;
/// How many leave out one of their shards.
const LEAVES_ONE_OUT: u32 = 500;
/// How many repeat one of the page before.
const REPEATS_ONE: u32 = 1_500;

impl World {
    pub(super) fn latest_stream(&mut self, table: &str) -> Result<StreamArn, PortError> {
        let refuse = |kind, why: &str| Err(PortError::new(kind, "DescribeTable", why));
        if table != super::shards::TABLE || self.weather.table_missing {
            return refuse(FailureKind::NotFound, "there is no such table");
        }
        match self.streams.streams.last() {
            Some(stream) => Ok(stream.arn.clone()),
            None => refuse(FailureKind::Invalid, "the table has no stream"),
        }
    }

    /// The streams that are kept, newest first, in pages of one or two.
    pub(super) fn list_streams(&mut self, table: &str, after: Option<&StreamArn>) -> StreamsPage {
        let size = 1 + self.dice.usize(0..2);
        let kept = |stream: &&Stream| {
            let mut shards = stream.by_id.values();
            stream.status == StreamStatus::Enabled
                || shards.any(|shard| !self.streams.shards[*shard].is_gone(self.now))
        };
        let of_table = self.streams.streams.iter().rev().filter(kept);
        let rest = of_table.filter(|stream| {
            table == super::shards::TABLE && after.is_none_or(|after| stream.arn < *after)
        });
        let rest: Vec<StreamArn> = rest.map(|stream| stream.arn.clone()).collect();
        let next = rest.get(size - 1).filter(|_| rest.len() > size).cloned();
        StreamsPage {
            streams: rest.into_iter().take(size).collect(),
            next,
        }
    }

    pub(super) fn list_shards(
        &mut self,
        arn: &StreamArn,
        after: Option<&ShardId>,
    ) -> Result<ShardPage, PortError> {
        let status = self.known(arn)?.status;
        let (odd, mut size) = (self.weather.is_on(Fault::ListingPages), self.scenario.page);
        if odd {
            size = 1 + self.dice.usize(0..size);
        }
        if self.strikes(Fault::ListingPages, EMPTY) {
            let cursor = after.cloned().unwrap_or_else(long_gone);
            return Ok(page(status, Vec::new(), Some(cursor)));
        }
        let stream = self.known(arn)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest: Vec<Listed> = stream
            .by_id
            .range::<ShardId, _>((from, Bound::Unbounded))
            .filter_map(|(_, shard)| {
                self.streams.shards[*shard].listed(&self.streams.shards, self.now)
            })
            .take(size + 1)
            .collect();
        let more = rest.len() > size;
        let mut shards: Vec<Listed> = rest.into_iter().take(size).collect();
        let next = more
            .then(|| shards.last().map(|shard| shard.id.clone()))
            .flatten();
        if shards.len() > 1 && self.strikes(Fault::ListingPages, LEAVES_ONE_OUT) {
            shards.remove(self.dice.usize(0..shards.len()));
        }
        // A shard of the page before comes again.
        let again = after.and_then(|id| self.listed_again(arn, id));
        if again.is_some() && self.strikes(Fault::ListingPages, REPEATS_ONE) {
            shards.extend(again);
        }
        Ok(page(status, shards, next))
    }

    pub(super) fn children_of(
        &mut self,
        arn: &StreamArn,
        parent: &ShardId,
    ) -> Result<ShardPage, PortError> {
        let stream = self.known(arn)?;
        let status = stream.status;
        let Some(&number) = stream.by_id.get(parent) else {
            return Err(PortError::new(
                FailureKind::NotFound,
                ACTION,
                "there is no such shard",
            ));
        };
        if self.streams.shards[number].is_gone(self.now) {
            return Err(PortError::new(
                FailureKind::NotFound,
                ACTION,
                "there is no such shard",
            ));
        }
        if self.weather.is_on(Fault::ChildrenHidden) && self.dice.u8(..) < 150 {
            self.weather.injected.count(Fault::ChildrenHidden);
            return match self.dice.u8(..) % 3 {
                0 => Err(PortError::new(
                    FailureKind::Invalid,
                    ACTION,
                    "unknown parameter ShardFilter",
                )),
                1 => Err(PortError::new(
                    FailureKind::Unavailable,
                    ACTION,
                    "internal error",
                )),
                _ => Ok(page(status, Vec::new(), None)),
            };
        }
        let all = &self.streams.shards;
        let children = all[number].children.iter();
        let listed = children
            .filter_map(|child| all[*child].listed(all, self.now))
            .collect();
        Ok(page(status, listed, None))
    }

    fn listed_again(&self, arn: &StreamArn, id: &ShardId) -> Option<Listed> {
        let number = *self.streams.stream_of(arn)?.by_id.get(id)?;
        self.streams.shards[number].listed(&self.streams.shards, self.now)
    }

    fn known(&self, arn: &StreamArn) -> Result<&Stream, PortError> {
        let stream = self.streams.stream_of(arn);
        stream
            .ok_or_else(|| PortError::new(FailureKind::NotFound, ACTION, "there is no such stream"))
    }
}

/// The cursor of an empty first page: a shard before all others.
fn long_gone() -> ShardId {
    ShardId::from_service("shardId-00000000000000000001-00000000")
}

fn page(status: StreamStatus, shards: Vec<Listed>, next: Option<ShardId>) -> ShardPage {
    ShardPage {
        status,
        shards,
        next,
        view_type: None,
    }
}
