//! What was written against what was delivered: the proof.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use shardkeeper::{SequenceNumber, ShardId};

/// Every change that writers made, and every record that processors were given.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    written: u64,
    records: BTreeSet<(ShardId, SequenceNumber)>,
    delivered_again: u64,
    out_of_order: u64,
    orders: BTreeMap<String, Account>,
}

/// One order.
#[derive(Debug, Default)]
struct Account {
    /// Changes 1 to this were written.
    written: u64,
    /// The changes that were delivered.
    delivered: BTreeSet<u64>,
    /// The latest of them.
    latest: u64,
}

/// A record, as a processor was given it.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) shard: ShardId,
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) order: String,
    pub(crate) change: u64,
}

impl Ledger {
    /// The next change of this order is in the table.
    pub(crate) fn wrote(&self, order: &str) {
        let mut books = self.books();
        books.written += 1;
        match books.orders.get_mut(order) {
            Some(account) => account.written += 1,
            None => {
                let account = Account {
                    written: 1,
                    ..Account::default()
                };
                books.orders.insert(order.to_owned(), account);
            }
        }
    }

    /// A processor was given this record. Order is judged by first deliveries: after a crash some records
    /// come again, from the last stored checkpoint on.
    pub(crate) fn delivered(&self, delivery: Delivery) {
        let Delivery {
            shard,
            sequence_number,
            order,
            change,
        } = delivery;
        let mut books = self.books();
        let books = &mut *books;
        if !books.records.insert((shard, sequence_number)) {
            books.delivered_again += 1;
            return;
        }
        let account = books.orders.entry(order).or_default();
        account.delivered.insert(change);
        if change < account.latest {
            books.out_of_order += 1;
        }
        account.latest = account.latest.max(change);
    }

    pub(crate) fn written(&self) -> u64 {
        self.books().written
    }

    /// How many changes were written and not delivered so far.
    pub(crate) fn missing(&self) -> u64 {
        self.books().orders.values().map(Account::missing).sum()
    }

    /// How it stands; the fleet's size and its shards are other people's to count.
    pub(crate) fn verdict(&self, workers: u16, shards: usize) -> Verdict {
        let books = self.books();
        let accounted: u64 = books.orders.values().map(Account::accounted).sum();
        let delivered = count(books.records.len());
        Verdict {
            written: books.written,
            delivered,
            lost: books.orders.values().map(Account::missing).sum(),
            out_of_order: books.out_of_order,
            delivered_again: books.delivered_again,
            workers,
            shards: count(shards),
            unwritten: delivered.saturating_sub(accounted),
            cut_short: None,
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // A panic between two entries leaves nothing half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn accounted(&self) -> u64 {
        count(self.delivered.range(1..=self.written).count())
    }

    fn missing(&self) -> u64 {
        self.written.saturating_sub(self.accounted())
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// Changes that writers made.
    written: u64,
    /// Different records that processors were given.
    delivered: u64,
    /// Changes of which no record came.
    lost: u64,
    /// Records that came after a later change of the same order.
    out_of_order: u64,
    /// Deliveries of a record that had been delivered before.
    delivered_again: u64,
    workers: u16,
    shards: u64,
    /// Records of which no writer knows: a second one for one change, or one for a write that changed nothing.
    #[serde(skip)]
    unwritten: u64,
    /// Why it did not get to its end.
    #[serde(skip)]
    cut_short: Option<String>,
}

impl Verdict {
    pub(crate) fn cut_short(self, why: String) -> Self {
        let cut_short = Some(why);
        Self { cut_short, ..self }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.complaints().is_empty()
    }

    /// The numbers under the names of the fields.
    pub(crate) fn as_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// What is wrong, one sentence each.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let (lost, late, unwritten) = (self.lost, self.out_of_order, self.unwritten);
        let counted = [
            (lost, "records were written and never delivered"),
            (late, "records came after a later change of the same order"),
            (unwritten, "records came that no writer's change explains"),
        ];
        let wrong = counted.into_iter().filter(|(count, _)| *count > 0);
        let wrong = wrong.map(|(count, what)| format!("{count} {what}"));
        self.cut_short.iter().cloned().chain(wrong).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            written,
            delivered,
            lost,
            out_of_order,
            ..
        } = self;
        let Self {
            delivered_again,
            workers,
            shards,
            ..
        } = self;
        write!(
            f,
            "quickstart: {written} written, {delivered} delivered, {lost} lost, "
        )?;
        write!(
            f,
            "{out_of_order} out of order, {delivered_again} delivered again, "
        )?;
        write!(f, "{workers} workers, {shards} shards")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How it stands with one order after so many changes and these records of them.
    fn after(written: u64, deliveries: &[(&str, u64)]) -> Verdict {
        let ledger = Ledger::default();
        (0..written).for_each(|_| ledger.wrote("order-0-0"));
        for (sequence_number, change) in deliveries {
            ledger.delivered(Delivery {
                shard: ShardId::from_service("shardId-0"),
                sequence_number: SequenceNumber::from_service(sequence_number).expect("a number"),
                order: "order-0-0".to_owned(),
                change: *change,
            });
        }
        ledger.verdict(3, 4)
    }

    #[test]
    fn everything_once_and_in_order_is_good() {
        let verdict = after(3, &[("10", 1), ("20", 2), ("30", 3)]);
        assert!(verdict.is_good());
        assert_eq!(
            verdict.to_string(),
            "quickstart: 3 written, 3 delivered, 0 lost, 0 out of order, 0 delivered again, 3 workers, 4 shards"
        );
    }

    #[test]
    fn a_record_that_never_comes_is_lost() {
        let verdict = after(3, &[("10", 1), ("30", 3)]);
        assert_eq!((verdict.lost, verdict.out_of_order), (1, 0));
        assert!(!verdict.is_good());
    }

    #[test]
    fn a_record_that_comes_late_is_out_of_order_whatever_its_sequence_number() {
        let verdict = after(3, &[("10", 1), ("20", 3), ("30", 2)]);
        assert_eq!((verdict.lost, verdict.out_of_order), (0, 1));
        assert!(!verdict.is_good());
    }

    #[test]
    fn a_repetition_is_counted_and_is_no_fault() {
        let verdict = after(2, &[("10", 1), ("20", 2), ("10", 1), ("20", 2)]);
        assert_eq!((verdict.delivered, verdict.delivered_again), (2, 2));
        assert!(verdict.is_good());
    }

    #[test]
    fn a_record_that_nobody_wrote_is_a_fault() {
        assert!(
            !after(1, &[("10", 1), ("20", 1)]).is_good(),
            "two of one change"
        );
        assert!(
            !after(1, &[("10", 1), ("20", 2)]).is_good(),
            "one of no change"
        );
    }

    #[test]
    fn a_run_that_was_cut_short_is_not_good() {
        assert!(
            !after(1, &[("10", 1)])
                .cut_short("time is up".to_owned())
                .is_good()
        );
    }
}
