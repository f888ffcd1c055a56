//! L8: the pages that a worker holds stay within its budget of bytes, and those of one shard within what may be fetched
//! ahead.

use super::{BUDGET_OF_ONE_PAGE, Judge};
use crate::sim::oracle::{Fact, Ledger, Scene};

/// The page that the processor gets next.
const BESIDE_PREFETCHED: usize = 1;

pub(super) struct Memory;

impl Judge for Memory {
    fn name(&self) -> &'static str {
        "L8"
    }

    fn see(&mut self, scene: &Scene<'_>, ledger: &Ledger, fact: &Fact) -> Option<String> {
        let Fact::PageCame { seat, shard, page } = fact else {
            return None;
        };
        let holding = ledger.holdings.of(*seat, *shard)?;
        let settings = &scene.scenario.settings;
        let held = ledger.holdings.bytes_of(*seat) + page.bytes;
        let budget = settings.fetched_bytes_max.max(BUDGET_OF_ONE_PAGE);
        if held > budget {
            return Some(format!(
                "shard {shard}: with this page w{seat} holds {held} bytes, and {budget} are allowed"
            ));
        }
        let (pages, most) = (
            holding.unbegun() + 1,
            usize::from(settings.prefetch_pages) + BESIDE_PREFETCHED,
        );
        (pages > most).then(|| {
            format!("shard {shard}: w{seat} holds {pages} pages of it of which nothing was begun, and {most} are allowed")
        })
    }
}
