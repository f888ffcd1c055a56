//! The pure heart of shardkeeper.
pub mod checkpoint;
pub mod ids;
pub mod lineage;
pub mod page;
pub mod ports;
pub mod record;
pub mod row;
