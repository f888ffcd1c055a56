//! A lease table that counts what is asked of it, in the units of the bill.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use shardkeeper::core::lease::LEASE_ENTITY;
use shardkeeper::core::ports::{Answer, LeaseStore, PortError, TableCreation};
use shardkeeper::core::row::{Row, RowKey, Write};
use shardkeeper_testkit::memory::MemoryLeases;

use super::units;

/// A page of a scan is as large as this.
const SCAN_PAGE_BYTES: usize = 1024 * 1024;

/// Request units, by what they were spent on.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::handover) struct Use {
    /// Strongly consistent scans of the whole table.
    pub(in crate::handover) sweep_reads: f64,
    /// The group's row, and the rows of other workers.
    pub(in crate::handover) look_reads: f64,
    /// Worker rows: beats.
    pub(in crate::handover) beat_writes: f64,
    /// Lease rows.
    pub(in crate::handover) lease_writes: f64,
    pub(in crate::handover) sweeps: u32,
}

impl Use {
    pub(in crate::handover) fn reads(&self) -> f64 {
        self.sweep_reads + self.look_reads
    }

    pub(in crate::handover) fn writes(&self) -> f64 {
        self.beat_writes + self.lease_writes
    }
}

/// A [`LeaseStore`] with a meter. A clone is another handle to the same table and the same meter.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    table: MemoryLeases,
    used: Arc<Mutex<Use>>,
}

impl Meter {
    pub(super) fn of(table: MemoryLeases) -> Self {
        Self {
            table,
            used: Arc::default(),
        }
    }

    pub(super) fn reset(&self) {
        *self.used() = Use::default();
    }

    pub(super) fn read(&self) -> Use {
        *self.used()
    }

    fn used(&self) -> MutexGuard<'_, Use> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn rows(&self, writes: &[Write]) -> Result<BTreeMap<RowKey, Row>, PortError> {
        let keys: Vec<RowKey> = writes.iter().map(|write| write.key.clone()).collect();
        self.table.read(&keys).await
    }
}

#[async_trait]
impl LeaseStore for Meter {
    async fn open(&self, creation: TableCreation) -> Result<(), PortError> {
        self.table.open(creation).await
    }

    async fn sweep(&self) -> Result<Vec<Row>, PortError> {
        let rows = self.table.sweep().await?;
        let bytes: usize = rows.iter().map(units::bytes).sum();
        let mut used = self.used();
        used.sweeps += 1;
        // Each page is rounded up by itself.
        let (pages, rest) = (bytes / SCAN_PAGE_BYTES, bytes % SCAN_PAGE_BYTES);
        used.sweep_reads += pages as f64 * units::read(SCAN_PAGE_BYTES) + units::read(rest);
        Ok(rows)
    }

    async fn read(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, Row>, PortError> {
        let rows = self.table.read(keys).await?;
        let size = |key: &RowKey| rows.get(key).map_or(0, units::bytes);
        let spent: f64 = keys.iter().map(|key| units::read(size(key))).sum();
        self.used().look_reads += spent;
        Ok(rows)
    }

    /// A write that is refused costs as much as one that is applied, and in a transaction everything costs twice.
    async fn write(&self, writes: &[Write]) -> Result<Answer, PortError> {
        let before = self.rows(writes).await?;
        let answer = self.table.write(writes).await?;
        let after = self.rows(writes).await?;
        let factor = if writes.len() > 1 { 2.0 } else { 1.0 };
        let mut used = self.used();
        for key in writes.iter().map(|write| &write.key) {
            let (before, after) = (before.get(key), after.get(key));
            let size = |row: Option<&Row>| row.map_or(0, units::bytes);
            let spent = factor * units::write(size(before), size(after));
            let is_lease = |row: &Row| row.text("entityType") == Some(LEASE_ENTITY);
            match before.or(after).is_some_and(is_lease) {
                true => used.lease_writes += spent,
                false => used.beat_writes += spent,
            }
        }
        Ok(answer)
    }
}
