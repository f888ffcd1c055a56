//! The lease table: real rows, changed by real writes and by nothing else.

use std::sync::Arc;

use shardkeeper_core::ids::WorkerId;
use shardkeeper_core::lease::Lease;
use shardkeeper_core::lineage::Leases;
use shardkeeper_core::membership::{GroupRow, WorkerRow, group_key, worker_key};
use shardkeeper_core::row::{Row, RowKey, Write};

use crate::cast::Branch;

/// A row, and what the core reads in it.
#[derive(Debug)]
pub(crate) struct Entry {
    row: Row,
    read: Read,
}

#[derive(Debug)]
enum Read {
    Lease(Branch, Lease),
    Worker(WorkerRow),
    Group(GroupRow),
    Unreadable,
}

impl Entry {
    fn new(row: Row) -> Self {
        let read = if let Some(branch) = Branch::of_key(&row.key) {
            Lease::parse(&row).map_or(Read::Unreadable, |lease| Read::Lease(branch, lease))
        } else if row.key == group_key() {
            GroupRow::parse(&row).map_or(Read::Unreadable, Read::Group)
        } else {
            WorkerRow::parse(&row).map_or(Read::Unreadable, Read::Worker)
        };
        Self { row, read }
    }
}

/// Every row, in the order of the keys. Rows are shared between states until they are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table(Vec<Arc<Entry>>);

impl Table {
    fn position(&self, key: &RowKey) -> Result<usize, usize> {
        self.0.binary_search_by(|entry| entry.row.key.cmp(key))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<&Row> {
        self.position(key).ok().map(|at| &self.0[at].row)
    }

    pub(crate) fn lease(&self, branch: Branch) -> Option<&Lease> {
        self.0.iter().find_map(|entry| match &entry.read {
            Read::Lease(of, lease) if *of == branch => Some(lease),
            _ => None,
        })
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = (Branch, &Lease)> {
        self.0.iter().filter_map(|entry| match &entry.read {
            Read::Lease(branch, lease) => Some((*branch, lease)),
            _ => None,
        })
    }

    pub(crate) fn tree(&self) -> Leases {
        let leases = self.leases();
        leases
            .map(|(_, lease)| (lease.shard.clone(), lease.clone()))
            .collect()
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = &WorkerRow> {
        self.0.iter().filter_map(|entry| match &entry.read {
            Read::Worker(row) => Some(row),
            _ => None,
        })
    }

    pub(crate) fn worker(&self, id: &WorkerId) -> Option<&WorkerRow> {
        self.workers().find(|row| row.id == *id)
    }

    /// True when a worker's row is there, readable or not.
    pub(crate) fn has_worker(&self, id: &WorkerId) -> bool {
        self.position(&worker_key(id)).is_ok()
    }

    pub(crate) fn group(&self) -> Option<&GroupRow> {
        self.0.iter().find_map(|entry| match &entry.read {
            Read::Group(group) => Some(group),
            _ => None,
        })
    }

    pub(crate) fn allows(&self, writes: &[Write]) -> bool {
        debug_assert_eq!(Write::why_refused(writes), None);
        writes
            .iter()
            .all(|write| write.allowed(self.row(&write.key)))
    }

    /// Applies all of the writes. The caller has asked [`Table::allows`].
    pub(crate) fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            let at = self.position(&write.key);
            let after = write.apply(at.ok().map(|at| &self.0[at].row));
            match (at, after) {
                (Ok(at), Some(row)) => self.0[at] = Arc::new(Entry::new(row)),
                (Err(at), Some(row)) => self.0.insert(at, Arc::new(Entry::new(row))),
                (Ok(at), None) => {
                    self.0.remove(at);
                }
                (Err(_), None) => {}
            }
        }
    }

    /// Somebody who does not follow the protocol removes a row.
    pub(crate) fn vanish(&mut self, key: &RowKey) {
        if let Ok(at) = self.position(key) {
            self.0.remove(at);
        }
    }
}
