//! Bounds the memory of all pages of a worker, in bytes (L8).
//!
//! A fetch first gets a share as large as a page may become, and gives back what its page turned out smaller. The share
//! stays with the page until everything in it is acknowledged. Shares are given out in the order in which they were asked
//! for, so a backlog in thousands of shards is read a page at a time in turn, and nobody waits behind a shard that always
//! has more.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use shardkeeper_core::page::Page;
use shardkeeper_core::record::Record;
use tokio::sync::Semaphore;

/// What a fetch sets aside at first: the service cuts pages at 1 MB (F36). Their JSON may be longer.
pub(crate) const PAGE_BYTES: usize = 1024 * 1024;

/// The bytes of all pages that a worker may hold. A clone is another handle to the same budget.
#[derive(Debug, Clone)]
pub(crate) struct FetchBudget(Arc<State>);

#[derive(Debug)]
struct State {
    total: usize,
    free: Semaphore,
    /// Bytes by which pages were larger than what was free. Paid first of whatever is given back.
    debt: Mutex<usize>,
    /// The largest page yet: what the next fetch sets aside.
    largest: AtomicUsize,
}

/// The bytes that one page may take. Dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: FetchBudget,
    bytes: usize,
}

impl FetchBudget {
    /// A budget of so many bytes, and of one page at least.
    pub(crate) fn new(bytes: u64) -> Self {
        let total = usize::try_from(bytes).unwrap_or(usize::MAX);
        let total = total.clamp(PAGE_BYTES, Semaphore::MAX_PERMITS);
        Self(Arc::new(State {
            total,
            free: Semaphore::new(total),
            debt: Mutex::default(),
            largest: AtomicUsize::new(PAGE_BYTES),
        }))
    }

    /// Waits for room for a page. Cancel-safe; a dropped call loses its place in the line.
    pub(crate) async fn share(&self) -> Share {
        let bytes = self.0.largest.load(Relaxed).min(self.0.total);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        if let Ok(permits) = self.0.free.acquire_many(permits).await {
            permits.forget();
        }
        let budget = self.clone();
        Share { budget, bytes }
    }

    /// True while a shard that has a page may get another: half of the budget is for shards that have none, so that
    /// those which do not get on hold up nobody.
    pub(crate) fn is_ample(&self) -> bool {
        let page = self.0.largest.load(Relaxed);
        self.0.free.available_permits() >= self.0.total / 2 + page
    }

    fn give_back(&self, bytes: usize) {
        let mut debt = self.0.debt.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = bytes.min(*debt);
        *debt -= paid;
        self.0.free.add_permits(bytes - paid);
    }

    fn take_more(&self, bytes: usize) {
        let mut debt = self.0.debt.lock().unwrap_or_else(PoisonError::into_inner);
        *debt += bytes - self.0.free.forget_permits(bytes);
    }
}

impl Share {
    /// The page has come: the share becomes as large as the page is in memory.
    pub(crate) fn settle(&mut self, page: &Page) {
        let bytes = footprint(page);
        self.budget.0.largest.fetch_max(bytes, Relaxed);
        if bytes > self.bytes {
            self.budget.take_more(bytes - self.bytes);
        } else {
            self.budget.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// What a page takes in memory: its body, and the heads of its records. Nothing for a page without records, which is
/// thrown away at once.
fn footprint(page: &Page) -> usize {
    if page.records.is_empty() {
        return 0;
    }
    page.bytes + page.records.len() * size_of::<Record>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const MIB: u64 = 1024 * 1024;

    fn page(bytes: usize) -> Page {
        let body = format!(
            r#"{{"Records":[{{"eventName":"INSERT","dynamodb":{{"SequenceNumber":"{}","Keys":{{"id":{{"S":"{}"}}}}}}}}]}}"#,
            "1".repeat(21),
            "x".repeat(bytes)
        );
        let body = shardkeeper_core::page::PageBody::parse(body.into()).expect("a page");
        assert_eq!(body.page.records.len(), 1);
        body.page
    }

    #[test]
    fn l8_pages_never_hold_more_than_the_budget_and_its_overrun_is_paid_back_first() {
        let budget = FetchBudget::new(2 * MIB);
        let mut first = budget.share().now_or_never().expect("room");
        let second = budget.share().now_or_never().expect("room");
        assert!(budget.share().now_or_never().is_none(), "all is given out");
        // The first page is half a page too large; nothing is left that could pay for it.
        first.settle(&page(PAGE_BYTES * 3 / 2));
        drop(second);
        assert!(
            budget.share().now_or_never().is_none(),
            "half of it is owed"
        );
        drop(first);
        assert_eq!(budget.0.free.available_permits(), 2 * PAGE_BYTES);
    }

    #[test]
    fn l8_an_empty_page_gives_everything_back_and_a_small_one_most_of_it() {
        let budget = FetchBudget::new(MIB);
        let mut share = budget.share().now_or_never().expect("room");
        share.settle(&Page::default());
        assert_eq!(budget.0.free.available_permits(), PAGE_BYTES);
        let mut small = budget.share().now_or_never().expect("room");
        drop(share);
        small.settle(&page(1000));
        let held = PAGE_BYTES - budget.0.free.available_permits();
        assert!((1000..2000).contains(&held), "{held}");
    }

    #[test]
    fn l8_after_a_page_larger_than_the_service_says_the_next_fetch_sets_as_much_aside() {
        let budget = FetchBudget::new(4 * MIB);
        let mut share = budget.share().now_or_never().expect("room");
        share.settle(&page(PAGE_BYTES * 3 / 2));
        drop(share);
        let next = budget.share().now_or_never().expect("room");
        assert!(next.bytes > PAGE_BYTES * 3 / 2);
        assert!(budget.share().now_or_never().is_some(), "two fit into four");
    }

    #[test]
    fn l8_a_second_page_leaves_half_of_the_budget_free() {
        let budget = FetchBudget::new(4 * MIB);
        let first = budget.share().now_or_never().expect("room");
        assert!(budget.is_ample(), "two are free when one more is taken");
        let second = budget.share().now_or_never().expect("room");
        assert!(!budget.is_ample());
        drop((first, second));
        assert!(budget.is_ample());
    }
}
