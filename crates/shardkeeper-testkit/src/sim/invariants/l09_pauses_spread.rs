//! L9, too: pauses after failures are thrown with dice, so that whatever fails together is not repeated together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shardkeeper_core::event::Event;

use super::Judge;
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::ShardNo;

#[derive(Default)]
pub(super) struct PausesSpread {
    /// How long each shard's latest failure, whose pause nobody but the worker chose, has to wait.
    pauses: BTreeMap<Duration, ShardNo>,
    /// Workers whose machines have the dice of others.
    copies: BTreeSet<usize>,
}

impl Judge for PausesSpread {
    fn name(&self) -> &'static str {
        "L9"
    }

    fn see(&mut self, _: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        if let Fact::Launched { seat, copy, .. } = fact {
            self.copies.remove(seat);
            self.copies.extend(copy.then_some(*seat));
        }
        let Fact::Said {
            seat,
            shard: Some(shard),
            event,
        } = fact
        else {
            return None;
        };
        // Of a panic there is no error, and nothing that could ask for a pause of its own.
        let Event::BatchFailed {
            retry_in,
            error: None,
            ..
        } = **event
        else {
            return None;
        };
        // It throws what its original throws.
        if self.copies.contains(seat) {
            return None;
        }
        let other = self.pauses.insert(retry_in, *shard)?;
        Some(format!(
            "shards {other} and {shard} failed and are tried again after the same {retry_in:?}"
        ))
    }
}
