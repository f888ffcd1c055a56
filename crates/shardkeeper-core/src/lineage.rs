//! x
use crate::ids::*;
/// A shard as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: ShardId,
    /// The shard it continues, where the service names one (F19). It may no longer be listed.
    pub parent: Option<ShardId>,
    /// The first sequence number of the shard, where stated (F22).
    pub starting: Option<SequenceNumber>,
    /// The last sequence number. Present means closed on the service (F14); local servers also state it
    /// for open shards, so alone it ends nothing.
    pub ending: Option<SequenceNumber>,
}

