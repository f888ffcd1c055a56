//! Leases of tables that this worker does not read: it has another list than the workers that made them, as in the
//! middle of a deploy, or the table was taken out of the list. They are left alone, and said once.

use std::collections::BTreeMap;

use shardkeeper_core::event::Event;
use shardkeeper_core::lease::Lease;

use super::LeaseKeeper;

impl LeaseKeeper {
    /// Says which tables' leases are left alone, and lets go what a worker that left handed to us.
    pub(super) async fn leave_alone(&mut self) {
        let others = self.sightings.values().map(|seen| &seen.lease);
        let others: Vec<Lease> = others
            .filter(|lease| lease.is_active() && !self.world.sources.read(&lease.stream))
            .cloned()
            .collect();
        let mut tables: BTreeMap<&str, usize> = BTreeMap::new();
        for lease in &others {
            *tables.entry(lease.stream.table()).or_default() += 1;
        }
        for (table, leases) in tables {
            if self.left_alone.insert(table.to_owned()) {
                let table = table.to_owned();
                self.emit(&Event::TableLeftAlone { table, leases });
            }
        }
        let mut freed = false;
        let ours = others
            .iter()
            .filter(|lease| lease.owner.as_ref() == Some(&self.me));
        for lease in ours {
            let free = lease.give_up(&self.world.env.fresh_id());
            match self.store.write(&[free]).await {
                Ok(_) => freed = true,
                Err(error) => self.told(&error),
            }
        }
        if freed {
            self.announce().await;
        }
    }
}
