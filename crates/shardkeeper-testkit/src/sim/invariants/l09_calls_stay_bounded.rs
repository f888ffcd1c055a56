//! L9: however long an error lasts, a worker repeats failing calls at a bounded rate.

use std::collections::BTreeMap;

use super::Judge;
use crate::sim::ground::{MINUTE, Time};
use crate::sim::oracle::{Fact, Ledger, Scene};
use shardkeeper_core::event::Event;

/// Calls of one worker that may fail in a minute: a beat a second and whatever else it does for itself,
const MOST: u32 = 600;
/// and so many for each shard that is read by anybody.
const MOST_OF_A_SHARD: u32 = 60;

#[derive(Default)]
pub(super) struct CallsStayBounded {
    minute: Time,
    failed: BTreeMap<usize, u32>,
}

impl Judge for CallsStayBounded {
    fn name(&self) -> &'static str {
        "L9"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::Said { seat, event, .. } = fact else {
            return None;
        };
        if !matches!(**event, Event::CallFailed { .. }) {
            return None;
        }
        let minute = scene.now / MINUTE;
        if minute != self.minute {
            self.minute = minute;
            self.failed.clear();
        }
        let failed = self.failed.entry(*seat).or_default();
        *failed += 1;
        let leases = ledger.shards.iter().filter_map(|log| log.lease.as_ref());
        let read = leases.filter(|lease| lease.is_active()).count() as u32;
        (*failed == MOST + read * MOST_OF_A_SHARD)
            .then(|| format!("w{seat} made {failed} calls within a minute that failed"))
    }
}
