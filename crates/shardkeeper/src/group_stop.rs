//! Stops every worker of an application whose lease table was set back in time, until a person has looked.

use std::sync::Arc;

use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::Stop;
use shardkeeper_core::membership::{GroupRow, group_key};
use shardkeeper_core::ports::{Answer, LeaseStore, PortError, StreamSource};

use crate::memory::Memory;

/// What is needed to write the stop into the group row.
pub(crate) struct GroupStop<'a> {
    pub(crate) store: &'a Arc<dyn LeaseStore>,
    pub(crate) source: &'a Arc<dyn StreamSource>,
    pub(crate) memory: &'a Memory,
    pub(crate) me: WorkerId,
}

/// Why nobody may go on, for whoever has to see to it.
pub(crate) fn why_stopped(fell: &str) -> String {
    format!(
        "{fell}: the lease table was restored from a backup or set back by hand, so fencing tokens would be used twice; stop all workers, then run `shardkeeper leases --resume` to go on above every token that was ever used"
    )
}

impl GroupStop<'_> {
    /// One attempt. False when another worker wrote the floor at the same moment.
    pub(crate) async fn write(&self, why: &str) -> Result<bool, PortError> {
        let rows = self.store.read(&[group_key()]).await?;
        let Some(group) = rows.values().next().and_then(GroupRow::parse) else {
            // Nothing is left to stop: whoever founds the group anew is not held up by us.
            return Ok(true);
        };
        let stop = Stop {
            why: group.stopped.clone().unwrap_or_else(|| why.to_owned()),
            by: self.me.clone(),
            at: self.source.service_time(),
        };
        let write = group.stop(&stop, self.memory.highest_epoch());
        let answer = self.store.write(&[write]).await?;
        Ok(matches!(answer, Answer::Applied(_)))
    }

    /// The floor of a group that is stopped already, by somebody else or in the copy that the table was restored from,
    /// must be above what *this* process has seen, too. False as above.
    pub(crate) async fn raise_floor(&self, group: &GroupRow) -> Result<bool, PortError> {
        let highest = self.memory.highest_epoch();
        let stopped = group.stopped.as_ref();
        match stopped.filter(|_| highest > group.epoch_floor) {
            Some(why) => self.write(why).await,
            None => Ok(true),
        }
    }
}
