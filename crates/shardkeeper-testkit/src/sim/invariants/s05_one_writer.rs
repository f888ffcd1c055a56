//! S5: epochs only rise, with every change of owner, and no token is ever given twice.

use super::Judge;
use crate::sim::oracle::{Author, Fact, Ledger, Scene};

pub(super) struct OneWriter;

impl Judge for OneWriter {
    fn name(&self) -> &'static str {
        "S5"
    }

    fn see(&mut self, _: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::LeaseChanged {
            shard,
            before,
            after: Some(after),
            by: Author::Worker(seat),
        } = fact
        else {
            return None;
        };
        let log = ledger.log(*shard);
        if log.edited {
            return None;
        }
        let Some(before) = before else {
            let highest = log.reigns.keys().next_back()?;
            let used = after.epoch <= *highest;
            return used.then(|| {
                format!(
                    "shard {shard}: w{seat} made the lease again with epoch {} after {highest}",
                    after.epoch
                )
            });
        };
        let given = after.owner.is_some() && after.owner != before.owner;
        if after.epoch < before.epoch {
            return Some(format!(
                "shard {shard}: w{seat} lowered the epoch from {} to {}",
                before.epoch, after.epoch
            ));
        }
        let same = given && after.epoch == before.epoch;
        same.then(|| format!("shard {shard}: w{seat} changed the owner without a new epoch"))
    }
}
