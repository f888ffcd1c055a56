//! L3: a worker asks for the records of every shard that it owns in every period, whatever the other shards do and
//! however calls fare.
//!
//! A shard whose last page is still being processed has something to do, be it a page that comes again because of one
//! record in it. One that is closed is about to end. While the
//! pages of a worker fill its whole budget, there is no room for more.

use super::{BUDGET_OF_ONE_PAGE, Judge, SLACK, Verdict};
use crate::sim::calm::Glance;
use crate::sim::fleet::millis;
use crate::sim::oracle::{Ledger, Scene};

pub(super) struct NoStarvation;

impl Judge for NoStarvation {
    fn name(&self) -> &'static str {
        "L3"
    }

    fn look(&mut self, scene: &Scene<'_>, ledger: &Ledger, _: &Glance) -> Option<Verdict> {
        let settings = &scene.scenario.settings;
        let period = millis(settings.idle_poll_max) + millis(settings.call_timeout) + SLACK;
        let starved = ledger
            .holdings
            .awake(scene.now)
            .find(|(key, holding, since)| {
                let (seat, shard) = *key;
                let shard = &scene.streams.shards[shard];
                // An end that was told and is none is looked into before anything else is read.
                let may_end = shard.closed_at.is_some() || shard.vanished || shard.open_until > 0;
                let room = ledger.holdings.bytes_of(seat) + 2 * BUDGET_OF_ONE_PAGE
                    <= settings.fetched_bytes_max;
                let waited = scene.now - holding.polled.max(holding.touched).max(*since);
                // Calls take turns too, one for each page of the budget, and each may hang for as long as it may take.
                let own = ledger
                    .holdings
                    .awake(scene.now)
                    .filter(|(of, ..)| of.0 == seat);
                let pages = (settings.fetched_bytes_max / BUDGET_OF_ONE_PAGE).max(1);
                let turn = millis(settings.call_timeout) * own.count() as u64 / pages;
                let idle = holding.pages.is_empty() && holding.in_work.is_none();
                idle && !may_end && room && waited > period + turn
            });
        let ((seat, shard), holding, _) = starved?;
        let message = format!(
            "shard {shard}: w{seat} owns it under epoch {} and has not asked for its records for {} ms",
            holding.epoch,
            scene.now - holding.polled
        );
        Some((Some(shard), message))
    }
}
