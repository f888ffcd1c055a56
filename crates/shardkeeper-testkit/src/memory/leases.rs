//! A lease table in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use shardkeeper_core::ports::{Answer, FailureKind, LeaseStore, PortError, TableCreation};
use shardkeeper_core::row::{Row, RowKey, Verb, Write};

/// A [`LeaseStore`] in memory. A clone is another handle to the same table, for another worker.
///
/// Every call is one step: nothing waits, so nothing can be cancelled half-way.
#[derive(Debug, Clone, Default)]
pub struct MemoryLeases(Arc<Mutex<Table>>);

/// The rows, and what writes do to them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    absent: bool,
    pub(crate) rows: BTreeMap<RowKey, Row>,
}

impl MemoryLeases {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No table, until [`LeaseStore::open`] is allowed to create it.
    #[must_use]
    pub fn absent() -> Self {
        let leases = Self::new();
        leases.table().absent = true;
        leases
    }

    /// Every row, in the order of the keys.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.table().rows.values().cloned().collect()
    }

    /// Sets a row, whatever was there: for setting a scene.
    pub fn put(&self, row: Row) {
        self.table().rows.insert(row.key.clone(), row);
    }

    /// Removes a row, as an operator may: for setting a scene.
    pub fn remove(&self, key: &RowKey) -> Option<Row> {
        self.table().rows.remove(key)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic of one test's thread must not hide behind a poisoned lock in another's.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn existing(&self, action: &'static str) -> Result<MutexGuard<'_, Table>, PortError> {
        let table = self.table();
        if table.absent {
            return Err(PortError::new(
                FailureKind::NotFound,
                action,
                "there is no table",
            ));
        }
        Ok(table)
    }
}

impl Table {
    pub(crate) fn write(&mut self, writes: &[Write]) -> Answer {
        let before: Vec<Option<Row>> = writes
            .iter()
            .map(|write| self.rows.get(&write.key).cloned())
            .collect();
        let allowed = writes
            .iter()
            .zip(&before)
            .all(|(write, row)| write.allowed(row.as_ref()));
        if !allowed {
            return Answer::Refused(shown(writes, before));
        }
        let mut after = Vec::new();
        for (write, row) in writes.iter().zip(&before) {
            let row = write.apply(row.as_ref());
            match &row {
                Some(row) => self.rows.insert(write.key.clone(), row.clone()),
                None => self.rows.remove(&write.key),
            };
            after.push(row);
        }
        match writes {
            // A transaction answers with nothing; so does a check, which is always one.
            [write] if write.verb != Verb::Check => Answer::Applied(after),
            _ => Answer::Applied(vec![None; writes.len()]),
        }
    }
}

/// The rows whose own conditions failed, as the service shows them.
fn shown(writes: &[Write], rows: Vec<Option<Row>>) -> Vec<Option<Row>> {
    let shown = |(write, row): (&Write, Option<Row>)| row.filter(|row| !write.allowed(Some(row)));
    writes.iter().zip(rows).map(shown).collect()
}

#[async_trait]
impl LeaseStore for MemoryLeases {
    async fn open(&self, creation: TableCreation) -> Result<(), PortError> {
        if creation == TableCreation::Allowed {
            self.table().absent = false;
        }
        self.existing("DescribeTable").map(drop)
    }

    async fn sweep(&self) -> Result<Vec<Row>, PortError> {
        Ok(self.existing("Scan")?.rows.values().cloned().collect())
    }

    async fn read(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, Row>, PortError> {
        let keys: BTreeSet<&RowKey> = keys.iter().collect();
        if keys.len() > 100 {
            let why = "more than 100 keys";
            return Err(PortError::new(FailureKind::Invalid, "BatchGetItem", why));
        }
        let table = self.existing("BatchGetItem")?;
        let found = keys.into_iter().filter_map(|key| table.rows.get(key));
        Ok(found.map(|row| (row.key.clone(), row.clone())).collect())
    }

    async fn write(&self, writes: &[Write]) -> Result<Answer, PortError> {
        if let Some(why) = Write::why_refused(writes) {
            return Err(PortError::new(FailureKind::Invalid, "Write", why));
        }
        Ok(self.existing("Write")?.write(writes))
    }
}
