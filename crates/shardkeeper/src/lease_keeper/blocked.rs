//! Shards whose tasks are not polled: user code blocks their threads.
//!
//! Such a shard is read by nobody while its worker beats on. Its lease is let go, so that another worker can read it;
//! this one takes it again only when the blocking code has returned. What that code still does is kept out of other
//! systems by the fencing token alone, as with a worker that was frozen.

use shardkeeper_core::event::Event;
use shardkeeper_core::row::{RowKey, Write};

use super::LeaseKeeper;
use crate::shard_consumer::Order;

impl LeaseKeeper {
    /// Gives up the shards that were silent for too long.
    pub(super) async fn give_up_blocked(&mut self) {
        let bound = self.world.settings.patience();
        let silent = |key: &RowKey| {
            self.running
                .get(key)
                .is_some_and(|running| running.pulse.silent() >= bound)
        };
        let keys: Vec<RowKey> = self
            .running
            .keys()
            .filter(|key| silent(key))
            .cloned()
            .collect();
        for key in keys {
            let Some(running) = self.running.remove(&key) else {
                continue;
            };
            // Whatever it wakes up to, it calls no user code any more.
            running.orders.send_replace(Order::Lost);
            self.emit(&Event::ShardBlocked {
                stream: running.stream.clone(),
                shard: running.shard.clone(),
                epoch: running.epoch,
                silent: running.pulse.silent(),
            });
            self.blocked.insert(key, running);
        }
        self.world.standing.set_leases(self.running.len());
        self.let_blocked_go().await;
    }

    /// Their rows still name us until this is written.
    async fn let_blocked_go(&mut self) {
        let ours = self.blocked.iter().filter_map(|(key, running)| {
            let seen = self.sightings.get(key)?;
            let named = seen.lease.owner.as_ref() == Some(&self.me);
            (named && seen.lease.epoch == running.epoch).then_some(&seen.lease)
        });
        let writes: Vec<Write> = ours
            .map(|lease| lease.give_up(&self.world.env.fresh_id()))
            .collect();
        let mut freed = false;
        for write in &writes {
            match self.store.write(std::slice::from_ref(write)).await {
                Ok(_) => freed = true,
                Err(error) => self.told(&error),
            }
        }
        if freed {
            self.hurry();
            self.announce().await;
        }
    }
}
