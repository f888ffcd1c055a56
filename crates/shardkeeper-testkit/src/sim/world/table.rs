//! The lease table: conditional writes, each judged as it is applied.

use std::collections::BTreeMap;

use shardkeeper_core::lease::Lease;
use shardkeeper_core::ports::{Answer, FailureKind, PortError};
use shardkeeper_core::row::{Row, RowKey, Write};

use super::World;
use super::shards::ShardNo;
use crate::sim::oracle::{Author, Fact};

impl World {
    /// Applies a transaction, or refuses it.
    pub(super) fn write(&mut self, seat: usize, writes: &[Write]) -> Result<Answer, PortError> {
        if let Some(why) = Write::why_refused(writes) {
            return Err(PortError::new(FailureKind::Invalid, "Write", why));
        }
        let before = self.leases_of(writes.iter().map(|write| &write.key));
        let answer = self.table.write(writes);
        if matches!(answer, Answer::Applied(_)) {
            self.written(seat, before);
        }
        Ok(answer)
    }

    /// Takes rows over as they are after a write that somebody else has judged.
    pub(super) fn take_over(&mut self, seat: usize, rows: Vec<(RowKey, Option<Row>)>) {
        let before = self.leases_of(rows.iter().map(|(key, _)| key));
        for (key, row) in rows {
            match row {
                Some(row) => self.table.rows.insert(key, row),
                None => self.table.rows.remove(&key),
            };
        }
        self.written(seat, before);
    }

    fn written(&mut self, seat: usize, before: Vec<(ShardNo, Option<Lease>)>) {
        for (shard, before) in before {
            let after = self.lease_of(shard);
            self.lease_changed(shard, before, after, Author::Worker(seat));
        }
    }

    pub(super) fn rows(&self, keys: &[RowKey]) -> BTreeMap<RowKey, Row> {
        let found = keys.iter().filter_map(|key| self.table.rows.get(key));
        found.map(|row| (row.key.clone(), row.clone())).collect()
    }

    /// Where a sweep of two pages is divided.
    pub(super) fn middle_key(&mut self) -> RowKey {
        let rows = self.table.rows.len().max(1);
        let key = self.table.rows.keys().nth(self.dice.usize(0..rows));
        key.cloned().unwrap_or_else(|| RowKey::new(""))
    }

    /// Changes a row by hand.
    pub(crate) fn edit(&mut self, shard: ShardNo, edit: impl FnOnce(&mut Row)) {
        if self.weather.lease_table_missing {
            return;
        }
        let key = self.streams.shards[shard].key.clone();
        let before = self.lease_of(shard);
        if let Some(row) = self.table.rows.get_mut(&key) {
            edit(row);
        }
        let after = self.lease_of(shard);
        self.lease_changed(shard, before, after, Author::Operator);
    }

    /// Removes a row by hand.
    pub(crate) fn remove(&mut self, shard: ShardNo) {
        if self.weather.lease_table_missing {
            return;
        }
        let before = self.lease_of(shard);
        self.table.rows.remove(&self.streams.shards[shard].key);
        self.lease_changed(shard, before, None, Author::Operator);
    }

    /// The lease of a shard as the table has it.
    pub(crate) fn lease_of(&self, shard: ShardNo) -> Option<Lease> {
        let row = self.table.rows.get(&self.streams.shards[shard].key)?;
        Lease::parse(row).ok()
    }

    fn leases_of<'a>(
        &self,
        keys: impl Iterator<Item = &'a RowKey>,
    ) -> Vec<(ShardNo, Option<Lease>)> {
        let shards = keys.filter_map(|key| self.streams.by_key(key));
        shards.map(|shard| (shard, self.lease_of(shard))).collect()
    }

    /// Tells of a row that is another one now.
    pub(crate) fn lease_changed(
        &mut self,
        shard: ShardNo,
        before: Option<Lease>,
        after: Option<Lease>,
        by: Author,
    ) {
        if before != after {
            let (before, after) = (before.map(Box::new), after.map(Box::new));
            let sent = self.served.unwrap_or(self.now);
            self.happened(Fact::LeaseChanged {
                shard,
                before,
                after,
                by,
                sent,
            });
        }
    }
}
