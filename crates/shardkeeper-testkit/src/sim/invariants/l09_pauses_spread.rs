//! L9, too: pauses after failures are thrown with dice, so that whatever fails together is not repeated together.

use std::collections::BTreeMap;
use std::time::Duration;

use shardkeeper_core::event::Event;

use super::Judge;
use crate::sim::chaos::Fault;
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::ShardNo;

/// How long each shard's latest failure, whose pause nobody but the worker chose, has to wait.
#[derive(Default)]
pub(super) struct PausesSpread(BTreeMap<Duration, ShardNo>);

impl Judge for PausesSpread {
    fn name(&self) -> &'static str {
        "L9"
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Said {
            shard: Some(shard),
            event,
            ..
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
        // A copy of a machine has the same dice.
        if scene.scenario.has(Fault::ClonedWorker) {
            return None;
        }
        let other = self.0.insert(retry_in, *shard)?;
        Some(format!(
            "shards {other} and {shard} failed and are tried again after the same {retry_in:?}"
        ))
    }
}
