//! L2: once the faults are over, a child that is listed is read within a discovery period of its parent's end.

use shardkeeper_core::event::Event;

use super::Judge;
use crate::sim::fleet::millis;
use crate::sim::ground::Time;
use crate::sim::oracle::{Fact, Ledger, Scene};
use crate::sim::world::ShardNo;

#[derive(Default)]
pub(super) struct ChildrenFollow {
    waiting: Vec<(ShardNo, Time)>,
}

impl Judge for ChildrenFollow {
    fn name(&self) -> &'static str {
        "L2"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        match fact {
            Fact::LeaseChanged {
                shard,
                after: Some(after),
                ..
            } if scene.healing && after.is_finished() => {
                let listed = |child: &&ShardNo| {
                    scene.streams.shards[**child]
                        .listed(&scene.streams.shards, scene.now)
                        .is_some()
                };
                let fresh = |child: &&ShardNo| {
                    let log = ledger.shards.get(**child);
                    log.is_none_or(|log| !log.was_leased())
                };
                let children = scene.streams.shards[*shard].children.iter();
                let children = children.filter(listed).filter(fresh);
                self.waiting
                    .extend(children.map(|child| (*child, scene.now)));
            }
            Fact::Said {
                shard: Some(shard),
                event,
                ..
            } if matches!(**event, Event::LeaseAcquired { .. }) => {
                self.waiting.retain(|(child, _)| child != shard);
            }
            // A crash or a departure in between has a bound of its own.
            Fact::Crashed { .. } | Fact::Leaving { .. } => self.waiting.clear(),
            _ => {}
        }
        let settings = &scene.scenario.settings;
        let bound = 2 * millis(settings.discovery_interval) + millis(settings.lease_duration);
        let late = self
            .waiting
            .iter()
            .position(|(_, since)| since + bound < scene.now)?;
        let (child, since) = self.waiting.remove(late);
        Some(format!(
            "shard {child} is not read {} ms after its parent's end was stored",
            scene.now - since
        ))
    }
}
